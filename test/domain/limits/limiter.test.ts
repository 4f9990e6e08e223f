import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { noLimits } from '../../../src/domain/accounts/accounts.ts';
import type { Limits } from '../../../src/domain/accounts/accounts.ts';
import { addressSubject } from '../../../src/domain/limits/address-subject.ts';
import { createLimiter, decide } from '../../../src/domain/limits/limiter.ts';
import type { LimitSubjects } from '../../../src/domain/limits/limiter.ts';

const limits = (some: Partial<Limits>): Limits => ({ ...noLimits, ...some });

const subjects = (
  some: { key?: Limits; account?: Limits; group?: Limits; address?: string; id?: string } = {},
): LimitSubjects => ({
  apiKey: { id: some.id ?? 'key_1', limits: some.key ?? noLimits },
  account: { id: 'acc_1', limits: some.account ?? noLimits },
  group: some.group && { name: 'friends', limits: some.group },
  address: some.address ?? '192.0.2.1',
});

function limiterAt(start = 1_000_000, options: { addressLimits?: Limits; subjectsMax?: number } = {}) {
  const time = { nowMs: start };
  const limiter = createLimiter({
    clock: { monotonicMs: () => time.nowMs },
    addressLimits: options.addressLimits ?? noLimits,
    ...(options.subjectsMax === undefined ? {} : { subjectsMax: options.subjectsMax }),
  });
  return { limiter, time };
}

describe('a limiter', () => {
  test('gives back what was taken under other address limits where it was taken, and nothing twice', () => {
    const { limiter } = limiterAt(1_000_000, { addressLimits: limits({ concurrency: 2 }) });
    const first = limiter.take(subjects(), 0);
    const second = limiter.take(subjects(), 0);
    limiter.limitAddresses(limits({ concurrency: 1 }));
    if (!first.taken || !second.taken) throw new Error('refused');
    first.release(0);
    expect(limiter.take(subjects(), 0)).toMatchObject({ taken: false, limit: 'concurrency', capacity: 1 });
    limiter.limitAddresses(noLimits);
    second.release(0);
    expect(limiter.take(subjects(), 0).taken).toBe(true);
    limiter.limitAddresses(limits({ concurrency: 1 }));
    expect(limiter.take(subjects(), 0).taken).toBe(true);
    expect(limiter.take(subjects(), 0).taken).toBe(false);
  });

  test('gives everybody the same decision, and remembers nobody, where no limits are set', () => {
    const { limiter } = limiterAt();
    const first = limiter.take(subjects(), 5);
    expect(first.taken).toBe(true);
    expect(limiter.take(subjects({ group: noLimits }), 7)).toBe(first);
    expect(limiter.subjects).toBe(0);
  });

  test('lets exactly as many requests through in a minute, says when to come back, and means it', () => {
    const { limiter, time } = limiterAt();
    const who = subjects({ key: limits({ requestsPerMinute: 3 }) });
    for (let index = 0; index < 3; index++) expect(limiter.take(who, 0).taken).toBe(true);
    const refused = limiter.take(who, 0);
    expect(refused).toMatchObject({ taken: false, limit: 'requests', scope: 'API key', capacity: 3 });
    if (refused.taken) throw new Error('not refused');
    time.nowMs += (refused.retryAfterSeconds - 2) * 1_000;
    expect(limiter.take(who, 0).taken).toBe(false);
    time.nowMs += 2_000;
    expect(limiter.take(who, 0).taken).toBe(true);
  });

  test('takes from all subjects or from none', () => {
    const { limiter } = limiterAt();
    const key = limits({ requestsPerMinute: 5 });
    const full = subjects({ key, account: limits({ requestsPerMinute: 1 }) });
    expect(limiter.take(full, 0).taken).toBe(true);
    for (let index = 0; index < 10; index++)
      expect(limiter.take(full, 0)).toMatchObject({ taken: false, scope: 'account' });
    // The ten refused requests took nothing from the key: four of its five are left.
    const alone = subjects({ key });
    for (let index = 0; index < 4; index++) expect(limiter.take(alone, 0).taken).toBe(true);
    expect(limiter.take(alone, 0)).toMatchObject({ taken: false, scope: 'API key' });
  });

  test('gives places back once, however often release is called', () => {
    const { limiter } = limiterAt();
    const who = subjects({ account: limits({ concurrency: 2 }) });
    const first = limiter.take(who, 0);
    expect(limiter.take(who, 0).taken).toBe(true);
    expect(limiter.take(who, 0)).toMatchObject({
      taken: false,
      limit: 'concurrency',
      capacity: 2,
      retryAfterSeconds: 1,
    });
    if (!first.taken) throw new Error('refused');
    first.release(0);
    first.release(0);
    expect(limiter.take(who, 0).taken).toBe(true);
    expect(limiter.take(who, 0).taken).toBe(false);
  });

  test('counts the bound first and what was really used afterwards', () => {
    const { limiter } = limiterAt();
    const who = subjects({ key: limits({ tokensPerMinute: 100 }) });
    const first = limiter.take(who, 80);
    expect(limiter.take(who, 30)).toMatchObject({ taken: false, limit: 'tokens' });
    if (!first.taken) throw new Error('refused');
    first.release(10);
    const second = limiter.take(who, 90);
    expect(second.taken).toBe(true);
    if (!second.taken) throw new Error('refused');
    second.release(500);
    expect(limiter.take(who, 0).taken).toBe(false);
  });

  test('lets a request whose bound is above the limit run alone', () => {
    const { limiter, time } = limiterAt();
    const who = subjects({ key: limits({ tokensPerMinute: 100 }) });
    expect(limiter.take(who, 1_000_000).taken).toBe(true);
    expect(limiter.take(who, 1).taken).toBe(false);
    time.nowMs += 61_000;
    expect(limiter.take(who, 1_000_000).taken).toBe(true);
  });

  test.each(['requestsPerMinute', 'tokensPerMinute', 'concurrency'] as const)(
    'takes zero %s for none at all',
    (name) => {
      const { limiter } = limiterAt();
      expect(limiter.take(subjects({ key: limits({ [name]: 0 }) }), 0).taken).toBe(false);
    },
  );

  test('counts all keys of a group, and all addresses of one IPv6 subscriber, together', () => {
    const { limiter } = limiterAt(0, { addressLimits: limits({ requestsPerMinute: 2 }) });
    expect(limiter.take(subjects({ address: '2001:db8:1:2::1' }), 0).taken).toBe(true);
    expect(limiter.take(subjects({ address: '2001:db8:1:2:ffff::2', id: 'key_2' }), 0).taken).toBe(true);
    expect(limiter.take(subjects({ address: '2001:db8:1:2:3::9', id: 'key_3' }), 0)).toMatchObject({
      scope: 'address',
    });
    expect(limiter.take(subjects({ address: '2001:db8:1:3::1' }), 0).taken).toBe(true);
    const groups = limiterAt().limiter;
    const group = limits({ requestsPerMinute: 1 });
    expect(groups.take(subjects({ group, id: 'key_1' }), 0).taken).toBe(true);
    expect(groups.take(subjects({ group, id: 'key_2' }), 0)).toMatchObject({ scope: 'group' });
  });

  test('drops idle subjects, keeps busy ones, and counts newcomers together when it is full', () => {
    const { limiter, time } = limiterAt(0, { subjectsMax: 3 });
    const key = limits({ requestsPerMinute: 2, concurrency: 10 });
    const running = limiter.take(subjects({ key, id: 'running' }), 0);
    for (const id of ['b', 'c']) {
      const done = limiter.take(subjects({ key, id }), 0);
      if (done.taken) done.release(0);
    }
    expect(limiter.subjects).toBe(3);
    expect(limiter.take(subjects({ key, id: 'd' }), 0).taken).toBe(true);
    expect(limiter.take(subjects({ key, id: 'e' }), 0).taken).toBe(true);
    expect(limiter.take(subjects({ key, id: 'f' }), 0).taken).toBe(false);
    expect(limiter.subjects).toBe(3);
    time.nowMs += 120_000;
    expect(limiter.take(subjects({ key, id: 'g' }), 0).taken).toBe(true);
    expect(limiter.subjects).toBe(2);
    expect(running.taken).toBe(true);
  });

  test('is not poisoned by a count that is no number', () => {
    const { limiter } = limiterAt();
    const who = subjects({ key: limits({ tokensPerMinute: 100 }) });
    for (const odd of [Number.NaN, -5, Infinity, 0.4]) {
      const taken = limiter.take(who, Number.NaN);
      if (taken.taken) taken.release(odd);
    }
    expect(limiter.take(who, 1)).toMatchObject({ taken: false, limit: 'tokens' });
  });

  test('decides without touching the state that it is given', () => {
    const frozen = Object.freeze({ requests: undefined, tokens: undefined, inFlight: 2, lastUsed: 0 });
    expect(decide(frozen, 'account', limits({ concurrency: 2 }), 0, 0)).toMatchObject({
      limit: 'concurrency',
    });
    expect(decide(frozen, 'account', limits({ concurrency: 3 }), 0, 0)).toBeUndefined();
  });
});

test('an IPv4-mapped address is the IPv4 address', () => {
  expect(addressSubject('::ffff:192.0.2.7')).toBe('192.0.2.7');
  expect(addressSubject('not an address')).toBe('not an address');
});

describe('against a model that remembers every request', () => {
  const step = fc.record({
    waitMs: fc.oneof(
      fc.integer({ min: 0, max: 900 }),
      fc.integer({ min: 0, max: 30_000 }),
      fc.integer({ min: 55_000, max: 70_000 }),
    ),
    tokens: fc.integer({ min: 0, max: 60 }),
  });

  test('no window of a minute holds more than the limit, and a refusal is never far from necessary', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 80 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 0, max: 100_000 }),
        (steps, requestsPerMinute, tokensPerMinute, start) => {
          const { limiter, time } = limiterAt(start + 0.25);
          const who = subjects({ key: limits({ requestsPerMinute, tokensPerMinute }) });
          const log: { at: number; tokens: number }[] = [];
          const within = (ms: number) => log.filter((entry) => entry.at > time.nowMs - ms);
          const tokensOf = (entries: typeof log) => entries.reduce((sum, entry) => sum + entry.tokens, 0);
          for (const { waitMs, tokens } of steps) {
            time.nowMs += waitMs;
            const wanted = Math.min(tokens, tokensPerMinute);
            const decision = limiter.take(who, tokens);
            if (decision.taken) {
              log.push({ at: time.nowMs, tokens: wanted });
              expect(within(60_000).length).toBeLessThanOrEqual(requestsPerMinute);
              expect(tokensOf(within(60_000))).toBeLessThanOrEqual(tokensPerMinute);
            } else {
              const wide = within(61_001);
              expect(wide.length + 1 > requestsPerMinute || tokensOf(wide) + wanted > tokensPerMinute).toBe(
                true,
              );
              expect(decision.retryAfterSeconds).toBeGreaterThanOrEqual(1);
              expect(decision.retryAfterSeconds).toBeLessThanOrEqual(61);
            }
          }
          // Whoever waits as long as it was told is let in.
          const last = limiter.take(who, 10);
          if (!last.taken) {
            time.nowMs += last.retryAfterSeconds * 1_000;
            expect(limiter.take(who, 10).taken).toBe(true);
          }
        },
      ),
    );
  });

  test('with releases in any order, places and tokens come out as if counted by hand', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            release: fc.boolean(),
            actual: fc.integer({ min: 0, max: 80 }),
            waitMs: fc.integer({ min: 0, max: 20_000 }),
          }),
          { maxLength: 60 },
        ),
        (steps) => {
          const { limiter, time } = limiterAt(0);
          const who = subjects({ account: limits({ concurrency: 3, tokensPerMinute: 1_000 }) });
          const open: ((tokens: number) => void)[] = [];
          for (const { release, actual, waitMs } of steps) {
            time.nowMs += waitMs;
            if (release) {
              open.shift()?.(actual);
              continue;
            }
            const decision = limiter.take(who, 40);
            if (decision.taken) open.push((actualTokens) => decision.release(actualTokens));
            else if (decision.limit === 'concurrency') expect(open.length).toBe(3);
            expect(open.length).toBeLessThanOrEqual(3);
          }
          for (const release of open) release(0);
          time.nowMs += 61_000;
          expect(limiter.take(who, 1_000).taken).toBe(true);
        },
      ),
    );
  });
});
