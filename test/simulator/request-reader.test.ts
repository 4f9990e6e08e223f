// Requests come out whole however the bytes were cut; what is ambiguous is refused.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { createRequestReader } from '../../src/simulator/request-reader.ts';
import type { SimulatorRequest } from '../../src/simulator/request-reader.ts';

const first = 'POST /v1/a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nbody with';
const second =
  'POST /v1/b HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n4\r\nchun\r\n5;x=1\r\nked é\r\n1\r\n\u00a0\r\n0\r\n\r\n';
const third = 'GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n';
const stream = Buffer.from(first + second + third, 'latin1');

function readAll(pieces: readonly Uint8Array[]): readonly SimulatorRequest[] {
  const reader = createRequestReader();
  const requests: SimulatorRequest[] = [];
  for (const piece of pieces) {
    reader.push(piece);
    for (let read = reader.next(); read.kind !== 'more'; read = reader.next()) {
      if (read.kind !== 'request') throw new Error(read.kind);
      requests.push(read.request);
    }
  }
  return requests;
}

test('any cuts give the same requests', () => {
  const whole = readAll([stream]);
  expect(whole.map(({ method, target, keepAlive }) => [method, target, keepAlive])).toEqual([
    ['POST', '/v1/a', true],
    ['POST', '/v1/b', true],
    ['GET', '/healthz', false],
  ]);
  expect(whole.map(({ body }) => Buffer.from(body).toString('latin1'))).toEqual(['body with', 'chunked é\u00a0', '']);
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length), { maxLength: 40 }), (cuts) => {
      const places = [0, ...cuts.toSorted((one, other) => one - other), stream.length];
      const pieces = places.slice(1).map((end, index) => stream.subarray(places[index], end));
      expect(readAll(pieces)).toEqual(whole);
    }),
  );
});

describe('refused', () => {
  test.each([
    ['a length twice', 'content-length: 1\r\ncontent-length: 1', 400],
    ['length and chunks', 'content-length: 1\r\ntransfer-encoding: chunked', 400],
    ['a negative length', 'content-length: -1', 400],
    ['a huge length', 'content-length: 99999999999', 413],
    ['an unknown coding', 'transfer-encoding: gzip, chunked', 501],
    ['a folded header', 'x: y\r\n z', 400],
    ['a space before the colon', 'x : y', 400],
  ])('%s', (_what, headers, status) => {
    const reader = createRequestReader();
    reader.push(Buffer.from(`POST / HTTP/1.1\r\n${headers}\r\n\r\n`));
    expect(reader.next()).toMatchObject({ kind: 'bad', status });
  });

  const chunks: [string, string][] = [
    ['zz\r\n', 'bad 400'],
    ['4\r\nabcdX', 'more'],
    ['4\r\nabcdXY', 'bad 400'],
    ['0\r\nx: y\r\n\r\n', 'bad 400'],
    ['7fffffff\r\n', 'bad 413'],
  ];
  test.each(chunks)('chunks %p', (body, outcome) => {
    const reader = createRequestReader();
    reader.push(Buffer.from(`POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n${body}`));
    const read = reader.next();
    expect(read.kind === 'bad' ? `bad ${read.status}` : read.kind).toBe(outcome);
  });

  test('an endless head', () => {
    const reader = createRequestReader();
    reader.push(Buffer.alloc(70_000, 'X'));
    expect(reader.next()).toMatchObject({ kind: 'bad', status: 431 });
  });
});

test('a client that waits to be told to go on is told once', () => {
  const reader = createRequestReader();
  reader.push(Buffer.from('POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n'));
  expect(reader.next().kind).toBe('continue');
  expect(reader.next().kind).toBe('more');
  reader.push(Buffer.from('ok'));
  expect(reader.next().kind).toBe('request');
});
