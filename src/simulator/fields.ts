// Reads what a request may say, checked: bodies are of unknown shape until they passed here.

import { Refusal } from './refusal.ts';

export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A JSON object. Throws Refusal for anything else. */
export function parseFields(body: Uint8Array): Fields {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new Refusal('the body is not JSON in UTF-8');
  }
  if (!isFields(parsed)) throw new Refusal('the body must be a JSON object');
  return parsed;
}

/** An integer within bounds, or undefined if the field is absent or null. */
export function optionalInteger(fields: Fields, name: string, least: number, most: number): number | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Refusal(`'${name}' must be an integer from ${least} to ${most}`, { param: name });
}

/** The text of a message's content: a string, or the text parts of a list. */
export function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  return listOf(content)
    .map((part) => (isFields(part) && typeof part.text === 'string' ? part.text : ''))
    .join('');
}

/** A token for every four bytes begun: the simulator's whole tokenizer, so that a test can count along. */
export function tokensOf(bytes: number): number {
  return Math.ceil(bytes / 4);
}
