// Attacks on the framing and the routing of requests: cases A1, A2, A3 and A13 of the attack catalogue, byte
// by byte on a whole gateway. What is ambiguous is refused and the connection closed; nothing that was
// smuggled is ever executed.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { chatBody, converse, inChunks, reply, requestBytes } from './raw-http.ts';
import { startWatchedGateway, type WatchedGateway } from './watched-gateway.ts';

let watched: WatchedGateway;
beforeAll(async () => {
  watched = await startWatchedGateway();
});
afterAll(() => watched.stop());

const bodyText = chatBody('first');
const post = (headers: readonly string[], rest: string): string =>
  `POST /v1/chat/completions HTTP/1.1\r\n${[...watched.lines, ...headers].join('\r\n')}\r\n\r\n${rest}`;
/** A whole paid request, hidden behind another one. */
const hidden = (): string => post([`content-length: ${chatBody('smuggled').length}`], chatBody('smuggled'));
const smuggled = () => watched.seen.filter(({ body }) => Buffer.from(body).includes('smuggled'));

describe('A1: two readings of where a request ends', () => {
  const chunked = inChunks(bodyText);
  const size = bodyText.length;
  const longest = 'f'.repeat(16);
  const refused: readonly (readonly [name: string, headers: readonly string[], body: string])[] = [
    ['CL.TE', [`content-length: ${chunked.length}`, 'transfer-encoding: chunked'], chunked],
    ['TE.CL', ['transfer-encoding: chunked', 'content-length: 4'], chunked],
    ['TE.TE', ['transfer-encoding: chunked', 'transfer-encoding: identity'], chunked],
    ['TE twice', ['transfer-encoding: chunked, chunked'], chunked],
    ['TE with chunked not last', ['transfer-encoding: chunked, identity'], chunked],
    ['TE with another before chunked', ['transfer-encoding: gzip, chunked'], chunked],
    ['TE nearly chunked', ['transfer-encoding: xchunked'], chunked],
    ['TE with a parameter', ['transfer-encoding: chunked;q=1'], chunked],
    ['TE in quotes', ['transfer-encoding: "chunked"'], chunked],
    ['TE with a vertical tab', ['transfer-encoding: chunked\x0b'], chunked],
    ['TE with a blank before the colon', ['transfer-encoding : chunked'], chunked],
    ['TE folded', ['transfer-encoding:\r\n chunked'], chunked],
    ['CL twice', [`content-length: ${size}`, 'content-length: 5'], bodyText],
    ['CL list', [`content-length: ${size}, ${size}`], bodyText],
    ['CL with a sign', [`content-length: +${size}`], bodyText],
    ['CL below zero', ['content-length: -1'], bodyText],
    ['CL in hex', [`content-length: 0x${size.toString(16)}`], bodyText],
    ['CL beyond 64 bits', ['content-length: 18446744073709551680'], bodyText],
    ['CL empty', ['content-length: '], bodyText],
    ['chunk size beyond 64 bits', ['transfer-encoding: chunked'], `${longest}f\r\nhello\r\n0\r\n\r\n`],
    ['chunk size of 64 bits', ['transfer-encoding: chunked'], `${longest}\r\nhello\r\n0\r\n\r\n`],
    ['chunk size below zero', ['transfer-encoding: chunked'], '-5\r\nhello\r\n0\r\n\r\n'],
    ['chunk size with a prefix', ['transfer-encoding: chunked'], '0x5\r\nhello\r\n0\r\n\r\n'],
    ['chunk longer than its size', ['transfer-encoding: chunked'], '5\r\nhello!!\r\n0\r\n\r\n'],
    ['chunk lines ended by LF', ['transfer-encoding: chunked'], `${size.toString(16)}\n${bodyText}\n0\n\n`],
    ['trailers', ['transfer-encoding: chunked'], chunked.replace('0\r\n\r\n', '0\r\nx-api-key: other\r\n\r\n')],
    ['NUL in a header', [`content-length: ${size}`, 'x-note: a\0b'], bodyText],
    ['CR in a header', [`content-length: ${size}`, 'x-note: a\rb'], bodyText],
  ];

  test.each(refused.map(([name, headers, body]) => ({ name, headers, body })))('$name', async ({ headers, body }) => {
    const { replies, ending } = await converse(watched.port, post(headers, body + hidden()), 2);
    expect(replies.map(({ status }) => status)).toEqual([400]);
    expect(ending).toBe('fin');
    expect(smuggled()).toEqual([]);
  });

  test('transfer-encoding on HTTP/1.0, other versions, and heads ended by LF', async () => {
    for (const text of [
      post(['transfer-encoding: chunked'], inChunks(bodyText)).replace('HTTP/1.1', 'HTTP/1.0'),
      post([`content-length: ${size}`], bodyText).replace('HTTP/1.1', 'HTTP/1.2'),
      post([`content-length: ${size}`], bodyText).replaceAll('\r\n', '\n'),
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    ]) {
      const { replies, ending } = await converse(watched.port, text + hidden(), 2);
      expect(replies.every(({ status }) => status === 400 || status === 505)).toBe(true);
      expect(ending).not.toBe('open');
    }
    expect(smuggled()).toEqual([]);
  });

  test('what stands inside a body is body, also where nobody reads it', async () => {
    const inner = hidden();
    for (const line of ['GET /healthz', 'POST /v1/chat/completions', 'POST /admin/v1/accounts', 'POST /nowhere']) {
      const head = `${line} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ${inner.length}\r\n\r\n`;
      const { replies } = await converse(
        watched.port,
        `${head}${inner}GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`,
        2,
      );
      // The second reply is the one to /readyz, on the same connection or, where it was closed, none.
      expect(replies.length < 2 || replies[1]?.status === 200).toBe(true);
    }
    expect(smuggled()).toEqual([]);
  });

  test('a request behind one that is still running is not served: the connection ends', async () => {
    const { replies, ending } = await converse(
      watched.port,
      post([`content-length: ${size}`], bodyText) + hidden(),
      2,
    );
    expect([replies.length < 2, ending]).toEqual([true, 'fin']);
    expect(smuggled()).toEqual([]);
  });

  test('honest framing of both kinds is served', async () => {
    for (const text of [post([`content-length: ${size}`], bodyText), post(['transfer-encoding: chunked'], chunked)]) {
      expect((await reply(watched.port, text)).status).toBe(200);
    }
  });
});

describe('A2: hosts', () => {
  const invalid = [
    'h',
    'ab',
    'abc',
    '',
    'a/b',
    '127.0.0.1/',
    '127.0.0.1?x',
    '127.0.0.1#x',
    'user@127.0.0.1',
    '127.0.0.1\\x',
    '127.0.0.1 x',
    '127.0.0.1,127.0.0.1',
    '127.0.0.1:',
    '127.0.0.1:port',
    '127.0.0.1:99999',
    '127.0.0.1:123456',
    '[::1',
    '::1',
    'localhost.',
    '.localhost',
    '%6cocalhost',
    '----',
    '..',
    'loc\u00e4lhost',
    `${'a'.repeat(300)}.test`,
  ];
  const brackets = [
    '[::1]@evil.test', '[::1]:80@evil.test', '[::1]/x', '[::1]?x', '[::1]#x', '[::1].evil.test', '[::1]evil.test:80',
    '[::1][::1]', '[::1%25lo]', '[fe80::1%lo]', '[evil.test]', '[]:80',
  ];
  // Each path is one that a shifted reading would take for another.
  const paths = ['/healthz', '/ab/admin/v1/accounts', '/public/admin/v1/accounts', '/v1/models'];

  test.each([...invalid, ...brackets])('%j is refused before anything is routed', async (host) => {
    for (const path of paths) {
      const { status, body } = await reply(watched.port, requestBytes(`GET ${path} HTTP/1.1`, [`host: ${host}`]));
      expect([path, status, body === '' || body.includes('"invalid_host"')]).toEqual([path, 400, true]);
    }
  });

  const nobody = ['evil.test', '127.1', '0x7f.1', '2130706433', '1.2.3', 'a..b', 'localhost.evil.test', 'metadata'];
  const noAddress = ['[1.2.3.4]', '[::1::]', '[::fffff]', '[....]', '[bad:cafe]', '256.1.1.1', '127.0.0.01'];

  test.each([...nobody, ...noAddress])('%j is nobody here', async (host) => {
    for (const path of paths) {
      const { status } = await reply(watched.port, requestBytes(`GET ${path} HTTP/1.1`, [`host: ${host}`]));
      expect([path, status]).toEqual([path, 421]);
    }
  });

  test('two of them, and none', async () => {
    const twice = ['host: 127.0.0.1', 'host: 127.0.0.1'];
    expect((await reply(watched.port, requestBytes('GET /healthz HTTP/1.1', twice))).status).toBe(400);
    expect((await reply(watched.port, requestBytes('GET /healthz HTTP/1.1', []))).status).toBe(400);
    expect((await reply(watched.port, requestBytes('GET /healthz HTTP/1.0', []))).status).toBe(400);
  });

  test.each(['127.0.0.1', 'LocalHost', 'localhost:8080', '[::1]:80', '198.51.100.7:1'])(
    '%j is served',
    async (host) => {
      expect((await reply(watched.port, requestBytes('GET /healthz HTTP/1.1', [`host: ${host}`]))).status).toBe(200);
    },
  );

  test('the authority of a whole address as target is not believed: the Host header decides', async () => {
    for (const [target, host, status] of [
      ['http://evil.test/healthz', '127.0.0.1', 200],
      ['http://127.0.0.1/healthz', 'evil.test', 421],
      ['http://h/healthz', 'h', 400],
      ['http://127.0.0.1/healthz', 'h', 400],
    ] as const) {
      expect((await reply(watched.port, requestBytes(`GET ${target} HTTP/1.1`, [`host: ${host}`]))).status).toBe(
        status,
      );
    }
  });
});

describe('A3: targets that mean an admin route to one reader and not to another', () => {
  const ask = async (target: string, key?: string) => {
    const headers = ['host: 127.0.0.1', ...(key === undefined ? [] : [`authorization: Bearer ${key}`])];
    return (await reply(watched.port, requestBytes(`GET ${target} HTTP/1.1`, headers))).status;
  };
  const nothing = [
    '//admin/v1/accounts',
    '/admin//v1/accounts',
    '/admin/v1//accounts',
    '/admin/v1/accounts/',
    '/admin/v1/accounts;x',
    '/admin;x/v1/accounts',
    '/;/admin/v1/accounts',
    '/admin/v1/accounts%00',
    '/admin/v1/accounts%00.css',
    '/admin%2fv1%2faccounts',
    '/admin/v1%2faccounts',
    '/%61dmin/v1/accounts',
    '/admin/v1/%61ccounts',
    '/admin/%76%31/accounts',
    '/ADMIN/v1/accounts',
    '/admin/V1/accounts',
    '/admin/v1/Accounts',
    '/Admin/v1/accounts',
    '/admin/v1/accounts%20',
    '/admin/v1/accounts%2f',
    '/admin/v1/accounts%3f',
    '/admin/v1/accounts#x',
    '/admin%5cv1%5caccounts',
    '/v1/..%2fadmin/v1/accounts',
    '/admin/docs/..%2fv1%2faccounts',
    '/terms/..%2fadmin',
    '/admin/v1/accounts.json',
    '/admin/v1/accounts%',
    '/admin/v1/accounts%zz',
    '/admin/v1',
    '/admin/v1/',
    '/v1/admin',
    '/admin/v1/\uff41ccounts',
    '*',
    'admin/v1/accounts',
    '?/admin/v1/accounts',
    '/http://127.0.0.1/admin/v1/accounts',
  ];
  test.each(nothing)('%s is nothing, also to an operator', async (target) => {
    for (const key of [undefined, watched.gateway.operatorKey]) expect([400, 404]).toContain(await ask(target, key));
  });

  // Dots and backslashes are resolved by the server itself before anything of ours sees the path: guard and
  // router then read the same one.
  const resolved = [
    '/./admin/v1/accounts',
    '/x/../admin/v1/accounts',
    '/v1/../admin/v1/accounts',
    '/v1/%2e%2e/admin/v1/accounts',
    '/v1/.%2E/admin/v1/accounts',
    '/healthz/../admin/v1/accounts',
    '/admin/docs/../v1/accounts',
    '/admin\\v1\\accounts',
    'http://evil.test/admin/v1/accounts',
    '/v1/models/../../admin/v1/accounts',
  ];
  test.each(resolved)('%s is the admin route, with its guard', async (target) => {
    // 429 once so many wrong keys came from here.
    for (const key of [undefined, watched.gateway.apiKey]) expect([401, 429]).toContain(await ask(target, key));
    expect(await ask(target, watched.gateway.operatorKey)).toBe(200);
  });

  test('client routes in another spelling reach no upstream', async () => {
    const before = watched.seen.length;
    for (const path of [
      '/v1/chat//completions',
      '/V1/chat/completions',
      '/v1/Chat/completions',
      '/v1/chat/completions.json',
      '/v1/chat%2fcompletions',
      '/v1/chat/completions;x',
      '/openai/chat/completions',
      '/v1beta/chat/completions',
    ]) {
      const answer = await reply(watched.port, requestBytes(`POST ${path} HTTP/1.1`, watched.lines, bodyText));
      expect([path, answer.status]).toEqual([path, 404]);
    }
    expect(watched.seen.length).toBe(before);
  });
});

describe('A13: no tunnels', () => {
  test('Upgrade, on every face', async () => {
    const faces = [
      ['/v1/models', [426]],
      ['/v1/chat/completions', [426]],
      ['/healthz', [200]],
      ['/admin/v1/accounts', [401, 429]],
      ['/nowhere', [404]],
    ] as const;
    for (const [path, statuses] of faces) {
      for (const protocol of ['websocket', 'h2c', 'TLS/1.0']) {
        const answer = await reply(
          watched.port,
          requestBytes(`GET ${path} HTTP/1.1`, [
            'host: 127.0.0.1',
            'connection: upgrade, http2-settings',
            `upgrade: ${protocol}`,
            'http2-settings: AAMAAABkAAQAAP__',
            'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
            'sec-websocket-version: 13',
          ]),
        );
        expect(statuses.some((status) => status === answer.status)).toBe(true);
        expect(answer.headers.has('upgrade')).toBe(false);
      }
    }
  });

  test('TRACE, CONNECT and methods that nobody knows', async () => {
    for (const line of [
      'TRACE /v1/models',
      'TRACE /admin/v1/accounts',
      'TRACE /healthz',
      'CONNECT evil.test:443',
      'CONNECT /v1/models',
      'CONNECT 127.0.0.1:80',
      'DEBUG /healthz',
      'PROPFIND /v1/models',
      'get /healthz',
    ]) {
      const { replies } = await converse(
        watched.port,
        `${line} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-canary: echo-me\r\n\r\n`,
      );
      for (const { status, body } of replies) {
        expect([line, status >= 400 && status < 500]).toEqual([line, true]);
        expect(body).not.toContain('echo-me');
      }
    }
  });

  test('the preface of HTTP/2', async () => {
    const { replies, ending } = await converse(watched.port, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0');
    expect([replies.map(({ status }) => status), ending]).toEqual([[400], 'fin']);
  });

  test('Expect: one is met, others are refused', async () => {
    const continued = await converse(
      watched.port,
      post(['expect: 100-continue', `content-length: ${bodyText.length}`], bodyText),
      2,
    );
    expect(continued.replies.map(({ status }) => status)).toEqual([100, 200]);
    const before = watched.seen.length;
    const other = await reply(watched.port, post(['expect: 200-ok', `content-length: ${bodyText.length}`], bodyText));
    expect([other.status, watched.seen.length]).toEqual([400, before]);
  });
});
