import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { defineGateway, type DatedPriceConfig, type PriceConfig } from '../../../src/plugin/index.ts';
import { priceInForce, timelineOf } from '../../../src/domain/catalog/price-timeline.ts';
import type { PriceVersion } from '../../../src/domain/catalog/catalog.ts';
import { catalogRig, operator, rigConfig, rigWithModel, usd } from './catalog-rig.ts';

const day = 86_400_000;
const iso = (at: number) => new Date(at).toISOString();

describe('prices of an operator', () => {
  test('follow each other by their dates; each request has the one that it was admitted with', async () => {
    const rig = await rigWithModel();
    const { now } = rig.time;
    const third = await rig.prices.create(operator, 'own/model', {
      ...usd(3n),
      perCallNano: 0n,
      validFrom: now + 2 * day,
    });
    const second = await rig.prices.create(operator, 'own/model', {
      ...usd(2n),
      perCallNano: 0n,
      validFrom: now + day,
    });
    const at = (time: number) => rig.catalog.priceAt('own/model', time)?.id;
    expect([at(now - 1), at(now), at(now + day - 1), at(now + day), at(now + 2 * day)]).toEqual([
      undefined,
      rig.price.id,
      rig.price.id,
      second.id,
      third.id,
    ]);
    const pinned = rig.catalog.priceAt('own/model', now);
    rig.time.now += day;
    expect(rig.catalog.priceAt('own/model', now)).toBe(pinned);
    const history = await rig.prices.history('own/model');
    expect(history?.map(({ id, status }) => [id, status])).toEqual([
      [third.id, 'scheduled'],
      [second.id, 'in-force'],
      [rig.price.id, 'past'],
    ]);
    const again = await rig.reopen();
    expect(again.catalog.priceAt('own/model', rig.time.now)?.id).toBe(second.id);
  });

  test('are withdrawn before their time, and not after', async () => {
    const rig = await rigWithModel();
    const { now } = rig.time;
    const soon = await rig.prices.create(operator, 'own/model', { ...usd(2n), perCallNano: 0n, validFrom: now + day });
    const withdrawn = await rig.prices.withdraw(operator, 'own/model', soon.id);
    expect(withdrawn).toMatchObject({ status: 'withdrawn', closedAt: now });
    expect(rig.catalog.priceAt('own/model', now + day)?.id).toBe(rig.price.id);
    await expect(rig.prices.withdraw(operator, 'own/model', soon.id)).rejects.toThrow('withdrawn already');
    await expect(rig.prices.withdraw(operator, 'own/model', rig.price.id)).rejects.toMatchObject({ code: 'conflict' });
    await expect(rig.prices.withdraw(operator, 'own/model', 'prc_none')).rejects.toMatchObject({ code: 'not_found' });
    await expect(rig.prices.withdraw(operator, 'declared/model', rig.price.id)).rejects.toMatchObject({
      code: 'not_found',
    });
    const declared = (await rig.prices.history('declared/model'))?.[0];
    await expect(rig.prices.withdraw(operator, 'declared/model', declared?.id ?? 'prc_none')).rejects.toThrow(
      'the config declares',
    );
    // Its moment is free again.
    await rig.prices.create(operator, 'own/model', { ...usd(5n), perCallNano: 0n, validFrom: now + day });
    await expect(
      rig.prices.create(operator, 'own/model', { ...usd(6n), perCallNano: 0n, validFrom: now + day }),
    ).rejects.toMatchObject({ code: 'conflict', details: { field: 'validFrom' } });
    rig.time.now = now + day;
    const inForce = rig.catalog.priceAt('own/model', rig.time.now);
    await expect(rig.prices.withdraw(operator, 'own/model', inForce?.id ?? 'prc_none')).rejects.toThrow(
      'the price is in force',
    );
    expect((await rig.reopen()).catalog.priceAt('own/model', rig.time.now)?.id).toBe(inForce?.id);
  });

  test.each([
    ['validFrom', { validFrom: Date.UTC(2026, 0, 15, 12) - 1 }],
    ['validFrom', { validFrom: Number.NaN }],
    ['currency', { currency: 'usd' }],
    ['rates.input', { rates: { input: -1n } }],
    ['rates.input', { rates: { input: 10n ** 12n + 1n } }],
    ['rates.cacheRead', { rates: { input: 1n, output: 1n } }],
    ['perCallNano', { perCallNano: -1n }],
  ] as const)('are refused by a wrong %s', async (field, wrong) => {
    const rig = await rigWithModel();
    const price = { ...usd(1n), perCallNano: 0n, ...wrong };
    await expect(rig.prices.create(operator, 'own/model', price)).rejects.toMatchObject({
      code: 'invalid_request',
      details: { field },
    });
    expect(await rig.prices.history('own/model')).toHaveLength(1);
  });

  test('are never changed nor deleted, whoever asks the table', async () => {
    const rig = await rigWithModel();
    expect(() => rig.raw.run("UPDATE price_version SET rates = '{}'")).toThrow('never changes');
    expect(() => rig.raw.run('DELETE FROM price_version')).toThrow('never deleted');
  });

  test('that somebody made unreadable stop the start; they do not become free', async () => {
    const rig = await rigWithModel();
    rig.raw.run('DROP TRIGGER price_version_immutable');
    rig.raw.run(`UPDATE price_version SET rates = '{"input":"-5"}' WHERE source = 'admin'`);
    await expect(rig.reopen()).rejects.toThrow('rates.input that Tollgate never writes');
  });
});

describe('dated prices of the config', () => {
  const withPrice = (price: PriceConfig | readonly DatedPriceConfig[]) =>
    rigConfig({
      models: [
        {
          name: 'declared/model',
          contextTokens: 1_000,
          outputTokensMax: 100,
          price,
          offers: [{ upstream: 'declared' }],
        },
      ],
    });
  const start = Date.UTC(2026, 0, 15, 12);

  test('come into force at their dates, and need no new start', async () => {
    const rig = await catalogRig({
      config: withPrice([usd(1n), { from: iso(start + day), ...usd(2n) }, { from: iso(start + 2 * day), ...usd(3n) }]),
    });
    const inputAt = (at: number) => rig.catalog.priceAt('declared/model', at)?.rates.input;
    expect([inputAt(start), inputAt(start + day - 1), inputAt(start + day), inputAt(start + 9 * day)]).toEqual([
      1n,
      1n,
      2n,
      3n,
    ]);
    // A clock that was set back finds the first one all the same.
    expect(inputAt(start - day)).toBe(1n);
    const history = await rig.prices.history('declared/model');
    expect(history?.map(({ status, validFrom }) => [status, validFrom])).toEqual([
      ['scheduled', start + 2 * day],
      ['scheduled', start + day],
      ['in-force', start],
    ]);
  });

  test('that begin later leave the model unpriced until then', async () => {
    const rig = await catalogRig({ config: withPrice([{ from: iso(start + day), ...usd(2n) }]) });
    expect(rig.catalog.priceAt('declared/model', start)).toBeUndefined();
    expect(rig.catalog.priceAt('declared/model', start + day)?.rates.input).toBe(2n);
    expect(rig.models.get('declared/model')?.problem).toBe('it has no price in force');
  });

  test('keep their versions over starts; what is over is neither made nor taken away', async () => {
    const config = withPrice([usd(1n), { from: iso(start + day), ...usd(2n) }]);
    const rig = await catalogRig({ config });
    const ids = (await rig.prices.history('declared/model'))?.map(({ id }) => id);
    rig.time.now += 3 * day;
    const later = await rig.reopen();
    const history = await later.service.prices.history('declared/model');
    expect(history?.map(({ id }) => id)).toEqual(ids);
    expect(history?.map(({ status, closedAt }) => [status, closedAt])).toEqual([
      ['in-force', undefined],
      ['past', undefined],
    ]);
    const fresh = await catalogRig({
      config: withPrice([
        { from: iso(start - 2 * day), ...usd(1n) },
        { from: iso(start - day), ...usd(2n) },
      ]),
    });
    const made = await fresh.prices.history('declared/model');
    expect(made?.map(({ rates, validFrom, status }) => [rates.input, validFrom, status])).toEqual([
      [2n, start, 'in-force'],
    ]);
  });

  test('that are changed once in force are new versions from now on', async () => {
    const rig = await catalogRig({ config: withPrice([usd(1n), { from: iso(start + day), ...usd(2n) }]) });
    rig.time.now = start + 5 * day;
    const changed = await rig.reopen({ config: withPrice([usd(1n), { from: iso(start + day), ...usd(9n) }]) });
    expect(changed.catalog.priceAt('declared/model', rig.time.now)).toMatchObject({
      rates: { input: 9n },
      validFrom: start + 5 * day,
    });
    const history = await changed.service.prices.history('declared/model');
    expect(history?.map(({ rates, validFrom, closedAt }) => [rates.input, validFrom, closedAt])).toEqual([
      [9n, start + 5 * day, undefined],
      [2n, start + day, start + 5 * day],
      [1n, start, undefined],
    ]);
  });

  test('that leave the config are closed and stay', async () => {
    const rig = await catalogRig({ config: withPrice([usd(1n), { from: iso(start + day), ...usd(2n) }]) });
    const single = await rig.reopen({ config: withPrice(usd(1n)) });
    const history = await single.service.prices.history('declared/model');
    expect(history?.map(({ rates, status }) => [rates.input, status])).toEqual([
      [2n, 'withdrawn'],
      [1n, 'in-force'],
    ]);
    expect(single.catalog.priceAt('declared/model', start + 9 * day)?.rates.input).toBe(1n);
    const none = await rig.reopen({ config: defineGateway({ ...rigConfig(), models: [] }) });
    expect((await none.service.prices.history('declared/model'))?.map(({ status }) => status)).toEqual([
      'withdrawn',
      'past',
    ]);
    expect(none.catalog.priceAt('declared/model', start)).toBeUndefined();
    expect(await none.service.prices.history('never/heard')).toBeUndefined();
    const back = await rig.reopen({ config: withPrice(usd(1n)) });
    expect(back.catalog.priceAt('declared/model', start)?.id).toBe(single.catalog.priceAt('declared/model', start)?.id);
  });
});

test('the price in force is the latest that has begun, whatever the list and the time', () => {
  const version = (validFrom: number): PriceVersion => ({
    id: `prc_${validFrom}`,
    model: 'm',
    currency: 'USD',
    rates: {},
    perCallNano: 0n,
    validFrom,
    source: 'admin',
  });
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(1_000), { maxLength: 20 }), fc.nat(1_100), (starts, at) => {
      const expected = starts.filter((start) => start <= at).toSorted((left, right) => right - left)[0];
      expect(priceInForce(timelineOf(starts.map(version)), at)?.validFrom).toBe(expected);
    }),
  );
});
