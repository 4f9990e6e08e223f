// A certificate from an authority, the whole way over the mock one: both proofs, restarts, renewals, refusals, and
// authorities that mean us no good. `pebble.test.ts` does the same with a real one.

import { afterEach, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAcmeServer, type AcmeServer, type AcmeServerOptions } from '../../fakes/acme/acme-server.ts';
import { domains, shownOn, startStage, until, type Stage, type StageOptions } from './acme-stage.ts';

const DAY_MS = 86_400_000;
const open: { stop(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each.stop();
});

interface Play {
  readonly stage: Stage;
  readonly authority: AcmeServer;
}

type PlayOptions = AcmeServerOptions &
  Omit<StageOptions, 'tls'> & {
    readonly proof: 'http-01' | 'tls-alpn-01';
    readonly domains?: readonly string[];
    authority?: AcmeServer;
  };

async function play(options: PlayOptions): Promise<Play> {
  const made: { stage?: Stage } = {};
  const authority =
    options.authority ??
    (await startAcmeServer({
      httpPort: () => made.stage?.server.httpPort ?? 0,
      tlsPort: () => made.stage?.server.port ?? 0,
      ...options,
    }));
  open.push(authority);
  const { dataFolder, clock, face } = options;
  const stage = await startStage({
    ...(dataFolder === undefined ? {} : { dataFolder }),
    ...(clock === undefined ? {} : { clock }),
    ...(face === undefined ? {} : { face }),
    tls: {
      kind: 'acme',
      domains: options.domains ?? domains,
      email: 'ops@gw.example',
      directory: authority.directory,
      caFile: undefined,
      httpPort: options.proof === 'http-01' ? 0 : undefined,
    },
  });
  made.stage = stage;
  open.push(stage);
  return { stage, authority };
}

const issued = ({ authority }: Play, count = 1) => until(() => authority.issued() === count, `certificate ${count}`);
const folder = () => {
  const path = mkdtempSync(join(tmpdir(), 'tollgate-acme-'));
  open.push({ stop: () => rmSync(path, { recursive: true, force: true }) });
  return path;
};
const served = (stage: Stage) =>
  until(async () => (await shownOn(stage.server.port, domains[0])) !== undefined, 'a certificate');

test.each(['http-01', 'tls-alpn-01'] as const)('names are proven by %s, and calls are answered', async (proof) => {
  const { stage, authority } = await play({ proof, refusedNonces: 0.2 });
  await served(stage);
  const shown = await shownOn(stage.server.port, domains[0], ['http/1.1']);
  expect(shown?.names).toBe(domains.map((name) => `DNS:${name}`).join(', '));
  const response = await fetch(`https://127.0.0.1:${stage.server.port}/hello`, {
    headers: { host: domains[0] },
    tls: { ca: authority.authority.root, serverName: domains[0] },
  });
  expect(await response.text()).toBe('127.0.0.1 /hello');
  expect(authority.accounts()).toBe(1);
  for (const name of readdirSync(join(stage.dataFolder, 'acme'))) {
    expect(statSync(join(stage.dataFolder, 'acme', name)).mode & 0o777).toBe(0o600);
  }
  expect(
    readdirSync(join(stage.dataFolder, 'acme')).some((name) => name.endsWith('.draft') || name === 'tries.json'),
  ).toBeFalse();
});

test('a restart serves what is stored and asks nobody; other names are asked for', async () => {
  const dataFolder = folder();
  const first = await play({ proof: 'http-01', dataFolder });
  await served(first.stage);
  await first.stage.stop();
  const { authority } = first;
  const before = authority.asked.length;
  const second = await play({ proof: 'http-01', dataFolder, authority });
  expect(await shownOn(second.stage.server.port, domains[0])).toBeDefined();
  expect(authority.asked.length).toBe(before);
  await second.stage.stop();
  authority.stop();
  const other = await play({ proof: 'tls-alpn-01', dataFolder, domains: ['new.gw.example'] });
  // Until then the old one is better than none.
  expect(await shownOn(other.stage.server.port, domains[0])).toBeDefined();
  await issued(other);
  await until(
    async () => (await shownOn(other.stage.server.port, 'new.gw.example'))?.names === 'DNS:new.gw.example',
    'new',
  );
});

test('with a third of its life left a certificate is renewed once, and streams and new calls never notice', async () => {
  const face = (request: Request) => {
    if (!request.url.endsWith('/stream')) return new Response('ok');
    return new Response(
      new ReadableStream({
        async start(controller) {
          for (let at = 0; !released; at++) {
            controller.enqueue(`${at}\n`);
            await Bun.sleep(2);
          }
          controller.close();
        },
      }),
    );
  };
  let released = false;
  const { stage, authority } = await play({ proof: 'tls-alpn-01', days: 90, face });
  await served(stage);
  const tls = { ca: authority.authority.root, serverName: domains[0] };
  const call = (path: string) =>
    fetch(`https://127.0.0.1:${stage.server.port}${path}`, { headers: { host: domains[0], connection: 'close' }, tls });
  const stream = await call('/stream');
  const old = await shownOn(stage.server.port, domains[0]);
  stage.clock.advance(59 * DAY_MS);
  await Bun.sleep(0);
  expect(authority.issued()).toBe(1);
  stage.clock.advance(3 * DAY_MS);
  let calls = 0;
  await until(async () => {
    const answers = await Promise.all(Array.from({ length: 4 }, async () => (await call('/healthz')).status));
    expect(answers).toEqual([200, 200, 200, 200]);
    calls += answers.length;
    await Bun.sleep(40);
    return (await shownOn(stage.server.port, domains[0]))?.serial !== old?.serial;
  }, 'the new certificate');
  await issued({ stage, authority }, 2);
  expect(calls).toBeGreaterThan(0);
  released = true;
  expect(await stream.text()).toEndWith('\n');
  expect(authority.issued()).toBe(2);
});

test('an authority that is away or refuses is asked again, ever more slowly, also after a restart', async () => {
  const dataFolder = folder();
  const down = { interfere: () => new Response('away', { status: 503, headers: { 'retry-after': '7200' } }) };
  const first = await play({ proof: 'http-01', dataFolder, ...down });
  const health = await fetch(`http://127.0.0.1:${first.stage.server.httpPort}/healthz`);
  expect(health.status).toBe(200);
  await until(() => first.stage.lines.some((line) => line.includes('no certificate yet')), 'the failure');
  const asked = first.authority.asked.length;
  const line = first.stage.lines.find((each) => each.includes('no certificate yet')) ?? '';
  // Two hours were asked for, and chance adds an eighth.
  expect(Date.parse(JSON.parse(line).nextTry) - first.stage.clock.now()).toBe(7_200_000 * 1.125);
  await first.stage.stop();
  const { clock } = first.stage;
  const again = await play({ proof: 'http-01', dataFolder, clock, authority: first.authority });
  clock.advance(7_000_000);
  await Bun.sleep(30);
  expect(first.authority.asked.length).toBe(asked);
  clock.advance(1_200_000);
  await until(() => first.authority.asked.length > asked, 'the next try');
  await until(() => again.stage.lines.some((each) => each.includes('"failures":2')), 'the second failure');
});

test('a name that cannot be proven is said with the reason of the authority', async () => {
  const { stage } = await play({ proof: 'http-01', httpPort: () => 1 });
  await until(
    () => stage.lines.some((line) => line.includes('the proof of gw.example: cannot be reached')),
    'the reason',
  );
  expect(await shownOn(stage.server.port, domains[0])).toBeUndefined();
});

const hostile: readonly (readonly [name: string, options: Partial<AcmeServerOptions>, said: string])[] = [
  ['sends more than a reply can be', { interfere: () => new Response('x'.repeat(2_000_000)) }, 'larger than'],
  [
    'sends us elsewhere',
    { interfere: () => Response.redirect('http://127.0.0.1:1/', 302) },
    'redirects are not followed',
  ],
  [
    'names another host',
    {
      interfere: (path) => {
        const elsewhere = 'http://169.254.169.254/x';
        const named = { newNonce: elsewhere, newAccount: elsewhere, newOrder: elsewhere };
        return path === '/directory' ? Response.json(named) : undefined;
      },
    },
    'outside',
  ],
  [
    'answers no JSON',
    { interfere: () => new Response('{', { headers: { 'content-type': 'application/json' } }) },
    'no certificate yet',
  ],
  ['certifies other names', { otherNames: ['evil.example'] }, 'does not hold for'],
  [
    'is limited',
    {
      interfere: (path) =>
        path === '/order'
          ? new Response('{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too\\nmany"}', {
              status: 429,
              headers: { 'content-type': 'application/problem+json', 'retry-after': '3600' },
            })
          : undefined,
    },
    'rateLimited (429): too many',
  ],
];

test.each(hostile)('an authority that %s is not believed, and the service goes on', async (_name, options, said) => {
  const { stage } = await play({ proof: 'tls-alpn-01', ...options });
  await until(() => stage.lines.some((line) => line.includes(said)), said);
  expect(stage.lines.join('')).not.toContain('PRIVATE KEY');
  expect(existsSync(join(stage.dataFolder, 'acme', 'certificate.json'))).toBeFalse();
});

test('a try that cannot even be written down leaves no challenge on the port', async () => {
  const dataFolder = folder();
  let full = false;
  const { stage } = await play({
    proof: 'tls-alpn-01',
    dataFolder,
    interfere: (path) => {
      if (!full || !path.startsWith('/finalize/')) return undefined;
      // Where the tries are to be written stands what cannot be removed as a file.
      mkdirSync(join(dataFolder, 'acme', 'tries.json.draft'));
      return new Response('no', { status: 500 });
    },
  });
  await served(stage);
  full = true;
  stage.clock.advance(80 * DAY_MS);
  await until(() => stage.lines.some((line) => line.includes('"level":"error"')), 'the failure');
  await until(async () => {
    const shown = await shownOn(stage.server.port, domains[0], ['acme-tls/1']);
    return shown?.protocol !== 'acme-tls/1';
  }, 'the port is as before');
});

test('files that a crash or a hand damaged are put aside and made anew', async () => {
  const dataFolder = folder();
  const first = await play({ proof: 'http-01', dataFolder });
  await served(first.stage);
  await first.stage.stop();
  const file = join(dataFolder, 'acme', 'certificate.json');
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, 100));
  writeFileSync(`${file}.draft`, 'half');
  chmodSync(`${file}.draft`, 0o644);
  const second = await play({ proof: 'http-01', dataFolder });
  await served(second.stage);
  expect(existsSync(`${file}.damaged`)).toBeTrue();
  expect(statSync(file).mode & 0o777).toBe(0o600);
});
