// The plugins of a config: each entry's options checked by its schema, each instance made once, names unique.

import type { PluginEntry, PluginKind, PluginOf } from '../plugin/define.ts';
import { schemaProblems, type ConfigReport } from './schema.ts';

export interface NamedPlugin<K extends PluginKind> {
  readonly name: string;
  readonly version: string;
  readonly summary: string;
  readonly plugin: PluginOf<K>;
}

export const listed = (names: readonly string[]): string => names.join(', ') || 'none';

export function createAll<K extends PluginKind>(
  kind: K,
  entries: readonly PluginEntry<K>[],
  path: string,
  report: ConfigReport,
): NamedPlugin<K>[] {
  unique(
    entries.map((entry) => entry.name),
    path,
    kind,
    report,
  );
  const created: NamedPlugin<K>[] = [];
  for (const [index, entry] of entries.entries()) {
    const at = `${path}[${index}]`;
    if (entry.kind !== kind) {
      report(at, `'${entry.name}' is a ${entry.kind} plugin; this list takes ${kind} plugins`);
      continue;
    }
    const wrong = schemaProblems({ ...entry.schema, additionalProperties: false }, entry.options, `${at}.options`);
    for (const problem of wrong) report(problem.path, problem.message);
    if (wrong.length > 0) continue;
    try {
      created.push({
        name: entry.name,
        version: entry.version,
        summary: entry.summary,
        plugin: entry.create(entry.options),
      });
    } catch (error) {
      report(at, `'${entry.name}' could not be created: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return created;
}

export function unique(names: readonly string[], path: string, noun: string, report: ConfigReport): void {
  const seen = new Set<string>();
  for (const [index, name] of names.entries()) {
    if (seen.has(name)) report(`${path}[${index}].name`, `there is another ${noun} called '${name}'; names are unique`);
    seen.add(name);
  }
}

export function named<K extends PluginKind>(
  plugins: readonly NamedPlugin<K>[],
  name: string | undefined,
  path: string,
  noun: string,
  report: ConfigReport,
): NamedPlugin<K> | undefined {
  const found = name === undefined ? plugins[0] : plugins.find((plugin) => plugin.name === name);
  if (found === undefined)
    report(
      path,
      `no ${noun} is called '${name ?? ''}'; this config has: ${listed(plugins.map((plugin) => plugin.name))}`,
    );
  return found;
}
