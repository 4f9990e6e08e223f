// The fault list as a whole: complete, documented, and without a defect for any operation.

import { describe, expect, test } from 'bun:test';
import { connect } from 'node:net';
import { brokenTlsBaseUrl, refusedBaseUrl, unresolvableBaseUrl } from '../../../src/simulator/addresses.ts';
import { addressFaults, faultModelName, faultModelNames, faults } from '../../../src/simulator/faults/index.ts';
import { ask, exchange, requestText } from '../raw-client.ts';
import { openFaultClient, parse, request } from './fault-client.ts';

const { port } = openFaultClient();

describe('the list', () => {
  test('is complete: 1 to 32, each by model or by address', () => {
    const numbers = [...faults, ...addressFaults].map(({ number }) => number).sort((one, other) => one - other);
    expect(numbers).toEqual(Array.from({ length: 32 }, (_, index) => index + 1));
  });

  test('stands in the README with all its variants', async () => {
    const readme = await Bun.file(new URL('../../../src/simulator/README.md', import.meta.url)).text();
    for (const { number, usual, variants } of faults) {
      expect(Object.keys(variants)).toContain(usual);
      const row = readme.split('\n').find((line) => line.startsWith(`| U${number} |`)) ?? '';
      for (const variant of Object.keys(variants)) {
        expect([number, variant, row.includes(`\`${variant}\``)]).toEqual([number, variant, true]);
      }
      expect(row).toContain(`**\`${usual}\`**`);
    }
    for (const { number } of addressFaults) expect(readme).toContain(`| U${number} |`);
  });

  test('has no model for what only an address shows', async () => {
    for (const model of ['sim/u01', 'sim/u31', 'sim/u31-tls']) {
      expect(parse((await ask(port, request(model, false))).rest.toString()).error?.code).toBe('fault_by_address');
    }
    for (const model of ['sim/u00', 'sim/u33', 'sim/u05-none', 'sim/u5'])
      expect((await ask(port, request(model, false))).status).toBe(404);
  });

  test('refuses bad requests as an honest model does', async () => {
    const reply = await ask(port, requestText('/v1/chat/completions', { model: 'sim/u05' }));
    expect(reply.status).toBe(400);
  });
});

describe('U1, U31: addresses', () => {
  test('refused', async () => {
    const url = new URL(await refusedBaseUrl());
    const code = await new Promise((resolve) =>
      connect(Number(url.port), url.hostname).on('error', (error) => resolve('code' in error && error.code)),
    );
    expect(code).toBe('ECONNREFUSED');
  });

  test('TLS and DNS', async () => {
    const options = { redirect: 'manual', proxy: undefined } as const;
    expect(
      await fetch(brokenTlsBaseUrl(port), options).then(
        () => 'answered',
        () => 'failed',
      ),
    ).toBe('failed');
    expect(new URL(unresolvableBaseUrl).hostname.endsWith('.invalid')).toBe(true);
  });
});

test('every model of the list answers every operation without a defect', async () => {
  const endless = ['sim/u03', 'sim/u04', 'sim/u11', 'sim/u13', 'sim/u14', 'sim/u22-bomb', 'sim/u26', 'sim/u28'];
  const requests = faultModelNames
    .filter((model) => !endless.some((each) => model.startsWith(each)))
    .flatMap((model) => [
      requestText('/v1/completions', { model, prompt: 'one two' }, ['connection: close']),
      requestText('/v1/completions', { model, prompt: 'one two', stream: true }, ['connection: close']),
      requestText('/v1/embeddings', { model, input: 'one' }, ['connection: close']),
      requestText('/v1/chat/completions', { model, n: 2, messages: [{ role: 'user', content: '' }], stream: true }, [
        'connection: close',
      ]),
    ]);
  for (const each of requests) {
    const open = exchange(port, each);
    const { ending } = await open.until(() => false);
    expect(ending).not.toBe('open');
  }
  expect(requests.length).toBeGreaterThan(200);
  expect(faultModelName(5, 'usage')).toBe('sim/u05-usage');
}, 60_000);
