// `serve` with a certificate of the operator's, as a process: calls over TLS, a new pair on SIGHUP while a stream runs,
// an end with exit code 0, and a start that is refused with one clear line.

import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { makeCertificate } from '../pipeline/transport/certificates.ts';
import { shownOn, until } from '../http/tls/acme-stage.ts';

const program = resolve(import.meta.dir, '../../src/main.ts');
const folder = mkdtempSync(join(tmpdir(), 'tollgate-tls-serve-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const first = makeCertificate('gw.example');
const second = makeCertificate('other.example');
const certFile = join(folder, 'cert.pem');
const keyFile = join(folder, 'key.pem');

const start = () =>
  Bun.spawn(
    [
      process.execPath,
      program,
      'serve',
      '--port',
      '0',
      '--data',
      join(folder, 'data'),
      '--tls-cert',
      certFile,
      '--tls-key',
      keyFile,
      '--public-url',
      'https://gw.example',
    ],
    { cwd: folder, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe', env: {} },
  );

test('a pair that does not belong together is refused at the start', async () => {
  writeFileSync(certFile, first.cert);
  writeFileSync(keyFile, second.key, { mode: 0o600 });
  const child = start();
  const said = await new Response(child.stderr).text();
  expect(await child.exited).not.toBe(0);
  expect(said).toContain(`--tls-key: ${keyFile} does not belong to the certificate`);
  expect(said).not.toContain(second.key.split('\n')[1] ?? '');
  expect(said).not.toContain('start-tls-server.ts');
});

test('calls are answered over TLS; SIGHUP brings a new pair and no stream is cut', async () => {
  writeFileSync(keyFile, first.key, { mode: 0o600 });
  const child = start();
  let text = '';
  void (async () => {
    for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) text += part;
  })();
  await until(() => /First API key.*\n\s+\S+\n/.test(text), 'the greeting', 30_000);
  const port = Number(/serves on https:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1]);
  const apiKey = /First API key.*\n\s+(\S+)\n/.exec(text)?.[1] ?? '';
  const stream = await fetch(`https://127.0.0.1:${port}/v1/chat/completions`, {
    method: 'POST',
    headers: { host: 'gw.example', authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'sim/echo',
      stream: true,
      messages: [{ role: 'user', content: '[[sim: chunks=40 gap=20]] x' }],
    }),
    tls: { ca: first.cert, serverName: 'gw.example' },
  });
  expect(stream.status).toBe(200);
  writeFileSync(certFile, second.cert);
  writeFileSync(keyFile, second.key);
  child.kill('SIGHUP');
  await until(async () => (await shownOn(port, 'gw.example'))?.names === 'DNS:other.example', 'the new pair');
  expect(await stream.text()).toContain('data: [DONE]');
  const { url } = await Bun.file(join(folder, 'data', 'running.json')).json();
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  child.kill('SIGTERM');
  expect(await child.exited).toBe(0);
});
