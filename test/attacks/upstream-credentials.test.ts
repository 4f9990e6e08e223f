// Case G5 of the attack catalogue: an operator who may change an upstream, but does not know its credential, must not
// get it sent to an address of their own. Every way to another address is tried with a trap at its end.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { catalogRig, credential, operator } from '../domain/catalog/catalog-rig.ts';
import { startSimulator, type SimulatorRequest } from '../../src/simulator/server.ts';
import { simulatorModel, startTestGateway, testConfig, type TestGateway } from '../support/gateway.ts';

const own = { name: 'own', provider: 'openai-compatible', credential } as const;
const BASE = 'https://api.vendor.example/v1';

describe('G5: another address asks for the credential again', () => {
  test.each([
    ['host', 'https://api.attacker.example/v1'],
    ['subdomain', 'https://eu.api.vendor.example/v1'],
    ['parent domain', 'https://vendor.example/v1'],
    ['host behind the old one', 'https://api.vendor.example.attacker.example/v1'],
    ['host with a trailing dot', 'https://api.vendor.example./v1'],
    ['look-alike in Cyrillic', 'https://api.vendоr.example/v1'],
    ['look-alike in its punycode', 'https://api.xn--vendr-fdd.example/v1'],
    ['look-alike with a dotless i', 'https://apı.vendor.example/v1'],
    ['port', 'https://api.vendor.example:8443/v1'],
    ['port 80 in the clear', 'http://api.vendor.example:443/v1'],
    ['scheme in the clear', 'http://api.vendor.example/v1'],
    ['path', 'https://api.vendor.example/v2'],
    ['path in capitals', 'https://api.vendor.example/V1'],
    ['path that climbs', 'https://api.vendor.example/v1/../redirect'],
    ['path with an encoded slash', 'https://api.vendor.example/%2e%2e/x'],
    ['address literal', 'https://203.0.114.7/v1'],
    ['address of IPv6', 'https://[2606:4700::1]/v1'],
    ['the default of its provider', null],
  ])('%s', async (_, baseUrl) => {
    const rig = await catalogRig();
    await rig.upstreams.create(operator, { ...own, baseUrl: BASE });
    const change = rig.upstreams.update(operator, 'own', { baseUrl });
    await expect(change).rejects.toMatchObject({ code: 'invalid_request', details: { field: 'credential' } });
    const served = rig.catalog.upstreams().find(({ name }) => name === 'own');
    expect([served?.baseUrl.href, served?.credential]).toEqual([BASE, credential]);
    await rig.upstreams.update(operator, 'own', { baseUrl, credential: 'sk-another-credential-5544' });
    expect(rig.catalog.upstreams().find(({ name }) => name === 'own')?.credential).toBe('sk-another-credential-5544');
  });

  test.each([
    ['user name', 'https://api.vendor.example@attacker.example/v1'],
    ['user name and password', 'https://a:b@api.vendor.example/v1'],
    ['empty user name', 'https://@api.vendor.example/v1'],
    ['backslash', 'https://api.vendor.example\\@attacker.example/v1'],
    ['query', 'https://api.vendor.example/v1?next=https://attacker.example'],
    ['fragment', 'https://api.vendor.example/v1#@attacker.example'],
    ['tab', 'https://api.vendor.example\t.attacker.example/v1'],
    ['other scheme', 'ftp://api.vendor.example/v1'],
    ['IDN of a loopback', 'https://①②⑦.0.0.1/v1'],
  ])('a %s is refused, whoever knows the credential', async (_, baseUrl) => {
    const rig = await catalogRig();
    await rig.upstreams.create(operator, { ...own, baseUrl: BASE });
    const change = rig.upstreams.update(operator, 'own', { baseUrl, credential });
    await expect(change).rejects.toMatchObject({ code: 'invalid_request', details: { field: 'baseUrl' } });
    expect(rig.upstreams.get('own')?.baseUrl).toBe(BASE);
  });

  test('other spellings of the very same address do not', async () => {
    const rig = await catalogRig();
    await rig.upstreams.create(operator, { ...own, baseUrl: BASE });
    for (const baseUrl of [
      'HTTPS://API.VENDOR.EXAMPLE/v1', 'https://api.vendor.example:443/v1', 'https://api.vendor.example/x/../v1',
      'https://ａｐｉ.vendor.example/v1',
    ]) {
      const { baseUrl: kept, hasCredential } = await rig.upstreams.update(operator, 'own', { baseUrl });
      expect([kept, hasCredential]).toEqual([BASE, true]);
    }
  });

  test('`addresses` widened does, because then a name may lead into our network; narrowed does not', async () => {
    const rig = await catalogRig();
    await rig.upstreams.create(operator, { ...own, baseUrl: BASE });
    const widened = rig.upstreams.update(operator, 'own', { addresses: 'any' });
    await expect(widened).rejects.toMatchObject({ details: { field: 'credential' } });
    expect(rig.upstreams.get('own')?.addresses).toBe('public');
    await rig.upstreams.update(operator, 'own', { addresses: 'any', credential });
    expect(await rig.upstreams.update(operator, 'own', { addresses: 'public' })).toMatchObject({ hasCredential: true });
  });

  test('nor is there a way in steps: taken away it is gone, and a refused change changes nothing beside', async () => {
    const rig = await catalogRig();
    await rig.upstreams.create(operator, { ...own, baseUrl: BASE });
    const elsewhere = 'https://api.attacker.example/v1';
    const attempt = rig.upstreams.update(operator, 'own', { baseUrl: elsewhere, weight: 7, enabled: false });
    await expect(attempt).rejects.toMatchObject({ details: { field: 'credential' } });
    expect(rig.upstreams.get('own')).toMatchObject({ weight: 100, enabled: true });
    await expect(rig.upstreams.update(operator, 'own', { credential: null })).rejects.toMatchObject({
      details: { field: 'credential' },
    });
    const again = rig.upstreams.create(operator, { ...own, baseUrl: elsewhere });
    await expect(again).rejects.toMatchObject({ code: 'conflict' });
    // Through a provider that needs none: without a credential there is nothing to take along.
    await rig.upstreams.update(operator, 'own', { provider: 'reporting', baseUrl: elsewhere, credential: null });
    const back = rig.upstreams.update(operator, 'own', { provider: 'openai-compatible' });
    await expect(back).rejects.toMatchObject({ details: { field: 'credential' } });
    expect(rig.upstreams.get('own')?.hasCredential).toBe(false);
  });

  test('of two changes at once none slips through between the look and the write', async () => {
    const rig = await catalogRig();
    await rig.upstreams.create(operator, { ...own, baseUrl: BASE });
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, at) =>
        at % 2 === 0
          ? rig.upstreams.update(operator, 'own', { baseUrl: 'https://api.attacker.example/v1' })
          : rig.upstreams.update(operator, 'own', { weight: at }),
      ),
    );
    expect(results.map(({ status }) => status === 'fulfilled')).toEqual(results.map((_, at) => at % 2 === 1));
    expect(rig.upstreams.get('own')).toMatchObject({ baseUrl: BASE, weight: 19, hasCredential: true });
  });
});

describe('G5: over HTTP, with traps', () => {
  const heard: SimulatorRequest[] = [];
  const old = startSimulator({ faults: true });
  const trap = startSimulator({ faults: true, observe: (request) => void heard.push(request) });
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startTestGateway({ config: testConfig({ models: [simulatorModel('sim/echo')] }) });
    expect((await gateway.admin('POST', '/upstreams', {
      name: 'own', provider: 'openai-compatible', baseUrl: old.url, addresses: 'any', credential,
    })).status).toBe(201);
    expect((await gateway.admin('POST', '/models', {
      name: 'own/model', contextTokens: 1_000, outputTokensMax: 100, offers: [{ upstream: 'own', model: 'sim/fast' }],
    })).status).toBe(201);
    expect((await gateway.admin('POST', '/models/own%2Fmodel/prices', {
      currency: 'USD', rates: { input: '1', cacheRead: '1', cacheWrite: '1', output: '1', reasoning: '1' },
    })).status).toBeLessThan(500);
  });
  afterAll(async () => {
    await gateway.stop();
    old.close();
    trap.close();
  });

  test('a changed address never hears the old credential, by the test of the upstream or by a call', async () => {
    const messages = [{ role: 'user', content: 'x' }];
    const change = (patch: object) => gateway.admin('PATCH', '/upstreams/own', patch);
    expect((await change({ baseUrl: trap.url })).status).toBe(400);
    expect((await change({ baseUrl: trap.url, credential: undefined })).status).toBe(400);
    expect((await change({ baseUrl: trap.url, credential: '' })).status).toBe(400);
    expect((await change({ baseUrl: trap.url, credential: '(secret)' })).status).toBeGreaterThanOrEqual(200);
    await gateway.admin('POST', '/upstreams/own/test', {});
    await gateway.client('/chat/completions', { model: 'own/model', messages });
    expect(heard.length).toBeGreaterThan(0);
    for (const { headers } of heard) expect(headers.flat().join('\n')).not.toContain(credential);
  });
});
