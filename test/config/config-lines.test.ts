import { describe, expect, test } from 'bun:test';
import { linesOfTable } from '../../src/config/config-lines.ts';
import { configLinesTable, parseConfigLines } from '../../src/config/parse-config-lines.ts';

const entry = {
  path: 'gateway.config.ts',
  text: `import { defineGateway } from 'tollgate/plugin';
import { more, named as other } from './lib/models.ts';
import groups from './lib/groups.ts';
const NAME = 'by/constant';
const base = { currency: 'USD', upstreams: [
  { name: 'first', provider: 'p' },
] } satisfies object;
export default defineGateway({
  ...base,
  models: [
    { name: 'own/one',
      price: { currency: 'USD',
        rates: { input: 1n } } },
    ...more,
    { name: NAME },
    other,
    ...[1, 2].map((n) => ({ name: \`made/\${n}\` })),
    { 'name': "after" },
  ],
  groups,
  presets: { mine: { summary: '' } },
} as never);
`,
};
const models = {
  path: 'lib/models.ts',
  text: `export const more = [
  { name: 'far/one' }, { name: \`far/two\` },
] as const;
export const named = { name: 'other' };
`,
};
const groups = { path: 'lib/groups.ts', text: "\nexport default [{ name: 'friends' }];\n" };
const config = {
  models: ['own/one', 'far/one', 'far/two', 'by/constant', 'other', 'made/1', 'made/2', 'after'].map((name) => ({
    name,
  })),
};
const lines = parseConfigLines([entry, models, groups], config);

describe('places in a config', () => {
  test.each([
    ['model', 'own/one', 'gateway.config.ts:11'],
    ['price', 'own/one', 'gateway.config.ts:12'],
    ['model', 'far/one', 'lib/models.ts:2'],
    ['model', 'by/constant', 'gateway.config.ts:15'],
    ['model', 'other', 'lib/models.ts:4'],
    ['model', 'made/2', 'gateway.config.ts:17'],
    ['model', 'after', 'gateway.config.ts:18'],
    ['upstream', 'first', 'gateway.config.ts:6'],
    ['group', 'friends', 'lib/groups.ts:2'],
    ['preset', 'mine', 'gateway.config.ts:21'],
  ] as const)('%s %s', (noun, name, place) => {
    expect(lines.placeOf(noun, name)).toBe(place);
  });

  test.each([
    ['models[0].price.rates.output', 'gateway.config.ts:13'],
    ['models[0].nothing', 'gateway.config.ts:11'],
    ['models[2].name', 'lib/models.ts:2'],
    ['models[6].price', 'gateway.config.ts:17'],
    ['models[7]', 'gateway.config.ts:18'],
    ['upstreams[0].provider', 'gateway.config.ts:6'],
    ['presets.mine.terms', 'gateway.config.ts:21'],
    ['currency', 'gateway.config.ts:5'],
    ['nothing', 'gateway.config.ts:8'],
  ])('a problem of %s', (path, place) => {
    expect(lines.placeOfPath(path)).toBe(place);
  });

  test('are the same as data, for a config that is compiled in', () => {
    const table = linesOfTable(JSON.parse(JSON.stringify(configLinesTable([entry, models, groups]))));
    const asked = [
      ['model', 'own/one'],
      ['price', 'own/one'],
      ['model', 'made/2'],
      ['model', 'toString'],
      ['upstream', 'first'],
      ['group', 'friends'],
      ['preset', 'mine'],
    ] as const;
    for (const [noun, name] of asked) expect(table.placeOf(noun, name)).toBe(lines.placeOf(noun, name));
    expect(configLinesTable([])).toEqual({
      upstream: { named: {} },
      model: { named: {} },
      price: { named: {} },
      group: { named: {} },
      preset: { named: {} },
    });
  });

  test('of what nobody can follow are none, and nothing throws', () => {
    for (const text of ['', 'export default make();', 'const a = a; export default a;', '}{', 'export default [1];']) {
      const found = parseConfigLines([{ path: 'x.ts', text }], {});
      expect(found.placeOf('model', 'any')).toBeUndefined();
      expect(() => found.placeOfPath('models[0].price')).not.toThrow();
    }
    expect(parseConfigLines([], undefined).placeOfPath('models[0]')).toBeUndefined();
  });
});
