// A real authority's opinion of us: both proofs, refused nonces, and a renewal while calls go on.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { domains, shownOn, startStage, until, type Stage } from './acme-stage.ts';
import { pebbleFolder, startPebble, type Pebble } from './pebble.ts';

setDefaultTimeout(300_000);

const DAY_MS = 86_400_000;
const folder = pebbleFolder();
// Skipped without network: pebble is not here and cannot be built.
const proven = test.skipIf(folder === undefined);
const wanted = folder === undefined ? ' (needs pebble: Go and a network to build it)' : '';

let pebble: Pebble;
beforeAll(async () => {
  if (folder !== undefined) pebble = await startPebble(folder);
});
afterAll(() => pebble?.stop());

const startOn = (proof: 'http-01' | 'tls-alpn-01', names: readonly string[]) =>
  startStage({
    port: pebble.tlsPort,
    tls: {
      kind: 'acme',
      domains: names,
      email: 'ops@gw.example',
      directory: pebble.directory,
      caFile: pebble.caFile,
      httpPort: proof === 'http-01' ? pebble.httpPort : undefined,
    },
  });

/** What was logged goes with the failure: it has the authority's reasons. */
async function served(stage: Stage): Promise<void> {
  const shown = async () => (await shownOn(stage.server.port, domains[0])) !== undefined;
  await until(shown, 'a certificate', 30_000).catch(() => {
    throw new Error(`no certificate:\n${stage.lines.join('')}`);
  });
}

proven(`pebble proves names by HTTP-01${wanted}`, async () => {
  const stage = await startOn('http-01', domains);
  await served(stage);
  const shown = await shownOn(stage.server.port, domains[0]);
  expect(shown?.issuer).toStartWith('Pebble');
  expect(shown?.names).toBe(domains.map((name) => `DNS:${name}`).join(', '));
  await stage.stop();
});

proven(`pebble proves names by TLS-ALPN-01, also while calls go on${wanted}`, async () => {
  const stage = await startOn('tls-alpn-01', ['alpn.gw.example', domains[0]]);
  await served(stage);
  const old = await shownOn(stage.server.port, domains[0]);
  stage.clock.advance(63 * DAY_MS);
  let calls = 0;
  await until(
    async () => {
      const shown = await shownOn(stage.server.port, domains[0], ['http/1.1']);
      expect(shown?.issuer).toStartWith('Pebble');
      calls += 1;
      return shown?.serial !== old?.serial;
    },
    'the next certificate',
    60_000,
  );
  expect(calls).toBeGreaterThan(5);
  await stage.stop();
});
