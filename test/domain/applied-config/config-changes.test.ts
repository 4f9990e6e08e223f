import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { configChanges, describeChange, type ConfigChange } from '../../../src/domain/applied-config/config-changes.ts';
import {
  factsOfText,
  factsSha256,
  factsText,
  type ConfigFacts,
} from '../../../src/domain/applied-config/config-facts.ts';

const word = fc.constantFrom('a', 'b', 'constructor', '__proto', 'sim/echo', 'toString');
const facts: fc.Arbitrary<ConfigFacts> = fc.dictionary(
  fc.tuple(fc.constantFrom('model', 'upstream', 'terms document'), word).map(([noun, name]) => `${noun}/${name}`),
  fc.dictionary(word, fc.string({ maxLength: 3 })),
);

/** What the changes say, done to the facts before. An addition says only that there is one. */
function applied(before: ConfigFacts, changes: readonly ConfigChange[], after: ConfigFacts): ConfigFacts {
  const result = new Map(Object.entries(before).map(([key, fields]) => [key, new Map(Object.entries(fields))]));
  for (const change of changes) {
    const key = `${change.noun}/${change.name}`;
    if (change.change !== 'changed') {
      if (change.change === 'removed') result.delete(key);
      else result.set(key, new Map(Object.entries(after[key] ?? {})));
    } else if (change.to === undefined) result.get(key)?.delete(change.field);
    else result.get(key)?.set(change.field, change.to);
  }
  return Object.fromEntries([...result].map(([key, fields]) => [key, Object.fromEntries(fields)]));
}

describe('the changes between two configs', () => {
  test('lead from the one to the other, and are none exactly where both are equal', () => {
    fc.assert(
      fc.property(facts, facts, (before, after) => {
        const changes = configChanges(before, after);
        expect(factsText(applied(before, changes, after))).toBe(factsText(after));
        expect(changes.length === 0).toBe(factsSha256(before) === factsSha256(after));
      }),
    );
  });

  test('are the same backwards, the other way round', () => {
    const turned = (change: ConfigChange) =>
      change.change === 'changed'
        ? { ...change, from: change.to, to: change.from }
        : { ...change, change: change.change === 'added' ? 'removed' : 'added' };
    fc.assert(
      fc.property(facts, facts, (before, after) => {
        expect<unknown>(configChanges(after, before)).toEqual(configChanges(before, after).map(turned));
      }),
    );
  });

  test('facts are kept as text without loss, whatever the order in which they were said', () => {
    fc.assert(
      fc.property(facts, (some) => {
        const turned = Object.fromEntries(Object.entries(some).toReversed());
        expect(factsText(turned)).toBe(factsText(some));
        expect(configChanges(some, factsOfText(factsText(some)))).toEqual([]);
      }),
    );
  });

  test('read as one line each', () => {
    const lines = configChanges(
      { 'model/sim/echo': { rule: 'a', groups: 'x' }, 'group/old': {}, 'settings/all': { currency: 'USD' } },
      { 'model/sim/echo': { rule: 'b' }, 'group/new': {}, 'settings/all': { currency: 'EUR' } },
    ).map(describeChange);
    expect(lines).toEqual([
      'group new: added',
      'group old: removed',
      'model sim/echo: groups: x -> (none)',
      'model sim/echo: rule: a -> b',
      'settings: currency: USD -> EUR',
    ]);
  });
});
