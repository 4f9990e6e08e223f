// Attacks by what is sent: cases A5, A8, A9 and A10 of the attack catalogue. A body is bounded before it is
// held, scanned before anything trusts it, and reaches the upstream byte for byte or not at all.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { bounds } from '../../src/core/bounds.ts';
import { exchange } from '../simulator/raw-client.ts';
import { chatBody, repliesIn, reply, requestBytes } from './raw-http.ts';
import { startWatchedGateway, type WatchedGateway } from './watched-gateway.ts';

const MIB = 1024 * 1024;

let watched: WatchedGateway;
beforeAll(async () => {
  watched = await startWatchedGateway();
});
afterAll(() => watched.stop());

const chat = (body: string | Uint8Array, headers: readonly string[] = []) =>
  reply(watched.port, requestBytes('POST /v1/chat/completions HTTP/1.1', [...watched.lines, ...headers], body));

async function refused(body: string | Uint8Array, status: number, headers: readonly string[] = []) {
  const before = watched.seen.length;
  const answer = await chat(body, headers);
  expect([answer.status, watched.seen.length - before]).toEqual([status, 0]);
  return answer.body;
}

/** Ours to refuse, or the upstream's, which then gets exactly these bytes; nobody is charged for either. */
async function refusedSomewhere(body: string | Uint8Array) {
  const before = watched.seen.length;
  const { status, body: text } = await chat(body);
  expect([status, text.includes('"invalid_request')]).toEqual([400, true]);
  const [sent] = watched.seen.slice(before);
  if (sent !== undefined) expect(Buffer.from(sent.body).equals(Buffer.from(body))).toBe(true);
}

async function passed(body: string | Uint8Array) {
  const before = watched.seen.length;
  const answer = await chat(body);
  expect([answer.status, watched.seen.length - before]).toEqual([200, 1]);
  expect(Buffer.from(watched.seen.at(-1)?.body ?? []).equals(Buffer.from(body))).toBe(true);
}

/** A chat body of exactly that many bytes. */
function bodyOf(bytes: number): Buffer {
  const head = Buffer.from('{"model":"sim/fast","max_tokens":1,"messages":[{"role":"user","content":"body-canary ');
  const tail = Buffer.from('"}]}');
  return Buffer.concat([head, Buffer.alloc(bytes - head.length - tail.length, 0x61), tail]);
}

describe('A5: too large a body', () => {
  test('of one byte too many, declared or in chunks, is refused; the largest allowed is read', async () => {
    const largest = bodyOf(bounds.requestBodyBytes);
    expect((await chat(largest)).status).not.toBe(413);
    const tooLarge = bodyOf(bounds.requestBodyBytes + 1);
    expect(await refused(tooLarge, 413)).toContain(String(bounds.requestBodyBytes));
    const chunked = Buffer.concat([
      Buffer.from(`${tooLarge.length.toString(16)}\r\n`),
      tooLarge,
      Buffer.from('\r\n0\r\n\r\n'),
    ]);
    const head = Buffer.from(
      `POST /v1/chat/completions HTTP/1.1\r\n${watched.lines.join('\r\n')}\r\ntransfer-encoding: chunked\r\n\r\n`,
    );
    const before = watched.seen.length;
    expect((await reply(watched.port, Buffer.concat([head, chunked]))).status).toBe(413);
    expect(watched.seen.length).toBe(before);
    expect(watched.gateway.log.join('')).not.toContain('body-canary');
  });

  test('of ten gigabytes is refused by what it declares, on every face and without a key', async () => {
    const before = process.memoryUsage.rss();
    const paths = [
      '/v1/chat/completions',
      '/v1/embeddings',
      '/admin/v1/accounts',
      '/terms/acceptances',
      '/nowhere',
      '/healthz',
    ];
    for (const key of [watched.gateway.apiKey, watched.gateway.operatorKey, 'tg_wrong']) {
      for (const path of paths) {
        const answer = await reply(
          watched.port,
          [
            `POST ${path} HTTP/1.1`,
            'host: 127.0.0.1',
            `authorization: Bearer ${key}`,
            'content-type: application/json',
            'content-length: 10000000000',
            '',
            'x'.repeat(1_000),
          ].join('\r\n'),
        );
        expect([path, answer.status >= 400 && answer.status < 500]).toEqual([path, true]);
      }
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(100 * MIB);
  });

  test('without end, in chunks, is cut off at the bound', async () => {
    const before = process.memoryUsage.rss();
    for (const [path, key] of [
      ['/v1/chat/completions', watched.gateway.apiKey],
      ['/admin/v1/accounts', watched.gateway.operatorKey],
      ['/v1/embeddings', 'tg_no'],
    ] as const) {
      const head = [
        `POST ${path} HTTP/1.1`,
        'host: 127.0.0.1',
        `authorization: Bearer ${key}`,
        'content-type: application/json',
        'transfer-encoding: chunked',
      ].join('\r\n');
      const open = exchange(watched.port, `${head}\r\n\r\n`);
      const chunk = Buffer.from(`100000\r\n${'a'.repeat(MIB)}\r\n`);
      let sent = 0;
      // Writes on until the server answers or closes; 100 MiB would be three times the bound.
      const pump = () => {
        while (sent < 100 && open.socket.writable && open.received().length === 0) {
          sent += 1;
          if (!open.socket.write(chunk)) return void open.socket.once('drain', pump);
        }
      };
      open.socket.once('connect', pump);
      const { ending } = await open.until((raw) => repliesIn(raw, false).length > 0);
      const [answer] = repliesIn(open.received(), true);
      expect(answer === undefined ? ending !== 'open' : answer.status >= 400 && answer.status < 500).toBe(true);
      expect(sent).toBeLessThan(100);
      open.socket.destroy();
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(200 * MIB);
  });
});

describe('A8: JSON that stalls or divides its readers', () => {
  const inMessages = (text: string) =>
    `{"model":"sim/fast","messages":[{"role":"user","content":"x"}],"metadata":${text}}`;

  test.each([127, 50_000, 1_000_000])('%d levels', async (levels) => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
    ] as const) {
      const inner = open === '[' ? '' : '1';
      const body = inMessages(open.repeat(levels + 1) + inner + close.repeat(levels + 1));
      expect(await refused(body, 400)).toContain('nested deeper than 128');
    }
    expect(await refused(inMessages('['.repeat(levels + 1)), 400)).not.toContain('"internal_error"');
  });

  test('128 levels pass as they came', () => passed(inMessages('['.repeat(127) + ']'.repeat(127))));

  test('80,000 keys, in one object and in many', async () => {
    const keys = Array.from({ length: 80_000 }, (_, index) => `"k${index}":0`).join(',');
    expect(await refused(inMessages(`{${keys}}`), 400)).toContain('more than 60000 keys');
    expect(await refused(`{"model":"sim/fast",${keys},"messages":[]}`, 400)).toContain('more than 60000 keys');
    expect(await refused(inMessages(`[${'{"a":0},'.repeat(80_000)}0]`), 400)).toContain('more than 60000 keys');
  });

  const twice: readonly string[] = [
    '{"model":"sim/fast","model":"sim/echo","messages":[]}',
    '{"model":"sim/fast","mod\\u0065l":"sim/echo","messages":[]}',
    '{"model":"sim/fast","messages":[],"max_tokens":1,"max_tokens":9000}',
    '{"model":"sim/fast","n":1,"n":100,"messages":[]}',
    '{"model":"sim/fast","messages":[],"messages":[{"role":"user","content":"x"}]}',
    '{"a":1,"model":"sim/fast","a":2,"messages":[]}',
    '{"model":"sim/fast","stream":true,"stream_options":{"include_usage":false,"include_usage":true},"messages":[]}',
    '{"model":"sim/fast","":1,"":2,"messages":[]}',
    '{"__proto__":1,"__proto__":2,"model":"sim/fast","messages":[]}',
  ];
  test.each(twice)('%s has a key twice', async (body) => {
    expect(await refused(body, 400)).toContain('stands twice');
  });

  test.each([
    '"Model":"sim/echo"',
    '"MODEL":"sim/echo"',
    '"mode\u006c\u0130":1,"Stream":true',
    '"Max_Tokens":9',
    '"N":100',
    '"\\u004d\\u006fdel":"sim/echo"',
    '"\u017ftream":true',
    '"max_to\u212aens":9',
    '"Messages":[]',
    '"STREAM_OPTIONS":{}',
  ])('%s is one of our fields in another letter case', async (member) => {
    expect(await refused(`{"model":"sim/fast","messages":[],${member}}`, 400)).toContain('letter case');
  });

  test('members that one kind of parser would take for ours go on untouched', async () => {
    for (const member of [
      '"constructor":{"prototype":{"a":1}}',
      '"__proto__":{"stream":true}',
      '"metadata":{"model":"x","model":"y"}',
      '"models":["x"]',
    ]) {
      await passed(`{"model":"sim/fast","messages":[{"role":"user","content":"x"}],${member}}`);
    }
    expect(Reflect.get({}, 'a')).toBeUndefined();
  });

  test('what is no JSON to a strict parser', async () => {
    for (const body of [
      '',
      ' ',
      'null',
      '[]',
      '"x"',
      '1',
      '{',
      '{"model":"sim/fast"',
      '{"model":"sim/fast",}',
      "{'model':'sim/fast'}",
      '{model:"sim/fast"}',
      '{"model":"sim/fast"}{}',
      '{"model":"sim/fast"} x',
      '/*c*/{"model":"sim/fast"}',
      '{"model":"sim/fast","a":NaN}',
      '{"model":"sim/fast","a":01}',
      '{"model":"sim/fast","a":1.}',
      '{"model":"sim/fast","a":.5}',
      '{"model":"sim/fast","a":+1}',
      '{"model":"sim/fast","a":"\t"}',
      '{"model":"sim/fast","a":"\\x"}',
      '{"model":"sim/fast","a":tru}',
      '{"model":"sim/fast","a":"\\u12"}',
      '\u00a0{"model":"sim/fast"}',
      '{"model":"sim/fast"}\0',
      '{"model":"sim/fast","a":[1,]}',
    ])
      await refusedSomewhere(body);
  });

  test('long strings pass', () => passed(chatBody('long '.repeat(200_000), { max_tokens: 1 })));
});

describe('A9: compressed bodies', () => {
  const plain = Buffer.from(chatBody('x'));
  const bomb = gzipSync(Buffer.alloc(20 * MIB));
  const cases: readonly (readonly [encoding: string, body: Uint8Array])[] = [
    ['gzip', gzipSync(plain)],
    ['GZIP', gzipSync(plain)],
    ['x-gzip', gzipSync(plain)],
    ['gzip', bomb],
    ['deflate', deflateSync(plain)],
    ['br', brotliCompressSync(plain)],
    ['zstd', zstdCompressSync(plain)],
    ['gzip, gzip', gzipSync(gzipSync(plain))],
    ['identity, gzip', gzipSync(plain)],
    ['compress', plain],
    ['chunked', plain],
    ['aws-chunked', plain],
    ['', plain],
  ];
  test.each(cases.map(([encoding, body]) => ({ encoding, body })))('$encoding', async ({ encoding, body }) => {
    expect(await refused(body, 415, [`content-encoding: ${encoding}`])).toContain('"encoding_unsupported"');
    const admin = [
      'host: 127.0.0.1',
      `authorization: Bearer ${watched.gateway.operatorKey}`,
      'content-type: application/json',
      `content-encoding: ${encoding}`,
    ];
    expect((await reply(watched.port, requestBytes('POST /admin/v1/accounts HTTP/1.1', admin, body))).status).toBe(
      415,
    );
  });

  test('compressed without saying so is no JSON', () => refused(gzipSync(plain), 400));
});

describe('A10: bytes that are no text', () => {
  const around = (bytes: readonly number[]) =>
    Buffer.concat([
      Buffer.from('{"model":"sim/fast","messages":[{"role":"user","content":"a'),
      Buffer.from(bytes),
      Buffer.from('b"}]}'),
    ]);

  test.each([
    ['a lone continuation', [0x80]],
    ['a cut sequence', [0xe2, 0x82]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['an overlong NUL', [0xc0, 0x80]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['beyond Unicode', [0xf4, 0x90, 0x80, 0x80]],
    ['0xff', [0xff]],
    ['an overlong quote', [0xc0, 0xa2]],
  ] as const)('%s is refused', async (_, bytes) => void (await refused(around(bytes), 400)));

  test.each([0, 0x0a, 0x1f])('a control character, %d, is refused or seen by the upstream as it is', (byte) =>
    refusedSomewhere(around([byte])),
  );

  test('a byte order mark, and encodings that are not UTF-8', async () => {
    expect(await refused(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), around([])]), 400)).toContain(
      'byte order mark',
    );
    await refused(Buffer.from(around([]).toString(), 'utf16le'), 400);
    await refused(around([0xe9]), 400);
  });

  test('what is JSON goes on byte for byte', async () => {
    for (const text of [
      '\\ud800',
      '\\udfff\\ud800',
      '\\u0000',
      '\\u2028',
      '\u2028\u2029',
      '\ufeff',
      '\ufffd',
      '\ud83d\ude00',
      '\\ud83d\\ude00',
      '\u200b\u202e',
      '\x7f',
      '\ue000',
    ]) {
      await passed(around([...Buffer.from(text)]));
    }
  });
});
