// Makes the tables of `docs/protocols.md`: what becomes of each feature between any two chat protocols. Nothing here
// knows the answer; the codecs are asked. `bun test/protocols/translation/feature-table.ts --write` renews the page.

import { join } from 'node:path';
import { TollgateError } from '../../../src/core/errors.ts';
import type { JsonObject } from '../../../src/plugin/conversation.ts';
import { plainLine } from '../../../src/plugin/protocol.ts';
import { protocolOf } from '../../../src/protocols/protocols.ts';
import { dialectOf } from '../../../src/protocols/translation/dialects.ts';
import { translateRequest } from '../../../src/protocols/translation/translate.ts';
import { plain } from './feature.ts';
import type { Feature, Side } from './feature.ts';
import { features } from './features.ts';

export const sides = ['chat', 'responses', 'anthropic', 'gemini'] as const;
const names = {
  chat: 'openai-chat',
  responses: 'openai-responses',
  anthropic: 'anthropic-messages',
  gemini: 'gemini-generate',
} as const;

export type Fate =
  | { readonly kind: 'as-it-came' | 'carried' | 'silent' }
  | { readonly kind: 'lost'; readonly losses: readonly string[] }
  | { readonly kind: 'refused'; readonly field: string };

/** What becomes of a feature. `silent`: no loss is named, and yet the upstream is not told. */
export function fateOf({ asks, shows }: Feature, client: Side, upstream: Side): Fate | undefined {
  const fields = asks[client];
  if (fields === undefined) return undefined;
  try {
    return ask({ ...plain[client], ...fields }, client, upstream, shows instanceof RegExp ? shows : shows[upstream]);
  } catch (error) {
    if (error instanceof TollgateError && error.code === 'invalid_request')
      return { kind: 'refused', field: error.details.field ?? '' };
    throw error;
  }
}

function ask(body: JsonObject, client: Side, upstream: Side, shows: RegExp | undefined): Fate {
  const line = client === 'gemini' ? { ...plainLine, model: 'm' } : plainLine;
  const { codec, readRequest } = protocolOf(names[client]);
  // What is served to nobody is refused here, whichever protocol the upstream speaks.
  readRequest(Buffer.from(JSON.stringify(body)), line);
  if (client === upstream) return { kind: 'as-it-came' };
  const writer = protocolOf(names[upstream]).codec;
  if (codec === undefined || writer === undefined) throw new Error('a chat protocol has no codec');
  const target = { model: 'm', stream: false, outputTokensMax: 8192, askUsage: false };
  const dialect = dialectOf(names[upstream], {});
  const conversation = codec.parseRequest(body, line);
  const { body: text, losses } = translateRequest(writer, names[upstream], conversation, { ...target, dialect });
  if (losses.length > 0) return { kind: 'lost', losses };
  return { kind: shows?.test(text) === true ? 'carried' : 'silent' };
}

function cell(fate: Fate): string {
  switch (fate.kind) {
    case 'as-it-came':
      return 'as it came';
    case 'carried':
      return 'yes';
    case 'silent':
      return 'no, and not named';
    case 'lost':
      return fate.losses.map((loss) => `\`${loss}\``).join(', ');
    case 'refused':
      return `refused: \`${fate.field}\``;
  }
}

/** Columns are padded as the formatter of the project's files would. */
function table(rows: readonly (readonly string[])[]): string {
  const [head = [], ...others] = rows;
  const widths = head.map((_, column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) => `| ${row.map((text, at) => text.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...others.map(line)].join('\n');
}

function tableOf(client: Side): string {
  const rows = features.flatMap((feature): readonly (readonly string[])[] => {
    const fates = sides.flatMap((upstream) => fateOf(feature, client, upstream) ?? []);
    return fates.length === 0 ? [] : [[feature.name, ...fates.map(cell)]];
  });
  const head = [`a client of \`${names[client]}\` asks for`, ...sides.map((side) => `\`${names[side]}\``)];
  return `### Clients of \`${names[client]}\`\n\n${table([head, ...rows])}`;
}

export const featureTables = (): string => sides.map(tableOf).join('\n\n');

export const page = join(import.meta.dir, '../../../docs/protocols.md');
const begin = '<!-- Made by test/protocols/translation/feature-table.ts: do not edit. -->';
const end = '<!-- End of what is made. -->';

const between = (text: string): readonly [start: number, stop: number] => {
  const start = text.indexOf(begin);
  const stop = text.indexOf(end);
  if (start < 0 || stop < start) throw new Error('docs/protocols.md has lost the marks between which the tables stand');
  return [start + begin.length, stop];
};

export const tablesIn = (text: string): string => text.slice(...between(text)).trim();

export function withTables(text: string, tables: string): string {
  const [start, stop] = between(text);
  return `${text.slice(0, start)}\n\n${tables}\n\n${text.slice(stop)}`;
}

if (import.meta.main) {
  const tables = featureTables();
  if (process.argv.includes('--write')) await Bun.write(page, withTables(await Bun.file(page).text(), tables));
  else process.stdout.write(`${tables}\n`);
}
