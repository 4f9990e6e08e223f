// The bill of materials of an executable: every package of which something was bundled, with its version, the hash that
// the lock file holds and its licence in full, and the runtime. CycloneDX JSON, a file beside the executable. The same
// build gives the same bytes: no time, no path and no chance is in it.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { version } from './version.ts';

export interface Materials {
  /** Paths of all modules and files that were bundled, absolute or relative to the working folder. */
  readonly inputs: readonly string[];
  /** Of the project, with its lock file. */
  readonly project: string;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string | undefined;
}

/** Beside the executable. */
export const billPath = (executable: string): string => `${executable.replace(/\.exe$/, '')}.cdx.json`;

/** Throws for a package that does not say what it is: it must not be handed on. */
export function billOfMaterials({ inputs, project }: Materials): string {
  const hashes = lockedHashes(join(project, 'bun.lock'));
  const folders = new Set(inputs.flatMap((path) => packageFolder(resolve(path)) ?? []));
  const packages = [...folders].map((folder) => ({ folder, manifest: manifestOf(folder) }));
  const unique = new Map(packages.map((each) => [`${each.manifest.name}@${each.manifest.version}`, each]));
  const components = [...unique]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([reference, { folder, manifest }]) => componentOf(reference, folder, manifest, hashes.get(reference)));
  const own = `pkg:generic/tollgate@${version}`;
  const references = components.map((component) => component['bom-ref']);
  const bill = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        type: 'application',
        'bom-ref': own,
        name: 'tollgate',
        version,
        licenses: [{ license: { id: 'MIT', ...textIn(project) } }],
      },
    },
    components: [...components, runtime()],
    dependencies: [{ ref: own, dependsOn: [...references, runtime()['bom-ref']] }],
  };
  return `${JSON.stringify(bill, null, 2)}\n`;
}

const NODE_MODULES = `${sep}node_modules${sep}`;

/** The innermost package that the file belongs to; undefined for the project's own. */
function packageFolder(path: string): string | undefined {
  const at = path.lastIndexOf(NODE_MODULES);
  if (at < 0) return undefined;
  const words = path.slice(at + NODE_MODULES.length).split(sep);
  const name = words.slice(0, words[0]?.startsWith('@') === true ? 2 : 1);
  return path.slice(0, at + NODE_MODULES.length) + name.join(sep);
}

function manifestOf(folder: string): Manifest {
  const parsed: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const read = (field: string): string | undefined => {
    const value: unknown = typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, field) : undefined;
    return typeof value === 'string' ? value : undefined;
  };
  const [name, stated, license] = [read('name'), read('version'), read('license')];
  if (name === undefined || stated === undefined)
    throw new Error(`${folder} is bundled and does not state its name and version`);
  return { name, version: stated, license };
}

function componentOf(reference: string, folder: string, manifest: Manifest, sha512: string | undefined) {
  const { name, license } = manifest;
  const purl = `pkg:npm/${name.replace('@', '%40')}@${manifest.version}`;
  const [group, base] = name.startsWith('@') ? name.split('/') : [undefined, name];
  const stated = chosen(license ?? 'not stated');
  // An expression cannot carry texts; they stand with a single licence only.
  const licenses = / (?:OR|AND|WITH) /.test(stated)
    ? [{ expression: stated }]
    : [{ license: { ...(license === undefined ? { name: stated } : { id: stated }), ...textIn(folder) } }];
  return {
    type: 'library',
    'bom-ref': reference,
    ...(group === undefined ? {} : { group }),
    name: base ?? name,
    version: manifest.version,
    purl,
    licenses,
    ...(sha512 === undefined ? {} : { hashes: [{ alg: 'SHA-512', content: sha512 }] }),
  };
}

/** Of several licences that are offered, the first: those who offer a choice name the freest one first. */
const chosen = (stated: string): string => /^\(([\w.-]+) OR [\w.-]+\)$/.exec(stated)?.[1] ?? stated;

/** Licence texts of a package, one after the other: their notices must go wherever the code goes. */
function textIn(folder: string) {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const texts = names
    .filter((name) => /^(?:licen[cs]e|copying|notice)(?:[-.].*)?$|\.licen[cs]e\.txt$/i.test(name))
    .toSorted()
    .map((name) => readFileSync(join(folder, name), 'utf8').trim());
  if (texts.length === 0) texts.push(...chapterIn(join(folder, 'README.md')));
  return texts.length === 0 ? {} : { text: { contentType: 'text/plain', content: texts.join('\n\n') } };
}

/** Some packages have their licence as the last chapter of their README only. */
function chapterIn(readme: string): readonly string[] {
  const text = existsSync(readme) ? readFileSync(readme, 'utf8') : '';
  const chapter = /^(?:#+ *)?licen[cs]e *(?:\n-+)?$/im.exec(text);
  return chapter === null ? [] : [text.slice(chapter.index).trim()];
}

/** Hex SHA-512 of each locked package's archive, by `name@version`. */
function lockedHashes(lockFile: string): ReadonlyMap<string, string> {
  const lock = existsSync(lockFile) ? readFileSync(lockFile, 'utf8') : '';
  const entries = lock.matchAll(/\["(@?[^"@\s]+@[^"\s]+)",.*"sha512-([\w+/=]+)"\]/g);
  return new Map([...entries].map(([, name = '', hash = '']) => [name, Buffer.from(hash, 'base64').toString('hex')]));
}

/** What runs the code is most of the executable. It states its own parts and how to link it anew. */
const runtime = () => ({
  type: 'platform',
  'bom-ref': `pkg:npm/bun@${Bun.version}`,
  name: 'bun',
  version: Bun.version,
  purl: `pkg:npm/bun@${Bun.version}`,
  licenses: [{ expression: 'MIT AND LGPL-2.0-only AND LGPL-2.1-only' }],
  externalReferences: [{ type: 'license', url: 'https://bun.com/docs/project/license' }],
});
