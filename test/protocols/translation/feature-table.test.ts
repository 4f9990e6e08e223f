// The page about protocols says what the codecs do: its tables are made anew and compared, every loss that the code can
// name is explained, and what is left out without a word is known by name.

import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import type { JsonObject } from '../../../src/plugin/conversation.ts';
import type { Feature } from './feature.ts';
import { fateOf, featureTables, page, sides, tablesIn, withTables } from './feature-table.ts';
import { features } from './features.ts';

const text = await Bun.file(page).text();
const mend = 'bun test/protocols/translation/feature-table.ts --write';

const pairs = features.flatMap((feature) =>
  sides.flatMap((client) => sides.map((upstream) => ({ feature, client, upstream }))),
);

/** Losses as the page lists them: what the client called a field or a tool stands in for any. */
const general = (loss: string): string => loss.replace(/^(field|tool):.*$/s, '$1:NAME');
const explained = [...text.matchAll(/^\| `([^`]+)`\s+\|(?= (?:request|reply|both))/gm)].map(([, name = '']) => name);

/** Every name that stands in the source of the codecs. */
async function namesInSource(): Promise<readonly string[]> {
  const root = join(import.meta.dir, '../../../src/protocols');
  const names = new Set<string>();
  for await (const path of new Bun.Glob('**/*.ts').scan(root)) {
    const source = await Bun.file(join(root, path)).text();
    for (const [, name = ''] of source.matchAll(/(?:\blost|losses\.add)\(\s*['`]([a-z-]+(?::(?=\$))?)/g))
      names.add(name.endsWith(':') ? `${name}NAME` : name);
  }
  return [...names].toSorted();
}

describe('docs/protocols.md', () => {
  test('has the tables that the codecs make', () => {
    if (tablesIn(text) !== featureTables()) throw new Error(`docs/protocols.md is not as the code is; run: ${mend}`);
    expect(withTables(text, featureTables())).toBe(text);
  });

  test('explains every loss that the code names, and no other', async () => {
    expect(explained.toSorted()).toEqual([...(await namesInSource())]);
    expect(explained.length).toBeGreaterThan(30);
  });

  test('explains every loss of the tables', () => {
    const lost = pairs.flatMap(({ feature, client, upstream }) => {
      const fate = fateOf(feature, client, upstream);
      return fate?.kind === 'lost' ? fate.losses.map(general) : [];
    });
    expect([...new Set(lost)].filter((loss) => !explained.includes(loss))).toEqual([]);
    expect(new Set(lost).size).toBeGreaterThan(20);
  });
});

describe('features', () => {
  test('are never left out without a word', () => {
    const silent = pairs
      .filter(({ feature, client, upstream }) => fateOf(feature, client, upstream)?.kind === 'silent')
      .map(({ feature, client, upstream }) => `${feature.name}: ${client} to ${upstream}`);
    expect(silent).toEqual([]);
  });

  test('have names of their own, and what each shows is not in a body without it', () => {
    expect(new Set(features.map(({ name }) => name)).size).toBe(features.length);
    const bare: JsonObject = {};
    const found = features.flatMap(({ name, shows }) => {
      const asks = { chat: bare, responses: bare, anthropic: bare, gemini: bare };
      return sides.flatMap((client) =>
        sides
          .filter((upstream) => fateOf({ name, asks, shows }, client, upstream)?.kind === 'carried')
          .map((upstream) => `${name}: ${client} to ${upstream}`),
      );
    });
    // Gemini's usual service is asked for by saying nothing.
    expect(found.filter((each) => !each.endsWith('to gemini') || !each.startsWith("the vendor's usual"))).toEqual([]);
  });
});

describe('the probe', () => {
  const seed = (shows: Feature['shows'], chat: JsonObject = { seed: 7 }): Feature => ({
    name: 'a seed',
    asks: { chat },
    shows,
  });

  test('says what it finds', () => {
    expect(fateOf(seed(/"seed":7/), 'chat', 'gemini')).toEqual({ kind: 'carried' });
    expect(fateOf(seed(/"seed":8/), 'chat', 'gemini')).toEqual({ kind: 'silent' });
    expect(fateOf(seed({ anthropic: /"seed":7/ }), 'chat', 'gemini')).toEqual({ kind: 'silent' });
    expect(fateOf(seed(/"seed":7/), 'chat', 'anthropic')).toEqual({ kind: 'lost', losses: ['seed'] });
    expect(fateOf(seed(/"seed":7/), 'chat', 'chat')).toEqual({ kind: 'as-it-came' });
    expect(fateOf(seed(/"seed":7/), 'gemini', 'chat')).toBeUndefined();
    expect(fateOf(seed(/2/, { n: 2 }), 'chat', 'anthropic')).toEqual({ kind: 'refused', field: 'n' });
    expect(fateOf(seed(/2/, { n: 'two' }), 'chat', 'chat')).toEqual({ kind: 'refused', field: 'n' });
  });

  test('finds a page that is out of date, and one without its marks', () => {
    const stale = text.replace('| as it came', '| yes');
    expect(tablesIn(stale)).not.toBe(featureTables());
    expect(withTables(stale, featureTables())).toBe(text);
    expect(() => tablesIn('# Protocols\n')).toThrow('lost the marks');
  });
});
