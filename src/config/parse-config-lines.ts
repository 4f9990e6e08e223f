// Finds the places of what a config declares by parsing its files: an object of a list by its name and its fields, and
// for what is computed the line of the spread or of the list. Nothing is run, and what cannot be followed has no place.

import { parse } from '@babel/parser';
import type { DeclaredNoun } from '../core/declared-at.ts';
import { noLines, type ConfigLines, type ConfigLinesTable, type ConfigSource } from './config-lines.ts';
import { follow, memberNames, memberNode, readModule, textOf, type Place, type SourceModule } from './config-syntax.ts';

const LISTS: Readonly<Record<Exclude<DeclaredNoun, 'preset'>, string>> = {
  upstream: 'upstreams',
  model: 'models',
  price: 'models',
  group: 'groups',
};

interface Item {
  readonly place: Place;
  /** Undefined: made by code, or named by code. */
  readonly name: string | undefined;
  /** Its position in the list; undefined behind what is computed. */
  readonly index: number | undefined;
}

/**
 * `sources`: the config's own files, the entry first. `config`: what they made, which tells the name of an entry from
 * its position. Never throws: a file that cannot be parsed has no places.
 */
export const parseConfigLines = (sources: readonly ConfigSource[], config: unknown): ConfigLines =>
  parsed(sources, config);

/** The same as data, for a config that is compiled in. */
export function configLinesTable(sources: readonly ConfigSource[]): ConfigLinesTable {
  const lines = parsed(sources, undefined);
  const entries = nouns.map((noun) => {
    const named = lines.names(noun).flatMap((name) => {
      const place = lines.placeOf(noun, name);
      return place === undefined ? [] : [[name, place] as const];
    });
    return [noun, { named: Object.fromEntries(named), other: lines.placeOf(noun, '') }] as const;
  });
  return Object.fromEntries(entries);
}

const nouns: readonly DeclaredNoun[] = ['upstream', 'model', 'price', 'group', 'preset'];

interface ParsedLines extends ConfigLines {
  names(noun: DeclaredNoun): readonly string[];
}

function parsed(sources: readonly ConfigSource[], config: unknown): ParsedLines {
  const modules = new Map(sources.map((source) => [source.path, moduleOf(source)]));
  const entry = sources[0] === undefined ? undefined : modules.get(sources[0].path);
  const root = entry === undefined ? undefined : follow(entry.exported('default'), modules);
  if (root === undefined) return { ...noLines, names: () => [] };
  const items = new Map<string, readonly Item[]>();
  const itemsOf = (list: string): readonly Item[] => {
    const known = items.get(list) ?? itemsIn(memberNode(root, list, modules), modules);
    items.set(list, known);
    return known;
  };
  /** The entry itself, else what it may have come from, else the list. */
  const itemPlace = (list: string, name: string | undefined, index: number | undefined): Place | undefined => {
    const all = itemsOf(list);
    const found =
      (name === undefined ? undefined : all.find((item) => item.name === name)) ??
      all.find((item) => item.index !== undefined && item.index === index) ??
      all.find((item) => item.name === undefined && item.index === undefined);
    return found?.place ?? memberNode(root, list, modules);
  };
  return {
    names(noun) {
      if (noun !== 'preset') return itemsOf(LISTS[noun]).flatMap(({ name }) => name ?? []);
      const presets = memberNode(root, 'presets', modules);
      return presets === undefined ? [] : memberNames(presets);
    },
    placeOf(noun, name) {
      if (noun === 'preset') {
        const presets = memberNode(root, 'presets', modules);
        return shown(presets === undefined ? undefined : (memberNode(presets, name, modules) ?? presets));
      }
      const item = itemPlace(LISTS[noun], name, undefined);
      return shown(noun === 'price' && item !== undefined ? (memberNode(item, 'price', modules) ?? item) : item);
    },
    placeOfPath(path) {
      const [head = '', ...rest] = segmentsOf(path);
      let place = memberNode(root, head, modules);
      const position = rest[0];
      let from = 0;
      if (position !== undefined && /^\d+$/.test(position)) {
        place = itemPlace(head, nameAt(config, head, Number(position)), Number(position));
        from = 1;
      }
      for (const segment of rest.slice(from)) {
        const deeper = place === undefined ? undefined : memberNode(place, segment, modules);
        if (deeper === undefined) break;
        place = deeper;
      }
      return shown(place ?? root);
    },
  };
}

function moduleOf({ path, text }: ConfigSource): SourceModule {
  const isMarkup = path.endsWith('x');
  try {
    const file = parse(text, {
      sourceType: 'module',
      errorRecovery: true,
      plugins: isMarkup ? ['typescript', 'jsx'] : ['typescript'],
    });
    return readModule(path, file.program.body);
  } catch {
    return readModule(path, []);
  }
}

const shown = (place: Place | undefined): string | undefined =>
  place?.node.loc == null ? undefined : `${place.module.path}:${place.node.loc.start.line}`;

/** `models[2].price` as `models`, `2`, `price`. */
const segmentsOf = (path: string): readonly string[] => path.split(/[.[\]]+/).filter((segment) => segment !== '');

function nameAt(config: unknown, list: string, index: number): string | undefined {
  const entries: unknown = typeof config === 'object' && config !== null ? Reflect.get(config, list) : undefined;
  const item: unknown = Array.isArray(entries) ? entries[index] : undefined;
  const name: unknown = typeof item === 'object' && item !== null ? Reflect.get(item, 'name') : undefined;
  return typeof name === 'string' ? name : undefined;
}

function itemsIn(list: Place | undefined, modules: ReadonlyMap<string, SourceModule>): readonly Item[] {
  if (list?.node.type !== 'ArrayExpression') {
    return list === undefined ? [] : [{ place: list, name: undefined, index: undefined }];
  }
  const items: Item[] = [];
  let index: number | undefined = 0;
  for (const element of list.node.elements) {
    if (element === null) continue;
    if (element.type === 'SpreadElement') {
      const spread = follow({ node: element.argument, module: list.module }, modules);
      if (spread?.node.type === 'ArrayExpression') {
        const own: readonly Item[] = itemsIn(spread, modules);
        for (const item of own) {
          items.push({
            ...item,
            index: index === undefined || item.index === undefined ? undefined : index + item.index,
          });
        }
        index = index === undefined || own.some((item) => item.index === undefined) ? undefined : index + own.length;
      } else {
        items.push({ place: { node: element, module: list.module }, name: undefined, index: undefined });
        index = undefined;
      }
      continue;
    }
    const place = { node: element, module: list.module };
    const object = follow(place, modules) ?? place;
    const name = memberNode(object, 'name', modules);
    const isObject = object.node.type === 'ObjectExpression';
    const text = name === undefined ? undefined : follow(name, modules);
    items.push({ place: isObject ? object : place, name: text === undefined ? undefined : textOf(text), index });
    if (index !== undefined) index += 1;
  }
  return items;
}
