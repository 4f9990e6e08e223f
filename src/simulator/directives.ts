// `[[sim: delay=50 chunks=100]]` in a model name or in the last text of a request shapes the answer. What is
// unknown or out of bounds is refused: a test that misspells a directive must not pass.

import { Refusal } from './refusal.ts';

/** Largest value by name. Times are milliseconds. */
const largest = {
  /** Wait before the status line. */
  delay: 3_600_000,
  /** Wait between the head and the first event, or the body. */
  first: 3_600_000,
  /** Wait after each event. */
  gap: 3_600_000,
  /** Answer with this many pieces instead of the echo. */
  chunks: 1_000_000,
  /** Bytes of each of those pieces. */
  size: 1_048_576,
  /** Of the input, report this many tokens as cached. */
  cached: 1_000_000_000,
  /** Report this many reasoning tokens, on top of the pieces. */
  reasoning: 1_000_000_000,
  /** Where replays are cut. */
  seed: 2 ** 32 - 1,
} as const;

export type DirectiveName = keyof typeof largest;
export type Directives = Readonly<Partial<Record<DirectiveName, number>>>;

const pattern = /\[\[sim:([^\]]*)\]\]/g;

function isDirectiveName(name: string): name is DirectiveName {
  return Object.hasOwn(largest, name);
}

/** Takes the directives out of a text. Throws Refusal for one that is unknown or too large. */
export function readDirectives(text: string): { readonly text: string; readonly directives: Directives } {
  if (!text.includes('[[sim:')) return { text, directives: {} };
  const directives: Partial<Record<DirectiveName, number>> = {};
  const rest = text.replace(pattern, (_whole, inner: string) => {
    for (const word of inner.split(/[\s,]+/)) {
      if (word === '') continue;
      const [name = '', value = ''] = word.split('=');
      if (!isDirectiveName(name)) {
        throw new Refusal(`unknown directive "${name.slice(0, 40)}"; known are ${Object.keys(largest).join(', ')}`);
      }
      if (!/^\d{1,10}$/.test(value) || Number(value) > largest[name]) {
        throw new Refusal(`directive ${name} must be an integer from 0 to ${largest[name]}`);
      }
      directives[name] = Number(value);
    }
    return '';
  });
  return { text: rest.trim(), directives };
}
