// Who may import whom: folders import lower floors, siblings only where their README says so, nothing in a circle.
// Elysia and Kysely stay in their rooms; plugins and policies know the contract and themselves. The floors are those
// of the table in `src/README.md`: it is read here, so that it stays true.

import { posix } from 'node:path';
import type { Complaint, ProjectFile, ReadFile } from './rules.ts';
import type { Import } from './source.ts';

/** A folder or single file of `src/` that is imported as one thing; every noun of the domain is one. */
interface Unit {
  readonly name: string;
  readonly floor: number;
}

/** What the READMEs say: on which floor a folder lies, and which of its siblings it may import. */
interface House {
  readonly floors: ReadonlyMap<string, number>;
  readonly siblings: ReadonlyMap<string, ReadonlySet<string>>;
}

const namesIn = (text: string): readonly string[] =>
  [...text.matchAll(/[a-z][a-z-]*(?=[./`,\s]|$)(?:\.ts)?/g)].map(([name]) => name.replace(/\.ts$/, ''));

const TOP_FLOOR = 99;

/**
 * `src/README.md` has a table whose rows begin with a floor and a folder and end with the siblings it may import. Any
 * folder may say the same of itself, in a line `Siblings: catalog, limits`.
 */
function readHouse(readmes: readonly ProjectFile[]): House {
  const floors = new Map<string, number>();
  const siblings = new Map<string, Set<string>>();
  const allow = (unit: string, names: readonly string[]): void => {
    siblings.set(unit, new Set([...(siblings.get(unit) ?? []), ...names]));
  };
  for (const { path, text } of readmes) {
    const folder = path.replace(/^src\//, '').replace(/\/?README\.md$/, '');
    if (folder !== '') {
      for (const line of text.matchAll(/^[-*\s]*siblings:(?<names>.*)$/gim))
        allow(folder, namesIn(line.groups?.['names'] ?? ''));
      continue;
    }
    for (const row of text.matchAll(/^\| *(?<floor>\d+|top) *\| *`(?<unit>[\w.-]+)\/?` *\|.*\|(?<names>[^|]*)\|$/gm)) {
      const { floor, unit = '', names = '' } = row.groups ?? {};
      floors.set(unit, floor === 'top' ? TOP_FLOOR : Number(floor));
      allow(unit, names.includes('`') ? namesIn(names) : []);
    }
  }
  return { floors, siblings };
}

/** Names that stand for a file, as `tsconfig.json` has them. */
const aliases: Readonly<Record<string, string>> = {
  'tollgate/plugin': 'src/plugin/index.ts',
  'tollgate/conformance': 'src/plugin/conformance/index.ts',
};

function unitOf(path: string, { floors }: House): Unit | undefined {
  const [root, first = '', second = ''] = path.split('/');
  const floor = root === 'src' ? floors.get(first) : undefined;
  const isNoun = first === 'domain' && !second.includes('.');
  return floor === undefined ? undefined : { name: isNoun ? `domain/${second}` : first, floor };
}

/** The project file that an import names, or undefined for packages and built-in modules. */
function targetOf(path: string, { specifier }: Import): string | undefined {
  if (specifier.startsWith('.')) return posix.join(posix.dirname(path), specifier);
  return aliases[specifier];
}

const complainAt = (file: ReadFile, one: Import, what: string): Complaint => ({
  path: file.path,
  line: one.line,
  what,
});

function checkFloor(house: House, file: ReadFile, one: Import): readonly Complaint[] {
  const target = targetOf(file.path, one);
  const from = unitOf(file.path, house);
  if (target === undefined || from === undefined || target === 'package.json') return [];
  const to = unitOf(target, house);
  if (to === undefined) return [complainAt(file, one, `${target} lies outside the floors of src/`)];
  if (to.name === from.name || to.floor < from.floor) return [];
  if (to.floor > from.floor) {
    return [complainAt(file, one, `${from.name} may not import ${to.name}, which lies on a higher floor`)];
  }
  const sibling = to.name.replace(/^domain\//, '').replace(/\.ts$/, '');
  if (house.siblings.get(from.name)?.has(sibling)) return [];
  const readme = from.name.includes('/')
    ? `src/${from.name}/README.md as \`Siblings: ${sibling}\``
    : 'the table of src/README.md';
  return [complainAt(file, one, `${to.name} is on the same floor: name it in ${readme} or do without`)];
}

/** Folders without a floor would escape every rule. */
function checkKnown(house: House, files: readonly ReadFile[]): readonly Complaint[] {
  const unknown = files.filter(({ path }) => path.startsWith('src/') && unitOf(path, house) === undefined);
  const firstOfEach = new Map(unknown.toReversed().map((file) => [file.path.split('/')[1], file]));
  return [...firstOfEach.values()].map(({ path }) => ({
    path,
    line: 1,
    what: 'has no floor in the table of src/README.md',
  }));
}

/** Modules of the runtime that bring one another and streams along. */
const heavy = [
  'node:child_process', 'node:crypto', 'node:dns', 'node:fs/promises', 'node:http', 'node:http2', 'node:https',
  'node:net', 'node:readline', 'node:stream', 'node:tls', 'node:zlib',
];
/** Folders of which a gateway loads nothing, or nothing that needs those, before it is asked to. */
const late = ['src/http/tls/', 'src/store/backup/', 'src/simulator/', 'src/cli/'];

function checkPackage(file: ReadFile, one: Import): readonly Complaint[] {
  const isOf = (...names: readonly string[]): boolean =>
    names.some((name) => one.specifier === name || one.specifier.startsWith(`${name}/`));
  if (isOf('elysia', '@elysiajs') && !file.path.startsWith('src/http/')) {
    return [complainAt(file, one, 'Elysia is known in src/http/ only')];
  }
  const mayQuery = file.path.startsWith('src/store/') || /^src\/domain\/.+-store\.ts$/.test(file.path);
  if (isOf('kysely') && !mayQuery) {
    return [complainAt(file, one, 'Kysely is known in src/store/ and in src/domain/**/*-store.ts only')];
  }
  const mayLoad = one.typeOnly || !file.path.startsWith('src/') || late.some((folder) => file.path.startsWith(folder));
  if (isOf(...heavy) && !mayLoad) {
    return [complainAt(file, one, 'costs every gateway 2 MB; where it is needed, process.getBuiltinModule loads it')];
  }
  return [];
}

/** The folder that a plugin's file has for itself: `plugins/providers/`, `policies/`. */
function ownFolder(path: string): string {
  const [root = '', kind = ''] = path.split('/');
  return root === 'plugins' && !kind.includes('.') ? `${root}/${kind}/` : `${root}/`;
}

function checkPlugin(file: ReadFile, one: Import): readonly Complaint[] {
  const target = targetOf(file.path, one);
  // Files directly in plugins/ are lists of what is built in, and the config that uses them.
  const isList = /^plugins\/[^/]+$/.test(file.path);
  if (one.specifier === 'tollgate/plugin') return [];
  if (target !== undefined && target.startsWith(ownFolder(file.path))) return [];
  if (isList && (one.specifier === 'tollgate/plugins' || /^(?:plugins|policies)\//.test(target ?? ''))) return [];
  return [complainAt(file, one, 'plugins and policies import `tollgate/plugin` and their own folder only')];
}

/** The config enters `src/` under a virtual name, in main.ts alone. */
function checkConfigName(file: ReadFile, one: Import): readonly Complaint[] {
  if (!one.specifier.startsWith('tollgate:') || !file.path.startsWith('src/') || file.path === 'src/main.ts') return [];
  return [complainAt(file, one, 'only src/main.ts imports the config')];
}

/** Follows the imports that remain when compiled, from file to file and, within a floor, from unit to unit. */
function findCycle(edges: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] | undefined {
  const finished = new Set<string>();
  const visit = (node: string, trail: readonly string[]): readonly string[] | undefined => {
    const at = trail.indexOf(node);
    if (at >= 0) return [...trail.slice(at), node];
    if (finished.has(node)) return undefined;
    for (const next of edges.get(node) ?? []) {
      const cycle = visit(next, [...trail, node]);
      if (cycle !== undefined) return cycle;
    }
    finished.add(node);
    return undefined;
  };
  for (const node of edges.keys()) {
    const cycle = visit(node, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

function checkCycles(house: House, files: readonly ReadFile[]): readonly Complaint[] {
  const betweenFiles = new Map<string, Set<string>>();
  const betweenUnits = new Map<string, Set<string>>();
  const connect = (edges: Map<string, Set<string>>, from: string, to: string): void => {
    edges.set(from, (edges.get(from) ?? new Set()).add(to));
  };
  for (const file of files) {
    for (const one of file.source.imports) {
      const target = targetOf(file.path, one);
      if (target === undefined) continue;
      if (!one.typeOnly) connect(betweenFiles, file.path, target);
      const from = unitOf(file.path, house);
      const to = unitOf(target, house);
      if (from !== undefined && to !== undefined && from.name !== to.name)
        connect(betweenUnits, `src/${from.name}`, `src/${to.name}`);
    }
  }
  return [findCycle(betweenFiles), findCycle(betweenUnits)].flatMap((cycle) =>
    cycle === undefined
      ? []
      : [{ path: cycle[0] ?? '', line: 1, what: `imports run in a circle: ${cycle.join(' -> ')}` }],
  );
}

/** All rules between files. `readmes` are the Markdown files of `src/`. */
export function checkImports(files: readonly ReadFile[], readmes: readonly ProjectFile[]): readonly Complaint[] {
  const house = readHouse(readmes);
  const ofFile = (file: ReadFile): readonly Complaint[] =>
    file.source.imports.flatMap((one) => {
      const isPlugin = /^(?:plugins|policies)\//.test(file.path) && !file.path.endsWith('.test.ts');
      return [
        ...(file.path.startsWith('src/') ? [...checkFloor(house, file, one), ...checkPackage(file, one)] : []),
        ...(isPlugin ? checkPlugin(file, one) : []),
        ...checkConfigName(file, one),
      ];
    });
  return [...files.flatMap(ofFile), ...checkKnown(house, files), ...checkCycles(house, files)];
}
