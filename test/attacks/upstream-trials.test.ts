// Case G4 of the attack catalogue: the test of an upstream that operators may ask for. It must take nobody's word for
// where it goes or with which credential, tell nothing of the network, cost no account anything, and end in time.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { createHttp1Transport } from '../../src/pipeline/transport/http1-transport.ts';
import type { TransportDeadlines } from '../../src/pipeline/transport/transport.ts';
import { createUpstreamTrials } from '../../src/pipeline/upstream-trial.ts';
import { catalogRig, operator } from '../domain/catalog/catalog-rig.ts';
import { makeCertificate } from '../pipeline/transport/certificates.ts';
import { createBench, relaxed } from '../pipeline/transport/transport-bench.ts';
import { field } from '../support/gateway.ts';
import { startWatchedGateway, valuesOf, type WatchedGateway } from './watched-gateway.ts';

const CREDENTIAL = 'sk-Zq8f1b2c3d4e5f60719a7c5e3b1dK';
const bench = createBench(createHttp1Transport);
afterEach(() => bench.stop());

const json = (status: string, body: string): string =>
  `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const ANSWER = '{"choices":[{"message":{"content":"ok"}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}';

interface TrialOptions {
  readonly deadlines?: TransportDeadlines;
  readonly resolve?: () => Promise<readonly string[]>;
}

/** Trials of one upstream that is asked over the real transport; each call is a minute after the one before. */
async function rig(baseUrl: string, addresses: 'public' | 'any' = 'any', options: TrialOptions = {}) {
  const catalog = await catalogRig();
  await catalog.upstreams.create(operator, {
    name: 'own', provider: 'openai-compatible', baseUrl, addresses, credential: CREDENTIAL,
  });
  const log: string[] = [];
  const say = (event: string, fields?: unknown) => void log.push(`${event} ${JSON.stringify(fields)}`);
  let nowMs = 0;
  const { deadlines = relaxed, resolve } = options;
  const trials = createUpstreamTrials({
    catalog: catalog.catalog,
    transport: bench.transport(resolve === undefined ? {} : { resolve }),
    clock: { now: () => 0, monotonicMs: () => (nowMs += 100) },
    log: { info: say, warn: say, error: say },
    note: catalog.upstreams.noteTest,
    deadlines,
  });
  const run = (model?: string) => {
    nowMs += 60_000;
    return trials.run(operator, { upstream: 'own', model });
  };
  return { ...catalog, trials, run, log };
}

describe('G4: what comes back', () => {
  test.each([
    ['an answer', json('200 OK', ANSWER), 'works', 200],
    ['a success without an answer', json('200 OK', '{}'), 'not-an-answer', 200],
    ['an error in a success', json('200 OK', '{"error":{"message":"no"}}'), 'not-an-answer', 200],
    ['a wrong credential', json('401 Unauthorized', '{"error":{"message":"bad key"}}'), 'credential', 401],
    ['a limit', json('429 Too Many', '{"error":{"message":"slow down"}}'), 'rate-limit', 429],
    ['an unknown model', json('404 Not Found', '{"error":{"code":"model_not_found"}}'), 'model', 404],
    ['an odd status', json('999 What', '{}'), 'unavailable', 502],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.9\r\n\r\n', 'unreachable', undefined],
    ['an endless head', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(80_000)}`, 'unreachable', undefined],
    ['an answer in gzip', 'HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x8b', 'not-an-answer', 200],
  ] as const)('%s is said to be what it is', async (_, reply, verdict, httpStatus) => {
    const upstream = bench.replying(reply);
    const { run } = await rig(`http://127.0.0.1:${upstream.port}/v1`);
    expect(await run()).toMatchObject({ verdict, httpStatus, operation: 'chat' });
    expect(upstream.requests.length).toBe(1);
  });

  test('a redirect is told and not followed, and where it points is not said', async () => {
    const trap = bench.replying(json('200 OK', ANSWER));
    const location = `http://127.0.0.1:${trap.port}/steal`;
    const upstream = bench.replying(`HTTP/1.1 307 x\r\nlocation: ${location}\r\ncontent-length: 0\r\n\r\n`);
    const { run } = await rig(`http://127.0.0.1:${upstream.port}/v1`);
    const result = await run();
    expect(result).toMatchObject({ verdict: 'redirected', httpStatus: 307, excerpt: undefined });
    expect([JSON.stringify(result).includes('steal'), trap.accepted]).toEqual([false, 0]);
  });

  test('a flood is read no further than its bound, and hung up on', async () => {
    const upstream = bench.upstream({
      onRequest: (socket) => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n');
        socket.write('x'.repeat(1_000_000));
      },
    });
    const { run } = await rig(`http://127.0.0.1:${upstream.port}/v1`);
    const { verdict, excerpt } = await run();
    expect([verdict, (excerpt ?? '').length]).toEqual(['not-an-answer', 503]);
    while (upstream.closed < 1) await Bun.sleep(2);
  });

  test.each([
    ['says nothing', () => {}],
    ['drips for ever', (write: (text: string) => void) => write('HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{')],
  ])('an upstream that %s is left in time', async (_, answer) => {
    const upstream = bench.upstream({ onRequest: (socket) => answer((text) => void socket.write(text)) });
    const deadlines = { connectMs: 50, responseHeadMs: 50, silenceMs: 50, totalMs: 80 };
    const { run } = await rig(`http://127.0.0.1:${upstream.port}/v1`, 'any', { deadlines });
    expect(await run()).toMatchObject({ verdict: 'timeout', excerpt: undefined });
    while (upstream.closed < 1) await Bun.sleep(2);
  });

  test('the credential is in no answer, however the upstream sends it back', async () => {
    const echoes = [
      CREDENTIAL, `Incorrect API key provided: ${CREDENTIAL.slice(0, 14)}****${CREDENTIAL.slice(-8)}`,
      `Bearer ${CREDENTIAL}`, Buffer.from(CREDENTIAL).toString('base64'), encodeURIComponent(CREDENTIAL),
      `https://x/?key=${CREDENTIAL}`, `${CREDENTIAL.slice(0, 12)}\u200b${CREDENTIAL.slice(12)}`,
      CREDENTIAL.slice(3, 30),
      `${'x'.repeat(490)}${CREDENTIAL}`,
    ];
    for (const echo of echoes) {
      const upstream = bench.replying(json('401 Unauthorized', `{"error":{"message":"${echo}"}}`));
      const { run, log } = await rig(`http://127.0.0.1:${upstream.port}/v1`);
      const text = JSON.stringify([await run(), log]);
      for (let at = 0; at + 8 <= CREDENTIAL.length; at += 1) expect(text).not.toContain(CREDENTIAL.slice(at, at + 8));
      expect(text).not.toContain(Buffer.from(CREDENTIAL).toString('base64').slice(0, 20));
    }
  });

  test('nothing of it commands a terminal or turns its text around', async () => {
    const upstream = bench.replying(json('500 x', '\u001b]0;owned\u0007\u001b[2J\u202eevil\u2066 \u009b31m<script>'));
    const { run } = await rig(`http://127.0.0.1:${upstream.port}/v1`);
    expect((await run()).excerpt).toBe(' ]0;owned [2Jevil  31m<script>');
  });
});

describe('G4: where it goes', () => {
  test('addresses that a customer\'s request would not reach are not called, and look like those where nobody is', async () => {
    const trap = bench.replying(json('200 OK', ANSWER));
    const dead = bench.upstream({});
    dead.stop();
    const nobody = await (await rig(`http://127.0.0.1:${dead.port}/v1`)).run();
    for (const resolve of [
      async () => ['127.0.0.1'], async () => ['10.0.0.1', '::1'], async () => ['169.254.169.254'], async () => [],
      async () => Promise.reject(new Error('NXDOMAIN')),
    ]) {
      const { run, log } = await rig(`http://rebound.test:${trap.port}/v1`, 'public', { resolve });
      const { durationMs: _, ...result } = await run();
      expect(result).toEqual({ ...nobody, durationMs: undefined } as never);
      // The operator of the machine learns why, from the log.
      expect(log.join()).toMatch(/blocked-address|dns/);
    }
    expect(trap.accepted).toBe(0);
  });

  test('a certificate of somebody else gets no credential', async () => {
    const tls = makeCertificate('other.test');
    const upstream = bench.upstream({ tls, onRequest: (socket) => void socket.write(ANSWER) });
    const resolve = async () => ['127.0.0.1'];
    const { run } = await rig(`https://upstream.test:${upstream.port}/v1`, 'any', { resolve });
    expect(await run()).toMatchObject({ verdict: 'tls' });
    expect(upstream.bytesReceived).toBe(0);
  });

  test('the name of the upstream finds that upstream or none', async () => {
    const { trials } = await rig('http://127.0.0.1:9/v1');
    for (const upstream of ['other', '', 'OWN', 'own ', '../own', '__proto__', 'constructor', 'http://127.0.0.1/']) {
      const asked = trials.run(operator, { upstream, model: undefined });
      await expect(asked).rejects.toMatchObject({ code: 'not_found' });
    }
  });

  test('a model of another upstream, or none, is refused before anything is sent', async () => {
    const upstream = bench.replying(json('200 OK', ANSWER));
    const { run, log } = await rig(`http://127.0.0.1:${upstream.port}/v1`);
    for (const model of ['declared/model', 'nothing', '../../admin', 'gpt-4o?x=1', '__proto__']) {
      await expect(run(model)).rejects.toMatchObject({ code: 'invalid_request', details: { field: 'model' } });
    }
    expect([upstream.accepted, log]).toEqual([0, []]);
  });

  test('what cannot be audited is not sent', async () => {
    const upstream = bench.replying(json('200 OK', ANSWER));
    const { run, raw } = await rig(`http://127.0.0.1:${upstream.port}/v1`);
    raw.run('DROP TABLE audit_event');
    await expect(run()).rejects.toThrow('audit_event');
    expect(upstream.accepted).toBe(0);
  });
});

describe('G4: how often', () => {
  test('one at a time, and a few a minute; a failed one leaves its place', async () => {
    let answer: (() => void) | undefined;
    const upstream = bench.upstream({
      onRequest: (socket) => { answer = () => void socket.write(json('200 OK', ANSWER)); },
    });
    const { trials } = await rig(`http://127.0.0.1:${upstream.port}/v1`);
    const ask = () => trials.run(operator, { upstream: 'own', model: undefined });
    for (let turn = 0; turn < 6; turn += 1) {
      const running = ask();
      answer = undefined;
      while (answer === undefined) await Bun.sleep(1);
      await expect(ask()).rejects.toMatchObject({ code: 'rate_limited' });
      (answer as () => void)();
      expect((await running).verdict).toBe('works');
    }
    await expect(ask()).rejects.toMatchObject({ code: 'rate_limited', details: { retryAfterSeconds: 58 } });
    expect(upstream.requests.length).toBe(6);
  });
});

describe('G4: over HTTP', () => {
  let watched: WatchedGateway;
  let canary: ReturnType<typeof bench.replying>;
  beforeAll(async () => {
    watched = await startWatchedGateway({
      environment: { UPSTREAM_KEY: CREDENTIAL }, upstream: { credential: { fromEnvironment: 'UPSTREAM_KEY' } },
    });
  });
  afterAll(() => watched.stop());
  const path = '/upstreams/simulator/test';

  test('sends what is stored to where it is stored, is audited, charges nobody and leaves no usage record', async () => {
    const before = await watched.gateway.admin('GET', '/usage');
    const { status, body } = await watched.gateway.admin('POST', path, { model: 'sim/fast' });
    expect([status, body]).toEqual([
      200,
      {
        verdict: 'works', model: 'sim/fast', operation: 'chat', httpStatus: 200,
        durationMs: expect.any(Number), excerpt: expect.any(String),
      },
    ]);
    const request = watched.seen.at(-1);
    if (request === undefined) throw new Error('nothing arrived');
    expect(valuesOf(request, 'authorization')).toEqual([`Bearer ${CREDENTIAL}`]);
    expect(valuesOf(request, 'x-tollgate-hops')).toEqual(['1']);
    expect((await watched.gateway.admin('GET', '/usage')).body).toEqual(before.body);
    const audit = await watched.gateway.admin('GET', '/audit-events?target=upstream/simulator');
    expect(field(audit.body, 'items')).toMatchObject([
      { action: 'upstream.test', actor: expect.stringMatching(/^operator:opk_/), target: 'upstream/simulator' },
    ]);
    expect(JSON.stringify(audit.body)).not.toContain(CREDENTIAL);
  });

  test('no field of body, query or header turns it elsewhere or takes its credential along', async () => {
    canary = bench.replying(json('200 OK', ANSWER));
    const url = `http://127.0.0.1:${canary.port}/v1`;
    const sent = watched.seen.length;
    for (const name of [
      'baseUrl', 'base_url', 'url', 'api_base', 'credential', 'apiKey', 'headers', 'addresses', 'provider', 'path',
      'body', 'messages', 'upstream', '__proto__', 'constructor', 'operation',
    ]) {
      const value = name === 'headers' || name === '__proto__' ? `{"baseUrl":"${url}"}` : JSON.stringify(url);
      const response = await fetch(`${watched.gateway.url}/admin/v1${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${watched.gateway.operatorKey}`, 'content-type': 'application/json' },
        body: `{"model":"sim/fast","${name}":${value}}`,
      });
      expect([name, response.status]).toEqual([name, 400]);
    }
    const headers = { 'x-forwarded-host': `127.0.0.1:${canary.port}`, 'x-base-url': url, 'x-api-key': 'sk-mine' };
    expect((await watched.gateway.admin('POST', path, {}, headers)).body).toMatchObject({ verdict: 'works' });
    expect([canary.accepted, watched.seen.length]).toEqual([0, sent + 1]);
    expect(watched.seen.at(-1)?.headers.flat().join()).not.toContain('sk-mine');
  });

  test('is for operators with the scope alone, by POST alone', async () => {
    const sent = watched.seen.length;
    const { url, apiKey, operatorKey } = watched.gateway;
    const ask = (method: string, key = 'none') =>
      fetch(`${url}/admin/v1${path}`, {
        method,
        headers: { 'content-type': 'application/json', ...(key === 'none' ? {} : { authorization: `Bearer ${key}` }) },
        ...(method === 'GET' ? {} : { body: '{}' }),
      }).then(({ status }) => status);
    expect([await ask('POST'), await ask('POST', apiKey), await ask('GET', operatorKey)]).toEqual([401, 401, 405]);
    expect(watched.seen.length).toBe(sent);
  });

  test('a repetition with the same key asks nothing twice', async () => {
    const sent = watched.seen.length;
    for (const _ of [1, 2]) {
      const again = await watched.gateway.admin('POST', path, {}, { 'idempotency-key': 'once' });
      expect(again).toMatchObject({ status: 200, body: { verdict: 'works' } });
    }
    expect(watched.seen.length).toBe(sent + 1);
  });
});
