// The lines of docs/tls-and-proxies.md, run by the real programs before a real gateway: what a proxy could spoil, it
// does not.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import { makeCertificate } from '../pipeline/transport/certificates.ts';
import { chatBody, eventually } from '../pipeline/stage.ts';
import { simulatorModel, startTestGateway, testConfig, textField, type TestGateway } from '../support/gateway.ts';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import { freePort, proxyProgram, startProxy, type RunningProxy } from './proxy-programs.ts';

setDefaultTimeout(60_000);

const NAME = 'gw.example.com';
const page = readFileSync(join(import.meta.dir, '../../docs/tls-and-proxies.md'), 'utf8');
const block = (language: string): string => new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? '';
const certificate = makeCertificate(NAME);
const files = { 'cert.pem': certificate.cert, 'key.pem': certificate.key };

/** Each replacement must meet something: else the page and this test went apart. */
function adapted(text: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((done, [from, to]) => {
    if (!done.includes(from)) throw new Error(`docs/tls-and-proxies.md does not have: ${from}`);
    return done.replaceAll(from, to);
  }, text);
}

const programs = {
  nginx: {
    file: proxyProgram('nginx', 'nginx-light'),
    start(file: string, port: number, gateway: number) {
      const lines = adapted(block('nginx'), {
        '127.0.0.1:8787': `127.0.0.1:${gateway}`,
        'listen 443 ssl': `listen 127.0.0.1:${port} ssl`,
        '/etc/ssl/gw.example.com.pem': 'FOLDER/cert.pem',
        '/etc/ssl/gw.example.com.key': 'FOLDER/key.pem',
      });
      const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path FOLDER/${name};`,
      );
      const main = [
        'daemon off; pid FOLDER/nginx.pid; error_log stderr; worker_processes 1;',
        process.getuid?.() === 0 ? 'user root;' : '',
        `events {} http { access_log off; ${paths.join(' ')}`,
        lines,
        '}',
      ].join('\n');
      const command = (folder: string) => [file, '-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')];
      return startProxy(port, { ...files, 'nginx.conf': main }, command);
    },
  },
  Caddy: {
    file: proxyProgram('caddy', 'caddy'),
    start(file: string, port: number, gateway: number) {
      const lines = adapted(block('caddyfile'), {
        '127.0.0.1:8787': `127.0.0.1:${gateway}`,
        [`${NAME} {`]: `https://${NAME}:${port} {\n\ttls FOLDER/cert.pem FOLDER/key.pem`,
      });
      const main = `{\n\tadmin off\n\tauto_https disable_redirects\n\tdefault_bind 127.0.0.1\n}\n${lines}`;
      const command = (folder: string) => [
        file,
        'run',
        '--adapter',
        'caddyfile',
        '--config',
        join(folder, 'Caddyfile'),
      ];
      return startProxy(port, { ...files, Caddyfile: main }, command);
    },
  },
} as const;

interface Reply {
  readonly status: number;
  /** As it came, with the milliseconds since the request. */
  readonly pieces: readonly (readonly [text: string, atMs: number])[];
}

describe.each(['nginx', 'Caddy'] as const)('%s', (name) => {
  const { file, start } = programs[name];
  // Skipped without network: the program is not here and cannot be installed.
  const proven = test.skipIf(file === undefined);
  const wanted = file === undefined ? ` (needs ${name}; there was no network to install it)` : '';
  let gateway: TestGateway;
  let simulator: Simulator;
  let proxy: RunningProxy;

  beforeAll(async () => {
    if (file === undefined) return;
    simulator = startSimulator();
    gateway = await startTestGateway({
      argv: ['--public-url', `https://${NAME}`, '--trusted-proxy', '127.0.0.1/32'],
      config: testConfig({
        upstreams: [{ name: 'simulator', provider: 'simulator', baseUrl: simulator.url, addresses: 'any' }],
        models: [simulatorModel('sim/echo'), simulatorModel('sim/fast')],
      }),
    });
    proxy = await start(file, freePort(), gateway.serving.server.port);
  });
  afterAll(async () => {
    if (file === undefined) return;
    await proxy.stop();
    await gateway.stop();
    simulator.close();
  });

  const post = (
    body: string,
    more: { readonly from?: string; readonly key?: string; readonly headers?: string } = {},
  ) => {
    const started = performance.now();
    const pieces: [string, number][] = [];
    const raw = connectPlain({ host: '127.0.0.1', port: proxy.port, localAddress: more.from ?? '127.0.0.1' });
    const socket = connect({ socket: raw, servername: NAME, ca: certificate.cert });
    const ended = new Promise<Reply>((resolve, reject) => {
      socket.on('data', (data) => pieces.push([String(data), performance.now() - started]));
      socket.on('error', (error) => (pieces.length === 0 ? reject(error) : socket.destroy()));
      socket.on('close', () => resolve({ status: Number(pieces[0]?.[0].split(' ')[1]), pieces }));
    });
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: ${NAME}\r\nconnection: close\r\nauthorization: Bearer ${more.key ?? gateway.apiKey}\r\n` +
        `content-type: application/json\r\n${more.headers ?? ''}content-length: ${Buffer.byteLength(body)}\r\n\r\n`,
    );
    socket.write(body);
    return { socket, ended, pieces };
  };
  const chat = (text: string, more: object = {}) => JSON.stringify(chatBody(text, more));

  proven(`each piece of a stream goes out when it comes${wanted}`, async () => {
    const { ended } = post(chat('[[sim: chunks=5 gap=150]] x', { stream: true }));
    const { status, pieces } = await ended;
    expect(status).toBe(200);
    const firstAt = pieces.find(([text]) => text.includes('"delta":{"content"'))?.[1] ?? Infinity;
    const lastAt = pieces.find(([text]) => text.includes('[DONE]'))?.[1] ?? 0;
    expect(lastAt - firstAt).toBeGreaterThan(400);
    expect(pieces.filter(([text]) => text.includes('"delta":{"content"')).length).toBeGreaterThan(3);
  });

  proven(`the client is where it is, and not where it says${wanted}`, async () => {
    const { body } = await gateway.admin('GET', '/accounts');
    const accounts: unknown = body['items'] ?? body['data'];
    const accountId = Array.isArray(accounts) ? textField(accounts[0], 'id') : '';
    const made = await gateway.admin('POST', '/api-keys', {
      accountId,
      name: 'by address',
      addresses: ['127.0.0.2/32'],
    });
    expect(made.status).toBe(201);
    const key = textField(made.body, 'key');
    expect((await post(chat('x'), { key, from: '127.0.0.2' }).ended).status).toBe(200);
    const forged = 'x-forwarded-for: 127.0.0.2\r\nx-real-ip: 127.0.0.2\r\nforwarded: for=127.0.0.2\r\n';
    expect((await post(chat('x'), { key, headers: forged }).ended).status).toBe(403);
  });

  proven(`a client that leaves lets its upstream go${wanted}`, async () => {
    const before = simulator.counters().aborted;
    const { socket, pieces } = post(chat('[[sim: chunks=20 gap=500]] x', { stream: true }));
    await eventually('the first piece', () => pieces.some(([text]) => text.includes('"delta":{"content"')));
    socket.destroy();
    await eventually('the upstream is let go', () => simulator.counters().aborted === before + 1);
  });

  proven(`large prompts pass; what is too large is refused in the client's own form${wanted}`, async () => {
    const letters = (bytes: number) => chat('a '.repeat(bytes / 2), { max_tokens: 1 });
    expect((await post(letters(2_000_000)).ended).status).toBe(200);
    const above = await post(letters(32 * 1024 * 1024 + 100)).ended;
    expect(above.status).toBe(413);
    expect(above.pieces.map(([text]) => text).join('')).toContain('body_too_large');
  });
});
