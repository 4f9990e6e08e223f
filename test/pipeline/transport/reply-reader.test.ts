// The reply parser alone: every reply, split everywhere, must give the same events; every violation its
// fault.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { HEAD_BYTES_MAX } from '../../../src/pipeline/transport/parse-reply-head.ts';
import type { ReplyHead } from '../../../src/pipeline/transport/reply-head.ts';
import { type ReplyEvents, ReplyReader } from '../../../src/pipeline/transport/reply-reader.ts';

interface Seen {
  readonly head: string | undefined;
  readonly body: string;
  readonly last: string;
}

/** Feeds the bytes in these pieces, then closes; says what came out, runs of content joined. */
function readAll(pieces: readonly Uint8Array[], closes: 'clean' | 'broken' | 'stays' = 'clean'): Seen {
  let head: string | undefined;
  let body = '';
  let last = 'nothing';
  const note = (what: string): void => {
    if (last !== 'nothing') throw new Error(`${what} after ${last}`);
    last = what;
  };
  const events: ReplyEvents = {
    replyHead(found) {
      if (head !== undefined || body !== '') throw new Error('head twice or late');
      const fields = JSON.stringify([...found.entries()]);
      head = `${found.status} ${found.framing} ${found.length} ${found.keepMs} ${fields}`;
    },
    replyData(chunk) {
      if (chunk.length === 0) throw new Error('empty chunk');
      body += Buffer.from(chunk).toString('latin1');
      // What a sink was given is its own: it may give the memory back before the reader goes on.
      if (chunk.buffer instanceof ArrayBuffer) chunk.buffer.transfer(0);
    },
    replyEnd: (framed) => note(`end framed=${framed}`),
    replyBad: (kind) => note(kind),
  };
  const reader = new ReplyReader(events);
  reader.begin();
  // Copies, as a socket gives them: the reader may move content about inside a read.
  for (const piece of pieces) if (piece.length > 0) reader.read(ownMemory(piece));
  if (closes !== 'stays') reader.closed(closes === 'clean', 'test');
  return { head, body, last };
}

const ownMemory = (piece: Uint8Array): Buffer => Buffer.from(new Uint8Array(piece).buffer);
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const read = (text: string, closes?: 'clean' | 'broken' | 'stays'): Seen => readAll([bytes(text)], closes);

function cut(whole: Buffer, places: readonly number[]): Buffer[] {
  const points = [...new Set(places.map((place) => place % (whole.length + 1)))].toSorted((a, b) => a - b);
  const edges = [0, ...points, whole.length];
  return edges.slice(1).map((edge, i) => whole.subarray(edges[i], edge));
}

const CHUNKED = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n';

/** Good and bad replies, each as one string of bytes. */
const corpus: Readonly<Record<string, string>> = {
  length: 'HTTP/1.1 200 OK\r\ncontent-length: 11\r\nx-a:  b c \r\n\r\nhello world',
  'length with surplus': 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n',
  'no reason phrase': 'HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n',
  chunked: `${CHUNKED}5\r\nhello\r\n6;ext="a b"\r\n world\r\n1\r\n\xe4\r\n0\r\n\r\n`,
  'chunked with trailers': `${CHUNKED}A\r\n0123456789\r\n000\r\nx-t: 1\r\nx-u: 2\r\n\r\n`,
  'content that looks like framing': `${CHUNKED}e\r\n0\r\n\r\nHTTP/1.1 \r\n0\r\n\r\n`,
  interim: 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
  'until close': 'HTTP/1.0 200 OK\r\nserver: x\r\n\r\nsome bytes',
  'not modified': 'HTTP/1.1 304 x\r\ncontent-length: 700\r\n\r\n',
  'status 999': 'HTTP/1.1 999 x\r\ncontent-length: 1\r\n\r\na',
  'short length': 'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello',
  'no last chunk': `${CHUNKED}5\r\nhello\r\n`,
  'half a head': 'HTTP/1.1 200 OK\r\ncontent-le',
  'bad after content': `${CHUNKED}5\r\nhello\r\n5\r\nworldX`,
  'bad size after content': `${CHUNKED}5\r\nhello\r\n-1\r\nworld`,
  'both framings': 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'no protocol': '<html>hello</html>\r\n\r\n',
  'http 2': 'HTTP/2 200 OK\r\n\r\n',
};

describe('a reply split anywhere', () => {
  for (const [name, text] of Object.entries(corpus)) {
    test(`${name}: in two at every place, and byte by byte`, () => {
      const whole = bytes(text);
      const expected = readAll([whole]);
      for (let at = 1; at < whole.length; at += 1) {
        expect(readAll([whole.subarray(0, at), whole.subarray(at)])).toEqual(expected);
      }
      expect(readAll([...whole].map((byte) => Buffer.of(byte)))).toEqual(expected);
    });
  }

  test('any split of any corpus entry, closed in either way', () => {
    fc.assert(fc.property(
      fc.constantFrom(...Object.values(corpus)), fc.array(fc.nat(400), { maxLength: 12 }),
      fc.constantFrom('clean' as const, 'broken' as const, 'stays' as const),
      (text, places, closes) => {
        const whole = bytes(text);
        expect(readAll(cut(whole, places), closes)).toEqual(readAll([whole], closes));
      },
    ), { numRuns: 600 });
  });

  test('any content in any chunks comes out as it went in', () => {
    fc.assert(fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 12 }),
      fc.array(fc.nat(900), { maxLength: 12 }),
      fc.boolean(),
      (parts, places, upper) => {
        const size = (part: Uint8Array): string =>
          upper ? `0${part.length.toString(16).toUpperCase()} ;x` : part.length.toString(16);
        const framed = parts.flatMap((part) => [bytes(`${size(part)}\r\n`), Buffer.from(part), bytes('\r\n')]);
        const whole = Buffer.concat([bytes(CHUNKED), ...framed, bytes('0\r\n\r\n')]);
        const seen = readAll(cut(whole, places));
        expect(seen.last).toBe('end framed=true');
        expect(seen.body).toBe(Buffer.concat(parts.map((part) => Buffer.from(part))).toString('latin1'));
      },
    ), { numRuns: 300 });
  });

  test('noise never throws, never ends twice and never passes for a framed reply by splitting', () => {
    const token = fc.constantFrom(
      'HTTP/1.1 200 OK\r\n', 'HTTP/1.1 ', 'content-length: 3\r\n', 'transfer-encoding: chunked\r\n', '\r\n', '\r', '\n',
      '3\r\nabc\r\n', '0\r\n', 'abc', '100', ':', ' ', '\0', '\x7f', 'x-a: b\r\n', 'connection: close\r\n',
    );
    fc.assert(fc.property(
      fc.array(token, { maxLength: 14 }), fc.array(fc.nat(200), { maxLength: 8 }),
      (tokens, places) => {
        const whole = bytes(tokens.join(''));
        expect(readAll(cut(whole, places))).toEqual(readAll([whole]));
      },
    ), { numRuns: 1_500 });
  });
});

test('a surplus is seen, whatever the sink does with the memory of what came before it', () => {
  for (const head of ['content-length: 5\r\n\r\nhello', 'transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n']) {
    const surpluses: boolean[] = [];
    const reader = new ReplyReader({
      replyHead() {},
      replyData: (chunk) => void (chunk.buffer instanceof ArrayBuffer && chunk.buffer.transfer(0)),
      replyEnd: (_framed, surplus) => void surpluses.push(surplus),
      replyBad() {},
    });
    for (const more of ['', 'HTTP/1.1']) {
      reader.begin();
      reader.read(ownMemory(bytes(`HTTP/1.1 200 OK\r\n${head}${more}`)));
    }
    expect(surpluses).toEqual([false, true]);
  }
});

describe('violations', () => {
  const bad: readonly (readonly [name: string, text: string])[] = [
    ['both framings', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n'],
    ['lengths that differ', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello'],
    ['length list', 'HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\nhello'],
    ['signed length', 'HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello'],
    ['hexadecimal length', 'HTTP/1.1 200 OK\r\ncontent-length: 0x5\r\n\r\nhello'],
    ['length between no-break spaces', 'HTTP/1.1 200 OK\r\ncontent-length:\xa05\xa0\r\n\r\nhello'],
    ['length with a gap', 'HTTP/1.1 200 OK\r\ncontent-length: 5 5\r\n\r\nhello'],
    ['bad length in capitals', 'HTTP/1.1 200 OK\r\nCONTENT-LENGTH: x\r\n\r\nhello'],
    ['chunked with a parameter', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked;q=1\r\n\r\n'],
    ['shortened chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunke\r\n\r\n'],
    ['delete character in a value', 'HTTP/1.1 200 OK\r\nx-a: \x7f\r\n\r\n'],
    ['character beyond ASCII in a name', 'HTTP/1.1 200 OK\r\nx\xe4: b\r\n\r\n'],
    ['no space before the reason', 'HTTP/1.1 200OK\r\n\r\n'],
    ['empty length', 'HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\nhello'],
    ['length beyond numbers', 'HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551619\r\n\r\nhello'],
    ['chunked not last', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\n'],
    ['coding before chunked', 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n'],
    ['chunked twice', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n'],
    ['identity', 'HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\n'],
    ['chunked in 1.0', 'HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'],
    ['space before colon', 'HTTP/1.1 200 OK\r\ncontent-length : 5\r\n\r\nhello'],
    ['folded line', 'HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\n\r\n'],
    ['bare line feed', 'HTTP/1.1 200 OK\r\nx-a: b\nx-c: d\r\n\r\n'],
    ['bare carriage return', 'HTTP/1.1 200 OK\r\nx-a: b\rc\r\n\r\n'],
    ['NUL in a value', 'HTTP/1.1 200 OK\r\nx-a: \0\r\n\r\n'],
    ['no name', 'HTTP/1.1 200 OK\r\n: b\r\n\r\n'],
    ['no colon', 'HTTP/1.1 200 OK\r\nx-a\r\n\r\n'],
    ['no status', 'HTTP/1.1 OK\r\n\r\n'],
    ['status of five digits', 'HTTP/1.1 20000 OK\r\n\r\n'],
    ['other version', 'HTTP/1.2 200 OK\r\n\r\n'],
    ['lower case protocol', 'http/1.1 200 OK\r\n\r\n'],
    ['blank line first', '\r\nHTTP/1.1 200 OK\r\n\r\n'],
    ['switching protocols', 'HTTP/1.1 101 x\r\n\r\n'],
    ['interim without end', `${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(17)}HTTP/1.1 200 OK\r\n\r\n`],
    ['chunk without size', `${CHUNKED}\r\n`],
    ['chunk size with sign', `${CHUNKED}+5\r\nhello\r\n`],
    ['chunk size with prefix', `${CHUNKED}0x5\r\nhello\r\n`],
    ['chunk size overflow', `${CHUNKED}10000000000005\r\nhello\r\n`],
    ['chunk line with bare line feed', `${CHUNKED}5\nhello\r\n`],
    ['chunk longer than its size', `${CHUNKED}5\r\nhello!\r\n`],
    ['chunk data with bare line feed', `${CHUNKED}5\r\nhello\n`],
    ['extension with a control', `${CHUNKED}5;a\0b\r\nhello\r\n`],
    ['extensions without end', `${CHUNKED}5;${'x'.repeat(70_000)}`],
    ['trailers without end', `${CHUNKED}0\r\n${'x-t: 1\r\n'.repeat(3_000)}`],
    ['trailer with bare line feed', `${CHUNKED}0\r\nx-t: 1\nx: 2\r\n\r\n`],
  ];
  for (const [name, text] of bad) {
    test(`${name} is bad framing`, () => expect(read(text, 'stays').last).toBe('bad-framing'));
  }

  test('a head too large or with too many fields', () => {
    const large = `HTTP/1.1 200 OK\r\nx-a: ${'b'.repeat(HEAD_BYTES_MAX)}\r\n\r\n`;
    expect(read(large, 'stays').last).toBe('oversized-head');
    expect(read(large.slice(0, HEAD_BYTES_MAX + 1), 'stays').last).toBe('oversized-head');
    expect(read(`HTTP/1.1 200 OK\r\n${'x-a: b\r\n'.repeat(201)}\r\n`, 'stays').last).toBe('oversized-head');
    expect(read(`HTTP/1.1 204 OK\r\n${'x-a: b\r\n'.repeat(200)}\r\n`, 'stays').last).toBe('end framed=true');
  });

  test('statuses out of range are 502, and a close without a length is never framed', () => {
    for (const status of ['0', '000', '99', '600', '999', '1000']) {
      expect(read(`HTTP/1.1 ${status} x\r\ncontent-length: 0\r\n\r\n`).head).toStartWith('502 ');
    }
    expect(read('HTTP/1.1 200 OK\r\n\r\nabc', 'clean').last).toBe('end framed=false');
    expect(read('HTTP/1.1 200 OK\r\n\r\nabc', 'broken').last).toBe('reset');
  });

  test('fields are found by name in any case, repeated ones joined, and only whole names', () => {
    const heads: ReplyHead[] = [];
    const reader = new ReplyReader({
      replyHead: (head) => { heads.push(head); }, replyData() {}, replyEnd() {}, replyBad() {},
    });
    const head = (fields: string): ReplyHead => {
      reader.begin();
      reader.read(bytes(`HTTP/1.1 200 OK\r\n${fields}content-length:\t5 \r\n\r\nhello`));
      return heads.at(-1)!;
    };
    const once = head('Content-Type:  text/event-stream; x \r\nRetry-After: 7\r\nx-content-encoding: a\r\n');
    expect(once.get('content-type')).toBe('text/event-stream; x');
    expect(once.get('retry-after')).toBe('7');
    expect(once.get('content-encoding')).toBeUndefined();
    expect(once.get('content-length')).toBe('5');
    expect(once.length).toBe(5);
    const twice = head('content-encoding: gzip\r\ncontent-type:\r\nCONTENT-ENCODING: br\r\n');
    expect(twice.get('content-encoding')).toBe('gzip, br');
    expect(twice.get('content-type')).toBe('');
    // Nothing of a reply before it is left.
    expect(head('').get('content-type')).toBeUndefined();
    expect(heads).toHaveLength(3);
  });

  test('how long a connection may be kept', () => {
    const keep = (head: string): string => read(`${head}\r\ncontent-length: 0\r\n\r\n`).head!.split(' ')[3]!;
    expect(keep('HTTP/1.1 200 OK')).toBe('Infinity');
    expect(keep('HTTP/1.1 200 OK\r\nConnection: Keep-Alive, Close')).toBe('0');
    expect(keep('HTTP/1.1 200 OK\r\nconnection: closed')).toBe('Infinity');
    expect(keep('HTTP/1.0 200 OK')).toBe('0');
    expect(keep('HTTP/1.0 200 OK\r\nconnection: keep-alive')).toBe('Infinity');
    expect(keep('HTTP/1.1 200 OK\r\nkeep-alive: timeout=5, max=100')).toBe('4000');
    expect(keep('HTTP/1.1 200 OK\r\nkeep-alive: timeout=1')).toBe('0');
  });
});
