// The arguments of `serve` as they are to stand in a unit: their paths hold wherever it is started.

import { resolve } from 'node:path';

/** Their values are files and folders. */
const pathFlags: ReadonlySet<string> = new Set(['--data', '--config', '--log', '--tls-cert', '--tls-key', '--acme-ca']);

export function absoluteWords(words: readonly string[]): readonly string[] {
  let isPath = false;
  return words.map((word) => {
    if (isPath) {
      isPath = false;
      return resolve(word);
    }
    const equals = word.indexOf('=');
    if (equals > 0 && pathFlags.has(word.slice(0, equals)))
      return `${word.slice(0, equals)}=${resolve(word.slice(equals + 1))}`;
    isPath = pathFlags.has(word);
    return word;
  });
}

/** Takes flags of our own out of the words: those that stand alone, and those with a value behind them. */
export function takenFrom(
  words: readonly string[],
  alone: readonly string[],
  valued: readonly string[],
): { readonly taken: ReadonlyMap<string, string>; readonly rest: readonly string[] } {
  const taken = new Map<string, string>();
  const rest: string[] = [];
  let waiting: string | undefined;
  for (const word of words) {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    if (waiting !== undefined) {
      taken.set(waiting, word);
      waiting = undefined;
    } else if (alone.includes(word)) taken.set(word, '');
    else if (!valued.includes(name)) rest.push(word);
    else if (equals < 0) waiting = name;
    else taken.set(name, word.slice(equals + 1));
  }
  if (waiting !== undefined) taken.set(waiting, '');
  return { taken, rest };
}
