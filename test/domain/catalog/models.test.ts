import { describe, expect, test } from 'bun:test';
import { listAuditEvents } from '../../../src/domain/audit/audit-store.ts';
import type { ModelPatch } from '../../../src/domain/catalog/admin-catalog.ts';
import { priority, requestPrice } from '../../../plugins/index.ts';
import { catalogRig, operator, rates, rigConfig, rigWithModel, usd } from './catalog-rig.ts';

const made = {
  name: 'own/model',
  contextTokens: 1_000,
  outputTokensMax: 100,
  offers: [{ upstream: 'declared' }],
} as const;

describe('a model that an operator makes', () => {
  test('is published with its price, and is the same after a start', async () => {
    const rig = await catalogRig();
    const model = await rig.models.create(operator, {
      ...made,
      operations: ['chat', 'completions'],
      groups: ['friends'],
      multiplierPpm: 500_000,
    });
    expect(model).toMatchObject({
      rule: 'token-price',
      strategy: 'priority',
      source: 'admin',
      price: undefined,
      problem: 'it has no price in force',
    });
    expect(rig.catalog.priceAt('own/model', rig.time.now)).toBeUndefined();
    const price = await rig.prices.create(operator, 'own/model', { ...usd(7n), perCallNano: 3n });
    expect(rig.catalog.priceAt('own/model', rig.time.now)).toMatchObject({
      id: price.id,
      perCallNano: 3n,
      rates: { ...rates, input: 7n },
    });
    expect(rig.catalog.model('own/model')).toMatchObject({
      groups: ['friends'],
      multiplierPpm: 500_000,
      source: 'admin',
    });
    expect(rig.catalog.models().map(({ name }) => name)).toEqual(['declared/model', 'own/model']);
    const again = await rig.reopen();
    expect(again.service.models.get('own/model')).toEqual(rig.models.get('own/model'));
    expect(again.catalog.priceAt('own/model', rig.time.now)).toEqual(rig.catalog.priceAt('own/model', rig.time.now));
    const events = await listAuditEvents(rig.database, { limit: 9, target: 'model/own/model' });
    expect(events.map(({ action }) => action)).toEqual(['price.create', 'model.create']);
  });

  test('is hidden by disabling it, and keeps its name', async () => {
    const rig = await rigWithModel();
    await rig.models.update(operator, 'own/model', { enabled: false });
    expect(rig.catalog.model('own/model')).toBeUndefined();
    expect((await rig.reopen()).catalog.model('own/model')).toBeUndefined();
    await expect(rig.models.create(operator, made)).rejects.toMatchObject({
      code: 'conflict',
      details: { field: 'name' },
    });
    await rig.models.update(operator, 'own/model', { enabled: true, groups: null });
    expect(rig.catalog.model('own/model')).toBeDefined();
  });

  test.each<[string, ModelPatch]>([
    ['operations', { operations: [] }],
    ['operations', { operations: ['chat', 'chat'] }],
    ['contextTokens', { contextTokens: 0 }],
    ['contextTokens', { contextTokens: Number.NaN }],
    ['outputTokensMax', { outputTokensMax: -1 }],
    ['outputTokensMax', { outputTokensMax: Infinity }],
    ['multiplierPpm', { multiplierPpm: -1 }],
    ['multiplierPpm', { multiplierPpm: 0.1 + 0.2 }],
    ['multiplierPpm', { multiplierPpm: 1e-15 }],
    ['multiplierPpm', { multiplierPpm: 1_000_000_001 }],
    ['rule', { rule: 'nobody' }],
    ['strategy', { strategy: 'nobody' }],
    ['groups', { groups: [] }],
    ['groups[1]', { groups: ['friends', 'strangers'] }],
    ['offers', { offers: [] }],
    ['offers[0].upstream', { offers: [{ upstream: 'nobody' }] }],
    ['offers[1].upstream', { offers: [{ upstream: 'own' }, { upstream: 'own' }] }],
    ['offers[0].model', { offers: [{ upstream: 'own', model: 'a\nb' }] }],
    [
      'offers[0].cost.rates.input',
      { offers: [{ upstream: 'own', cost: { currency: 'USD', rates: { input: -1n }, perCallNano: 0n } }] },
    ],
    [
      'offers[0].cost.currency',
      { offers: [{ upstream: 'own', cost: { currency: 'usd', rates: {}, perCallNano: 0n } }] },
    ],
    [
      'offers[0].cost.perCallNano',
      { offers: [{ upstream: 'own', cost: { currency: 'USD', rates: {}, perCallNano: 10n ** 16n } }] },
    ],
  ])('is not changed by a wrong %s', async (field, patch) => {
    const rig = await rigWithModel();
    const before = rig.models.get('own/model');
    await expect(rig.models.update(operator, 'own/model', patch)).rejects.toMatchObject({
      code: 'invalid_request',
      details: { field },
    });
    expect(rig.models.get('own/model')).toEqual(before);
  });

  test.each(['', ' x', '/x', 'a b', 'x'.repeat(257), 'ä', 'a\u0000'])('is not called %p', async (name) => {
    const rig = await catalogRig();
    await expect(rig.models.create(operator, { ...made, name })).rejects.toMatchObject({ details: { field: 'name' } });
  });

  test('takes no name of the config; the config takes its name, and gives it back', async () => {
    const rig = await rigWithModel();
    await expect(rig.models.create(operator, { ...made, name: 'declared/model' })).rejects.toThrow(
      'the config declares',
    );
    await expect(rig.models.update(operator, 'declared/model', { enabled: false })).rejects.toThrow(
      'the config declares',
    );
    await expect(rig.prices.create(operator, 'declared/model', { ...usd(1n), perCallNano: 0n })).rejects.toThrow(
      'the config declares',
    );
    const base = rigConfig();
    const own = {
      name: 'own/model',
      contextTokens: 5,
      outputTokensMax: 5,
      price: usd(99n),
      offers: [{ upstream: 'declared' }],
    };
    const taken = await rig.reopen({ config: rigConfig({ models: [...base.models, own] }) });
    expect(taken.warnings).toEqual([expect.stringContaining('model own/model')]);
    expect(taken.catalog.priceAt('own/model', rig.time.now)).toMatchObject({ source: 'config', rates: { input: 99n } });
    const back = await rig.reopen();
    expect(back.catalog.priceAt('own/model', rig.time.now)).toMatchObject({ source: 'admin', id: rig.price.id });
    const statuses = await back.service.prices.history('own/model');
    expect(statuses?.map(({ source, status }) => [source, status]).toSorted()).toEqual([
      ['admin', 'in-force'],
      ['config', 'past'],
    ]);
  });
});

describe('parts without a price', () => {
  test('refuse the offer, the rule and the provider that would report them', async () => {
    const rig = await catalogRig();
    await rig.upstreams.create(operator, { name: 'plain', provider: 'reporting' });
    await rig.upstreams.create(operator, { name: 'loud', provider: 'audio', baseUrl: 'https://loud.example/v1' });
    await rig.models.create(operator, { ...made, offers: [{ upstream: 'plain' }] });
    const price = { currency: 'USD', perCallNano: 0n, rates: { input: 1n, output: 2n } };
    await rig.prices.create(operator, 'own/model', price);
    const withLoud = { offers: [{ upstream: 'plain' }, { upstream: 'loud' }] };
    const unpriced = { code: 'invalid_request', details: { field: 'rates.audioInput' } };
    await expect(rig.models.update(operator, 'own/model', withLoud)).rejects.toMatchObject(unpriced);
    await expect(
      rig.upstreams.update(operator, 'plain', { provider: 'audio', baseUrl: 'https://a.example' }),
    ).rejects.toMatchObject(unpriced);
    const byRequest = rig.models.update(operator, 'own/model', { rule: 'request-price' });
    await expect(byRequest).rejects.toMatchObject({ details: { field: 'rates.input' } });
    await expect(rig.models.update(operator, 'own/model', { operations: ['completions'] })).rejects.toMatchObject({
      details: { field: 'offers[0].upstream' },
    });
    // A price to come counts too: it would be in force one day.
    rig.time.now += 1;
    await rig.prices.create(operator, 'own/model', { ...price, rates: { ...price.rates, audioInput: 3n } });
    const soon = await rig.prices.create(operator, 'own/model', { ...price, validFrom: rig.time.now + 1_000 });
    await expect(rig.models.update(operator, 'own/model', withLoud)).rejects.toMatchObject(unpriced);
    await rig.prices.withdraw(operator, 'own/model', soon.id);
    expect((await rig.models.update(operator, 'own/model', withLoud)).offers).toHaveLength(2);
    await expect(
      rig.prices.create(operator, 'own/model', { ...price, validFrom: rig.time.now + 1_000 }),
    ).rejects.toMatchObject(unpriced);
  });

  test('take a model out at start, if the config changed under it', async () => {
    const rig = await rigWithModel();
    await rig.models.update(operator, 'own/model', { offers: [{ upstream: 'declared' }, { upstream: 'own' }] });
    const base = rigConfig();
    const reported = await rig.reopen({
      config: rigConfig({
        upstreams: [{ name: 'declared', provider: 'audio', baseUrl: 'https://a.example/' }],
        models: [],
      }),
    });
    expect(reported.warnings).toEqual([
      expect.stringMatching(/model own\/model: its price prc_\w+ leaves unpriced: audioInput/),
    ]);
    expect(reported.catalog.model('own/model')).toBeUndefined();
    expect(reported.service.models.get('own/model')).toMatchObject({
      enabled: true,
      problem: expect.stringContaining('audioInput'),
    });
    const gone = await rig.reopen({ config: rigConfig({ upstreams: [], models: [] }) });
    expect(gone.catalog.model('own/model')?.offers.map(({ upstream }) => upstream.name)).toEqual(['own']);
    const bare = await rig.reopen({
      config: rigConfig({ providers: base.providers.slice(0, 1), upstreams: [], models: [] }),
    });
    expect(bare.warnings).toEqual([
      'upstream own: the config has no provider simulator',
      'model own/model: none of its upstreams can be used',
    ]);
    const other = await rig.reopen({
      config: rigConfig({ billing: [requestPrice()], models: [], routing: [priority()] }),
    });
    expect(other.warnings).toEqual(['model own/model: the config has no billing rule token-price']);
    // What is wrong with them does not keep them in service.
    expect((await other.service.models.update(operator, 'own/model', { enabled: false })).enabled).toBe(false);
    expect((await bare.service.upstreams.update(operator, 'own', { enabled: false })).enabled).toBe(false);
  });
});
