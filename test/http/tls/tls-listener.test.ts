// The TLS port while certificates come and go: no connection is lost, the client's address stays the client's, and a
// front lets neither slow nor odd clients hold anything.

import { afterEach, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectPlain, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { serverOpener, peerOf, type Face } from '../../../src/http/server.ts';
import { readPair, type CertificatePair } from '../../../src/http/tls/certificate-pair.ts';
import { startTlsListener, type TlsListener } from '../../../src/http/tls/tls-listener.ts';
import { makeCertificate } from '../../pipeline/transport/certificates.ts';
import { shownOn, startStage, until } from './acme-stage.ts';

const pairOf = (name: string): CertificatePair => {
  const { cert, key } = makeCertificate(name);
  const reading = readPair(cert, key, Date.now());
  if (!reading.ok) throw new Error(reading.problem);
  return reading.pair;
};
const first = pairOf('first.example');
const second = pairOf('second.example');

const open: { kill(): void }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.kill();
});

let release = Promise.withResolvers<void>();
const face: Face = async (request) => {
  const path = new URL(request.url).pathname;
  if (path === '/slow') await release.promise;
  return new Response(path === '/echo' ? await request.text() : `peer ${peerOf(request)}`);
};

async function listen(pair: CertificatePair | undefined): Promise<TlsListener> {
  const made = async () => face;
  const listener = await startTlsListener({
    host: '0.0.0.0',
    port: 0,
    pair,
    open: serverOpener({
      host: '0.0.0.0',
      port: 0,
      hostNames: ['gw.example'],
      faces: { client: made, servedBy: () => undefined, admin: made, terms: made, public: made },
    }),
    onDefect: (error) => {
      throw error;
    },
  });
  open.push(listener);
  return listener;
}

/** One call on a connection of its own from another loopback address; the body of the reply. */
function callFrom(port: number, path: string, body = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const raw = connectPlain({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
    const socket = connect({ socket: raw, servername: 'gw.example', rejectUnauthorized: false });
    let text = '';
    socket.on('data', (data) => (text += String(data)));
    socket.on('error', reject);
    socket.on('end', () => resolve(text.slice(text.indexOf('\r\n\r\n') + 4)));
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: gw.example\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  });
}

const nameOn = async (port: number) => (await shownOn(port, 'gw.example'))?.names;

test('a new certificate is shown, running calls end where they began, and no new call is lost', async () => {
  release = Promise.withResolvers();
  const listener = await listen(first);
  expect(await nameOn(listener.port)).toBe('DNS:first.example');
  const slow = callFrom(listener.port, '/slow');
  let done = false;
  let calls = 0;
  const caller = async () => {
    while (!done) {
      expect(await callFrom(listener.port, '/x')).toBe('peer 127.0.0.2');
      calls += 1;
      // Callers with nothing between their calls would leave no moment in which the port can change hands unseen.
      await Bun.sleep(40);
    }
  };
  const callers = [caller(), caller(), caller()];
  await until(() => calls > 5, 'calls before');
  await listener.use(second);
  const before = calls;
  await until(() => calls > before + 5, 'calls after');
  done = true;
  await Promise.all(callers);
  for (let at = 0; at < 20; at++) expect(await nameOn(listener.port)).toBe('DNS:second.example');
  release.resolve();
  expect(await slow).toBe('peer 127.0.0.2');
});

test('while challenges are answered all else goes on as before, with the address of the client', async () => {
  release = Promise.withResolvers();
  const listener = await listen(first);
  const challenge = pairOf('gw.example');
  const slow = callFrom(listener.port, '/slow');
  await listener.answerChallenges(new Map([['gw.example', challenge]]));
  for (let at = 0; at < 10; at++) {
    const shown = await shownOn(listener.port, 'gw.example', ['acme-tls/1']);
    expect(shown).toMatchObject({ names: 'DNS:gw.example', protocol: 'acme-tls/1' });
  }
  expect(await shownOn(listener.port, 'other.example', ['acme-tls/1'])).toBeUndefined();
  expect(await shownOn(listener.port, 'gw.example', ['http/1.1'])).toMatchObject({ names: 'DNS:first.example' });
  expect(await callFrom(listener.port, '/x')).toBe('peer 127.0.0.2');
  const large = 'large '.repeat(500_000);
  expect(await callFrom(listener.port, '/echo', large)).toBe(large);
  const passedOn = callFrom(listener.port, '/slow');
  await listener.endChallenges();
  expect((await shownOn(listener.port, 'gw.example', ['acme-tls/1']))?.protocol).not.toBe('acme-tls/1');
  expect(await callFrom(listener.port, '/x')).toBe('peer 127.0.0.2');
  release.resolve();
  expect(await slow).toBe('peer 127.0.0.2');
  expect(await passedOn).toBe('peer 127.0.0.2');
});

test('a front without a certificate closes what it cannot serve, and clients that say nothing hold nobody up', async () => {
  const listener = await listen(undefined);
  const silent: Socket[] = Array.from({ length: 50 }, () => connectPlain({ port: listener.port, host: '127.0.0.1' }));
  for (const socket of silent) socket.on('error', () => {});
  expect(await nameOn(listener.port)).toBeUndefined();
  const odd = connectPlain({ port: listener.port, host: '127.0.0.1' });
  const closed = new Promise((resolve) => odd.once('close', resolve));
  odd.write('GET / HTTP/1.1\r\n\r\n');
  await closed;
  await listener.use(second);
  expect(await nameOn(listener.port)).toBe('DNS:second.example');
  for (const socket of silent) socket.destroy();
});

// Skipped without /proc.
test.skipIf(process.platform !== 'linux')('challenges that are over leave no socket open', async () => {
  const listener = await listen(undefined);
  const challenge = pairOf('gw.example');
  const answered = async () => {
    await listener.answerChallenges(new Map([['gw.example', { ...challenge }]]));
    expect(await shownOn(listener.port, 'gw.example', ['acme-tls/1'])).toBeDefined();
  };
  const openFiles = () => readdirSync('/proc/self/fd').length;
  await answered();
  await answered();
  const before = openFiles();
  for (let orders = 0; orders < 10; orders++) await answered();
  await until(() => openFiles() < before + 5, 'few sockets are open', 2_000);
});

test('the port of somebody else is not shared', async () => {
  const stranger = Bun.serve({ hostname: '127.0.0.1', port: 0, reusePort: true, fetch: () => new Response('') });
  const start = startTlsListener({
    host: '127.0.0.1',
    port: stranger.port ?? 0,
    pair: first,
    open: () => {
      throw new Error('must not be reached');
    },
    onDefect: () => {},
  });
  expect(start).rejects.toThrow(`cannot listen on port ${stranger.port}`);
  await start.catch(() => {});
  await stranger.stop(true);
});

test('files are read again on request, and names that we do not have meet the Host check', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-tls-'));
  writeFileSync(join(folder, 'cert.pem'), first.cert);
  writeFileSync(join(folder, 'key.pem'), first.key, { mode: 0o600 });
  const stage = await startStage({
    tls: { kind: 'files', certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem'), httpPort: 0 },
    publicUrl: 'https://gw.example',
  });
  const { port, httpPort } = stage.server;
  const unknown = await fetch(`https://127.0.0.1:${port}/x`, {
    headers: { host: 'evil.example' },
    tls: { rejectUnauthorized: false, serverName: 'evil.example' },
  });
  expect(unknown.status).toBe(421);
  const plain = await fetch(`http://127.0.0.1:${httpPort}/terms`, {
    headers: { host: 'gw.example' },
    redirect: 'manual',
  });
  expect(plain.headers.get('location')).toBe('https://gw.example/terms');
  writeFileSync(join(folder, 'cert.pem'), second.cert);
  writeFileSync(join(folder, 'key.pem'), second.key);
  stage.server.reloadCertificates();
  await until(async () => (await nameOn(port)) === 'DNS:second.example', 'the new certificate');
  await stage.stop();
  rmSync(folder, { recursive: true, force: true });
});
