// The page of providers says what is true: each that a config can name has its row, with what it speaks and where.

import { expect, test } from 'bun:test';
import { join } from 'node:path';
import type { PluginEntry, ProtocolName } from '../../src/plugin/index.ts';
import * as plugins from '../../plugins/index.ts';

const page = await Bun.file(join(import.meta.dir, '../../docs/providers.md')).text();
const rows = page.split('\n').filter((line) => /^\| `\w+\(\)`/.test(line));
const cells = (row: string) => row.split('|').map((cell) => cell.trim());

const words: Readonly<Record<ProtocolName, string>> = {
  'openai-chat': 'chat',
  'openai-responses': 'responses',
  'openai-completions': 'completions',
  'openai-embeddings': 'embeddings',
  'anthropic-messages': 'messages',
  'gemini-generate': 'Gemini',
};

function providers(): readonly (readonly [string, PluginEntry<'provider'>])[] {
  return Object.entries(plugins).flatMap(([name, make]) => {
    if (typeof make !== 'function') return [];
    const entry = (make as () => PluginEntry<'provider'>)();
    return entry.kind === 'provider' ? [[name, entry] as const] : [];
  });
}

test.each([...providers()])('%s has its row', (name, entry) => {
  const { speaks, defaultBaseUrl } = entry.create(entry.options);
  const [, , own, spoken, address] = rows.map(cells).find(([, factory]) => factory === `\`${name}()\``) ?? [];
  expect(own).toBe(`\`${entry.name}\``);
  const said = Object.values(speaks).flatMap((list) => list.map((protocol) => words[protocol]));
  expect(spoken).toBe(said.join(', '));
  if (defaultBaseUrl === undefined) expect(address).not.toContain('`');
  else expect(address).toBe(`\`${defaultBaseUrl}\``);
});

test('nothing else has one', () => expect(rows).toHaveLength(providers().length));
