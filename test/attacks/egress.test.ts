// Attacks on the way out (cases C2 to C7, C10 and C12 of the attack catalogue), made on both transports. Each
// has a canary on loopback that must not hear a byte, or a trap that must not see a credential.

import { afterEach, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { checkUpstreamUrl } from '../../src/core/addresses.ts';
import { createFetchTransport } from '../../src/pipeline/transport/fetch-transport.ts';
import { createHttp1Transport, type TransportOptions } from '../../src/pipeline/transport/http1-transport.ts';
import type { UpstreamTarget, UpstreamTransport } from '../../src/pipeline/transport/transport.ts';
import { createAddressBook } from '../../src/pipeline/transport/vet-address.ts';
import { makeCertificate } from '../pipeline/transport/certificates.ts';
import { type FakeUpstream, type Outcome, settleLoop } from '../pipeline/transport/fake-upstream.ts';
import { createBench } from '../pipeline/transport/transport-bench.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const SECRET: readonly (readonly [string, string])[] = [
  ['x-api-key', 'canary-secret'], ['authorization', 'Bearer canary-secret'],
];

const transports: readonly (readonly [string, (options: TransportOptions) => UpstreamTransport])[] = [
  ['http1', createHttp1Transport], ['fetch', createFetchTransport],
];

const kindOf = (outcome: Outcome): string => (outcome.kind === 'end' ? 'end' : outcome.fault.kind);

/** C2: an address inside each range that is not the public internet. */
const INTERNAL = [
  '127.0.0.1', '127.255.255.254', '10.0.0.1', '172.16.0.1', '172.31.255.254', '192.168.0.1', '100.64.0.1', '0.0.0.0',
  '0.1.2.3', '192.0.0.1', '198.18.0.1', '198.19.255.255', '224.0.0.1', '240.0.0.1', '255.255.255.255', '192.0.2.1',
  '198.51.100.1', '203.0.113.1', '::1', '::', 'fc00::1', 'fd00::1', 'fe80::1', 'fec0::1', '::ffff:127.0.0.1',
  '::ffff:10.0.0.1', '64:ff9b::7f00:1', '64:ff9b:1::7f00:1', '2002:7f00:1::1', '2001::1', '2001:0:7f00:1::', '100::1',
  '2001:db8::1', 'ff02::1',
];
/** C7: where machines of the large clouds keep credentials. */
const METADATA = ['169.254.169.254', '169.254.170.2', '100.100.100.200', 'fd00:ec2::254', '::ffff:169.254.169.254'];
const METADATA_NAMES = ['metadata.google.internal', 'METADATA.google.internal.', 'metadata', 'instance-data'];

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address);

for (const [name, create] of transports) {
  const bench = createBench(create);
  afterEach(() => bench.stop());

  const canary = (): FakeUpstream => bench.upstream({ onRequest: (socket) => { socket.write(OK); } });

  async function attempt(
    transport: UpstreamTransport, url: string | URL, addresses: UpstreamTarget['addresses'] = 'public',
  ): Promise<string> {
    const target = { url: typeof url === 'string' ? new URL(url) : url, addresses };
    const { sink } = bench.send(transport, 0, { target, headers: SECRET });
    return kindOf(await sink.outcome);
  }

  describe(`${name}: egress`, () => {
    test('C2 no address outside the public internet is dialled, as a literal or after resolution', async () => {
      const trap = canary();
      for (const address of INTERNAL) {
        const transport = bench.transport({ resolve: async () => [address] });
        const literal = await attempt(transport, `http://${bracketed(address)}:${trap.port}/`);
        const byName = await attempt(transport, `http://innocent.test:${trap.port}/`);
        expect([address, literal, byName]).toEqual([address, 'blocked-address', 'blocked-address']);
        expect(checkUpstreamUrl(`http://${bracketed(address)}/`, 'public').kind).toBe('refused');
      }
      expect(trap.accepted).toBe(0);
    });

    test('C2 an override holds for its own upstream alone', async () => {
      const trap = canary();
      const transport = bench.transport();
      expect(await attempt(transport, `http://127.0.0.1:${trap.port}/`, 'any')).toBe('end');
      expect(await attempt(transport, `http://127.0.0.1:${trap.port}/`, 'public')).toBe('blocked-address');
      expect(trap.requests.length).toBe(1);
    });

    test('C3 odd spellings have the verdict of the plain address', async () => {
      const trap = canary();
      const transport = bench.transport({ resolve: async () => ['127.0.0.1'] });
      for (const host of [
        '0x7f.1', '0x7f000001', '2130706433', '017700000001', '0177.0.0.1', '127.1', '127.0.1', '①②⑦.0.0.1',
        '127。0。0。1', '127.0.0.1.', 'localhost', 'localhost.', 'LOCALHOST', 'ｌocalhost', 'a.localhost',
        '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[0:0:0:0:0:0:0:1]', '0', '%31%32%37.0.0.1',
      ]) {
        const url = `http://${host}:${trap.port}/`;
        expect([host, checkUpstreamUrl(url, 'public').kind]).toEqual([host, 'refused']);
        expect([host, await attempt(transport, url)]).toEqual([host, 'blocked-address']);
      }
      expect(trap.accepted).toBe(0);
    });

    test('C3 user info hides no host and is never sent', async () => {
      const trap = canary();
      const transport = bench.transport();
      for (const text of [
        `http://api.example.com@127.0.0.1:${trap.port}/`, `http://127.0.0.1:${trap.port}@api.example.com/`,
        `http://user:pass@127.0.0.1:${trap.port}/`,
      ]) {
        expect(checkUpstreamUrl(text, 'any').kind).toBe('refused');
        expect(await attempt(transport, text, 'any')).toBe('blocked-address');
      }
      expect(trap.accepted).toBe(0);
    });

    test('C4 rebinding: the second answer is judged like the first', async () => {
      const trap = canary();
      let nowMs = 0;
      let asked = 0;
      // The first answer is public. That exchange is given up before it dials: this test needs no network.
      const answers = [['203.0.114.1'], ['127.0.0.1'], ['10.0.0.1', '127.0.0.1']];
      const transport = bench.transport({
        clock: { monotonicMs: () => nowMs }, resolve: async () => answers[Math.min(asked++, 2)]!,
      });
      const url = `http://rebind.test:${trap.port}/`;
      const target = { url: new URL(url), addresses: 'public' as const };
      bench.send(transport, 0, { target }).exchange.abort();
      await settleLoop();
      for (let round = 0; round < 2; round += 1) {
        nowMs += 31_000;
        expect(await attempt(transport, url)).toBe('blocked-address');
      }
      expect([asked, trap.accepted]).toEqual([3, 0]);
    });

    test('C4 the connection is pinned: the name is asked once, and the vetted address dialled', async () => {
      const upstream = canary();
      let asked = 0;
      const transport = bench.transport({ resolve: async () => { asked += 1; return ['127.0.0.1']; } });
      // A name that no real resolver knows: had anything else resolved it, the dial would fail.
      expect(await attempt(transport, `http://pinned.invalid:${upstream.port}/`, 'any')).toBe('end');
      expect(asked).toBe(1);
      expect(upstream.requests[0]!.head.toLowerCase()).toContain(`host: pinned.invalid:${upstream.port}`);
    });

    test('C4 of mixed answers only the public ones are dialled', async () => {
      const book = createAddressBook({
        clock: { monotonicMs: () => 0 },
        resolve: async () => ['10.0.0.1', '2606:4700::1', '127.0.0.1', '8.8.8.8', '::1', 'fd00:ec2::254'],
      });
      expect(await book.vet('mixed.test', 'public')).toEqual({ kind: 'dial', addresses: ['8.8.8.8', '2606:4700::1'] });
      const trap = canary();
      const transport = bench.transport({ resolve: async () => ['127.0.0.1', '::1', 'fd00:ec2::254'] });
      expect(await attempt(transport, `http://private.test:${trap.port}/`)).toBe('blocked-address');
      expect(trap.accepted).toBe(0);
    });

    test('C5 a redirect is a reply, not an order: nothing follows it', async () => {
      const trap = canary();
      for (const status of [300, 301, 302, 303, 305, 307, 308]) {
        for (const location of [
          `http://127.0.0.1:${trap.port}/`, 'http://169.254.169.254/latest', 'file:///etc/hostname', '/again', '//x/',
        ]) {
          const upstream = bench.replying(
            `HTTP/1.1 ${status} x\r\nlocation: ${location}\r\ncontent-length: 0\r\n\r\n`,
          );
          const { sink } = bench.send(bench.transport(), upstream.port, { headers: SECRET });
          expect(await sink.outcome).toEqual({ kind: 'end', framed: true });
          expect([sink.status, sink.headers?.get('location')]).toEqual([status, location]);
          expect(upstream.requests.length).toBe(1);
        }
      }
      expect(trap.accepted).toBe(0);
    });

    test('C6 no scheme but http and https', async () => {
      const transport = bench.transport({ resolve: async () => ['127.0.0.1'] });
      for (const text of [
        'file:///etc/hostname', 'data:text/plain,secret', 'blob:https://x/y', 'ftp://example.com/', 'gopher://x/_',
        'unix:/run/docker.sock', 'ws://example.com/', 'http+unix://%2Frun%2Fdocker.sock/', 'javascript:alert(1)', 's3://b/k',
      ]) {
        expect([text, checkUpstreamUrl(text, 'any').kind]).toEqual([text, 'refused']);
        expect([text, await attempt(transport, text, 'any')]).toEqual([text, 'blocked-address']);
      }
    });

    test('C7 metadata services are reached under no rule', async () => {
      const transport = bench.transport({ resolve: async (host) => (host === 'cloud.test' ? METADATA : ['8.8.8.8']) });
      for (const host of [...METADATA.map(bracketed), ...METADATA_NAMES, 'cloud.test']) {
        for (const rule of ['public', 'any'] as const) {
          expect([host, await attempt(transport, `http://${host}/latest/meta-data/`, rule)])
            .toEqual([host, 'blocked-address']);
        }
        if (host !== 'cloud.test') expect(checkUpstreamUrl(`http://${host}/`, 'any').kind).toBe('refused');
      }
    });

    test('C10 a certificate that does not verify is never overlooked, and nothing goes out in the clear', async () => {
      const good = makeCertificate('upstream.test');
      const expired = makeCertificate('upstream.test', { expired: true });
      const cases = [
        { what: 'self-signed', certificate: good, trusted: undefined, host: 'upstream.test' },
        { what: 'wrong name', certificate: good, trusted: good.cert, host: 'other.test' },
        { what: 'expired', certificate: expired, trusted: expired.cert, host: 'upstream.test' },
      ];
      for (const { what, certificate, trusted, host } of cases) {
        const upstream = bench.upstream({ tls: certificate, onRequest: (socket) => { socket.write(OK); } });
        const transport = bench.transport({
          resolve: async () => ['127.0.0.1'], ...(trusted === undefined ? {} : { tls: { ca: trusted } }),
        });
        expect([what, await attempt(transport, `https://${host}:${upstream.port}/`, 'any')]).toEqual([what, 'tls']);
        expect(upstream.bytesReceived).toBe(0);
      }
    });

    test('C10 two names on one address do not share a verified connection', async () => {
      const one = makeCertificate('one.test');
      const upstream = bench.upstream({ tls: one, onRequest: (socket) => { socket.write(OK); } });
      const transport = bench.transport({ resolve: async () => ['127.0.0.1'], tls: { ca: one.cert } });
      expect(await attempt(transport, `https://one.test:${upstream.port}/`, 'any')).toBe('end');
      expect(await attempt(transport, `https://two.test:${upstream.port}/`, 'any')).toBe('tls');
      expect(upstream.requests.length).toBe(1);
    });

    test('C12 proxies named in the environment are ignored', async () => {
      const trap = canary();
      const upstream = bench.replying(OK);
      const proxy = `http://127.0.0.1:${trap.port}`;
      const script = join(import.meta.dir, 'egress-child.ts');
      const child = Bun.spawn([process.execPath, script, name, String(upstream.port)], {
        env: {
          ...process.env, HTTP_PROXY: proxy, http_proxy: proxy, HTTPS_PROXY: proxy, https_proxy: proxy,
          ALL_PROXY: proxy, all_proxy: proxy, NO_PROXY: '', no_proxy: '',
        },
        stdout: 'pipe', stderr: 'inherit',
      });
      expect(await child.stdout.text()).toBe('end');
      expect([upstream.requests.length, trap.accepted]).toEqual([1, 0]);
    });
  });
}
