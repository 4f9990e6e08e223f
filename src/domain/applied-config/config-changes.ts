// What one config says other than another: by noun and name, added, removed, or field by field. Pure.

import type { ConfigFacts } from './config-facts.ts';

export type ConfigChange =
  | { readonly noun: string; readonly name: string; readonly change: 'added' | 'removed' }
  | {
      readonly noun: string;
      readonly name: string;
      readonly change: 'changed';
      readonly field: string;
      /** Undefined: the field was not there. */
      readonly from: string | undefined;
      /** Undefined: the field is there no more. */
      readonly to: string | undefined;
    };

/** In the order of nouns and names, so that the same two configs always give the same list. */
export function configChanges(before: ConfigFacts, after: ConfigFacts): readonly ConfigChange[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].toSorted();
  return keys.flatMap((key): readonly ConfigChange[] => {
    const slash = key.indexOf('/');
    const named = { noun: key.slice(0, slash), name: key.slice(slash + 1) };
    const from = own(before, key);
    const to = own(after, key);
    if (from === undefined) return [{ ...named, change: 'added' }];
    if (to === undefined) return [{ ...named, change: 'removed' }];
    const fields = [...new Set([...Object.keys(from), ...Object.keys(to)])].toSorted();
    return fields
      .filter((field) => own(from, field) !== own(to, field))
      .map((field) => ({ ...named, change: 'changed', field, from: own(from, field), to: own(to, field) }));
  });
}

/** A model may be called `constructor`. */
const own = <T>(record: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined;

/** One line for people: `model sim/echo: price input 100000 … -> 200000 …`. */
export function describeChange(change: ConfigChange): string {
  const what = change.noun === 'settings' ? 'settings' : `${change.noun} ${change.name}`;
  if (change.change !== 'changed') return `${what}: ${change.change}`;
  return `${what}: ${change.field}: ${change.from ?? '(none)'} -> ${change.to ?? '(none)'}`;
}
