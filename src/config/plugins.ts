// The plugins of a config: each entry's options checked by its schema, each instance made once, names unique. A drop-in
// that was refused leaves a hole in its list, and nothing takes its place: what would have used it is left out.

import type { TObject } from '@sinclair/typebox';
import type { PluginEntry, PluginKind, PluginOf } from '../plugin/define.ts';
import { isDropIn } from '../plugin/drop-in.ts';
import type { ListedPlugin } from '../plugin/gateway.ts';
import { contained } from './contain.ts';
import { schemaProblems, type ConfigReport } from './schema.ts';

/** Where a plugin's code comes from: `config` is whatever the config imports or defines itself. */
export type PluginSource =
  | { readonly kind: 'built-in' }
  | { readonly kind: 'config' }
  | { readonly kind: 'drop-in'; readonly file: string; readonly sha256: string };

export interface NamedPlugin<K extends PluginKind> {
  readonly name: string;
  readonly version: string;
  readonly summary: string;
  readonly source: PluginSource;
  /** Of its options. */
  readonly schema: TObject;
  readonly plugin: PluginOf<K>;
}

/** The plugins of one list of the config. */
export interface PluginList<K extends PluginKind> {
  readonly present: readonly NamedPlugin<K>[];
  /** What stands first in the config's list; undefined if that was refused. */
  readonly first: NamedPlugin<K> | undefined;
  /** Whether a drop-in of this list was refused. */
  readonly incomplete: boolean;
}

/** What is known of the plugins of a config besides their entries. */
export interface PluginOrigins {
  /** Of a drop-in that was loaded, by its place: `providers[2]`. */
  readonly dropInAt: (path: string) => { readonly file: string; readonly sha256: string } | undefined;
  /** Whether a schema is that of a plugin which Tollgate brings along. */
  readonly isBuiltIn: (schema: TObject) => boolean;
}

export const listed = (names: readonly string[]): string => names.join(', ') || 'none';

/** `refuse` takes what is wrong with a drop-in: that alone is left out. */
export function createAll<K extends PluginKind>(
  kind: K,
  entries: readonly ListedPlugin<K>[],
  path: string,
  origins: PluginOrigins,
  report: ConfigReport,
  refuse: ConfigReport,
): PluginList<K> {
  unique(
    entries.map((entry) => (isDropIn(entry) ? undefined : entry.name)),
    path,
    kind,
    report,
  );
  const created = entries.map((entry, index): NamedPlugin<K> | undefined => {
    if (isDropIn(entry)) return undefined;
    const at = `${path}[${index}]`;
    const dropIn = origins.dropInAt(at);
    const complain = dropIn === undefined ? report : refuse;
    if (entry.kind !== kind) {
      complain(at, `'${entry.name}' is a ${entry.kind} plugin; this list takes ${kind} plugins`);
      return undefined;
    }
    const source: PluginSource =
      dropIn !== undefined
        ? { kind: 'drop-in', ...dropIn }
        : { kind: origins.isBuiltIn(entry.schema) ? 'built-in' : 'config' };
    return create(entry, source, at, complain);
  });
  const refused = entries.map((entry, index) => {
    const missing = created[index] === undefined;
    return missing && (isDropIn(entry) || origins.dropInAt(`${path}[${index}]`) !== undefined);
  });
  return {
    present: created.filter((plugin) => plugin !== undefined),
    first: refused[0] === true ? undefined : created.find((plugin) => plugin !== undefined),
    incomplete: refused.includes(true),
  };
}

function create<K extends PluginKind>(
  entry: PluginEntry<K>,
  source: PluginSource,
  at: string,
  report: ConfigReport,
): NamedPlugin<K> | undefined {
  const { name, version, summary, schema } = entry;
  const wrong = schemaProblems({ ...schema, additionalProperties: false }, entry.options, `${at}.options`);
  for (const problem of wrong) report(problem.path, problem.message);
  if (wrong.length > 0) return undefined;
  try {
    const plugin = entry.create(entry.options);
    // What Tollgate brings along keeps its contract by its tests: nothing is checked twice on the way of a request.
    return {
      name,
      version,
      summary,
      source,
      schema,
      plugin: source.kind === 'built-in' ? plugin : contained(entry.kind, plugin),
    };
  } catch (error) {
    report(at, `'${name}' could not be created: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

/** A name that is undefined stands for nothing. */
export function unique(
  names: readonly (string | undefined)[],
  path: string,
  noun: string,
  report: ConfigReport,
): void {
  const seen = new Set<string>();
  for (const [index, name] of names.entries()) {
    if (name === undefined) continue;
    if (seen.has(name)) report(`${path}[${index}].name`, `there is another ${noun} called '${name}'; names are unique`);
    seen.add(name);
  }
}

/**
 * The plugin of that name, or the first of its list. Where it may be the one that was refused, `remark` says that what
 * names it is left out; never does another take its place.
 */
export function named<K extends PluginKind>(
  list: PluginList<K>,
  name: string | undefined,
  path: string,
  noun: string,
  report: ConfigReport,
  remark: ConfigReport,
): NamedPlugin<K> | undefined {
  const found = name === undefined ? list.first : list.present.find((plugin) => plugin.name === name);
  if (found !== undefined) return found;
  if (list.incomplete) remark(path, `left out: its ${noun} ${name === undefined ? '' : `'${name}' `}is not loaded`);
  else {
    const names = listed(list.present.map((plugin) => plugin.name));
    report(path, `no ${noun} is called '${name ?? ''}'; this config has: ${names}`);
  }
  return undefined;
}
