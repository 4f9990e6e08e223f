// Settings that OpenAI's chat and responses have in the same words, though not always in the same place.

import type { Carriage, Dialect } from '../plugin/codec.ts';
import type { Conversation, JsonObject, OutputForm, Tool, Turn } from '../plugin/conversation.ts';
import { booleanOf, isEmpty, isObject, stringOf } from './json-fields.ts';

/** Undefined for a word that is none of the three. */
export const verbosityOfWord = (word: string | undefined): Conversation['verbosity'] =>
  word === 'low' || word === 'medium' || word === 'high' ? word : undefined;

export const metadataOf = ({ metadata }: JsonObject): JsonObject | undefined =>
  isObject(metadata) && !isEmpty(metadata) ? metadata : undefined;

/** The form of an answer by `schema`, which stands in these fields with its name. */
export const schemaForm = (fields: JsonObject, schema: JsonObject): OutputForm => ({
  kind: 'schema',
  name: stringOf(fields['name']),
  description: stringOf(fields['description']),
  schema,
  strict: booleanOf(fields['strict']),
});

/** Where JSON of any form is asked for, OpenAI demands the word among what is said; other protocols do not. */
export function withJsonWord({ turns, outputForm }: Conversation): readonly Turn[] {
  const says = ({ parts }: Turn) => parts.some((part) => part.kind === 'text' && /json/i.test(part.text));
  if (outputForm?.kind !== 'json' || turns.some(says)) return turns;
  const authority = turns.find((turn) => turn.role === 'system')?.authority ?? 'system';
  return [{ role: 'system', authority, parts: [{ kind: 'text', text: 'Answer in JSON.' }] }, ...turns];
}

/** OpenAI's limit for what names a user. */
const userMax = 64;

/** Who asks. Longer names would be refused, and half of one is another's. */
export function userName({ user }: Conversation, carriage: Carriage): string | undefined {
  if (user === undefined || user.length <= userMax) return user;
  carriage.lost('user');
  return undefined;
}

/** A tool is named together with what it is: these are no functions. */
export const customNames = (tools: readonly Tool[]): ReadonlySet<string> =>
  new Set(tools.flatMap((tool) => (tool.kind === 'custom' ? tool.name : [])));

/** Without tools it says nothing, and is refused. */
export function parallelCalls(
  { parallelToolCalls }: Conversation,
  tools: readonly unknown[],
  dialect: Dialect,
  carriage: Carriage,
): boolean | undefined {
  if (parallelToolCalls === undefined || tools.length === 0) return undefined;
  if (dialect.parallelToolCalls) return parallelToolCalls;
  carriage.lost('parallel-tool-calls');
  return undefined;
}
