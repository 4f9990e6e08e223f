// First messages of real clients, whole, in pieces and spread over records; and what is none.

import { expect, test } from 'bun:test';
import { createServer } from 'node:net';
import { connect } from 'node:tls';
import fc from 'fast-check';
import { HELLO_BYTES_MAX, readClientHello } from '../../../src/http/tls/client-hello.ts';

/** The first message that a client sends. */
function helloOf(options: { readonly servername: string; readonly ALPNProtocols?: string[] }): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.once('data', (data: Buffer) => {
        resolve(data);
        socket.destroy();
        server.close();
      });
    });
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (typeof address !== 'object' || address === null) return reject(new Error('no port'));
      connect({ host: '127.0.0.1', port: address.port, ...options }).on('error', () => {});
    });
  });
}

const hello = await helloOf({ servername: 'GW.example', ALPNProtocols: ['h2', 'acme-tls/1'] });
const read = { kind: 'read', serverName: 'gw.example', protocols: ['h2', 'acme-tls/1'] } as const;

test('name and protocols are read; without them there are none', async () => {
  expect(readClientHello(hello)).toEqual(read);
  const plain = readClientHello(await helloOf({ servername: 'gw.example' }));
  expect(plain).toEqual({ kind: 'read', serverName: 'gw.example', protocols: [] });
});

test('every beginning of it is incomplete, and what follows does not matter', () => {
  for (let length = 0; length < hello.length; length++) {
    expect(readClientHello(hello.subarray(0, length)).kind).toBe('incomplete');
  }
  expect(readClientHello(Buffer.concat([hello, Buffer.from('anything')]))).toEqual(read);
});

test('it may be spread over records', () => {
  const message = hello.subarray(5);
  for (const size of [1, 3, 100]) {
    const records: Uint8Array[] = [];
    for (let at = 0; at < message.length; at += size) {
      const part = message.subarray(at, at + size);
      records.push(Uint8Array.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
    }
    expect(readClientHello(Buffer.concat(records))).toEqual(read);
  }
});

test('what is no TLS, and what never ends, is unreadable', () => {
  expect(readClientHello(Buffer.from('GET / HTTP/1.1\r\n')).kind).toBe('unreadable');
  const endless = Buffer.alloc(HELLO_BYTES_MAX, 1);
  endless.set([22, 3, 1, 0xff, 0xff, 1, 0, 0x3f, 0xff]);
  expect(readClientHello(endless.subarray(0, 1_000)).kind).toBe('incomplete');
  expect(readClientHello(endless).kind).toBe('unreadable');
  endless.set([22, 3, 1, 0xff, 0xff, 1, 0xff, 0xff, 0xff]);
  expect(readClientHello(endless.subarray(0, 100)).kind).toBe('unreadable');
});

test('no change of bytes makes it throw', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255)), { maxLength: 20 }),
      fc.nat(hello.length),
      (changes, end) => {
        const bent = Uint8Array.from(hello);
        for (const [at, value] of changes) bent[at] = value;
        expect(['read', 'incomplete', 'unreadable']).toContain(readClientHello(bent.subarray(0, end)).kind);
      },
    ),
    { numRuns: 500 },
  );
});
