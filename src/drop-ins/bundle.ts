// A drop-in's code: its file and all that it imports, put together into one text and counted into one pin. What is
// counted is what runs: each file is read once, and the bundler gets those bytes. Nothing of it runs here.

import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { insideOf, realFolder } from './place.ts';
import { DropInRefused, oneLine } from './refusal.ts';
import { importAttributes, runsMacros } from './source-scan.ts';

export interface DropInCode {
  /** One module: the file and all that it imports but for the host's modules and the runtime's own. */
  readonly code: string;
  /** The pin. */
  readonly sha256: string;
  /** What is counted, as `sha256sum` lists it, by path from the drop-in's folder. */
  readonly files: readonly { readonly path: string; readonly sha256: string }[];
  /** Counted as well, a line each: where an import leads that does not spell its file out. */
  readonly leads: readonly string[];
}

/** All files of one drop-in together. */
const CLOSURE_BYTES_MAX = 4 * 1024 * 1024;
const CLOSURE_FILES_MAX = 1_000;

/** By extension; what is not here is text. */
const loaders: Readonly<Record<string, Bun.Loader>> = {
  ts: 'ts',
  mts: 'ts',
  cts: 'ts',
  tsx: 'tsx',
  js: 'js',
  mjs: 'js',
  cjs: 'js',
  jsx: 'jsx',
  json: 'json',
  jsonc: 'jsonc',
  toml: 'toml',
  yaml: 'yaml',
  yml: 'yaml',
};
const codeLoaders: ReadonlySet<string> = new Set(['ts', 'tsx', 'js', 'jsx']);
/** By `with { type: … }`. */
const typeLoaders: Readonly<Record<string, Bun.Loader>> = {
  text: 'text',
  json: 'json',
  jsonc: 'jsonc',
  toml: 'toml',
  yaml: 'yaml',
};
const neverPinned = /\.(?:node|wasm|so|dylib|dll|html|css|sqlite|db)$/i;

const sha256Of = (bytes: Uint8Array | string): string => new Bun.CryptoHasher('sha256').update(bytes).digest('hex');

/** `file`: real path. `folder`: of the config, which holds all files. Throws DropInRefused. */
export async function bundleDropIn(file: string, folder: string, hostModules: readonly string[]): Promise<DropInCode> {
  const sources = new Sources(file, realFolder(folder));
  const work = mkdtempSync(join(tmpdir(), 'tollgate-drop-in-'));
  try {
    // The settings of whatever project lies around must not decide what the code means.
    const tsconfig = join(work, 'tsconfig.json');
    writeFileSync(tsconfig, '{}');
    const built = await Bun.build({
      entrypoints: [file],
      target: 'bun',
      format: 'esm',
      external: [...hostModules],
      allowUnresolved: [],
      define: { 'process.env.NODE_ENV': '"production"' },
      tsconfig,
      metafile: true,
      throw: false,
      plugins: [{ name: 'drop-in', setup: (build) => void build.onLoad({ filter: /.*/ }, sources.load) }],
    });
    if (sources.refusal !== undefined) throw sources.refusal;
    if (!built.success) throw new DropInRefused(describeFailure(built.logs, file));
    const [output] = built.outputs;
    if (output === undefined || built.outputs.length !== 1)
      throw new DropInRefused('it does not come to one module: import code, JSON and text only');
    return { code: await output.text(), ...sources.counted(leadsOf(built.metafile, file)) };
  } catch (error) {
    if (error instanceof DropInRefused) throw error;
    throw new DropInRefused(`it cannot be put together: ${oneLine(sources.refusal ?? error)}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function describeFailure([first]: Bun.BuildOutput['logs'], file: string): string {
  const message = (first?.message ?? 'unknown reason').replace(/ Maybe you need to .*$/, '');
  const { position } = first ?? {};
  const where = position ? `${relative(dirname(file), resolve(position.file))}:${position.line}: ` : '';
  if (/not be bundled because the argument is not a string literal/.test(message))
    return `${where}it imports by a name that is computed, which cannot be pinned; write the name out`;
  return `it cannot be put together: ${where}${oneLine(message)}`;
}

class Sources {
  readonly #file: string;
  readonly #root: string;
  readonly #read = new Map<string, string>();
  /** Of data files, by the attribute of the import that names them. */
  readonly #typed = new Map<string, Bun.Loader>();
  #bytes = 0;
  refusal: DropInRefused | undefined;

  constructor(file: string, root: string) {
    this.#file = file;
    this.#root = root;
  }

  readonly load = ({ path }: { readonly path: string }): { contents: string; loader: Bun.Loader } => {
    try {
      return this.#load(path);
    } catch (error) {
      this.refusal ??= error instanceof DropInRefused ? error : new DropInRefused(oneLine(error));
      throw error;
    }
  };

  #load(path: string): { contents: string; loader: Bun.Loader } {
    const shown = relative(dirname(this.#file), path);
    const real = insideOf(path, this.#root, shown);
    if (neverPinned.test(real)) throw new DropInRefused(`it imports ${shown}: only code, JSON and text can be pinned`);
    const bytes = this.#bytesOf(real, shown);
    this.#read.set(shown, sha256Of(bytes));
    const extension = /\.([a-z]+)$/i.exec(real)?.[1]?.toLowerCase() ?? '';
    const loader = this.#typed.get(path) ?? loaders[extension] ?? 'text';
    const contents = decoded(bytes, shown);
    if (codeLoaders.has(loader)) this.#scan(contents, loader, path, shown);
    return { contents, loader };
  }

  #bytesOf(real: string, shown: string): Uint8Array {
    const descriptor = openSync(real, 'r');
    try {
      this.#count(fstatSync(descriptor).size, shown);
      const bytes = readFileSync(descriptor);
      this.#count(bytes.byteLength, shown);
      this.#bytes += bytes.byteLength;
      return bytes;
    } finally {
      closeSync(descriptor);
    }
  }

  #count(bytes: number, shown: string): void {
    if (this.#bytes + bytes <= CLOSURE_BYTES_MAX && this.#read.size < CLOSURE_FILES_MAX) return;
    const limits = `${CLOSURE_BYTES_MAX} bytes or ${CLOSURE_FILES_MAX} files`;
    throw new DropInRefused(`with ${shown} it comes to more than ${limits}; make it smaller`);
  }

  #scan(contents: string, loader: Bun.Loader, path: string, shown: string): void {
    if (runsMacros(contents))
      throw new DropInRefused(`${shown} speaks of a macro: code that runs while it is put together cannot be pinned`);
    for (const { specifier, type } of importAttributes(contents, loader)) {
      const wanted = typeLoaders[type];
      if (wanted === undefined)
        throw new DropInRefused(`${shown} imports ${specifier} as ${type}; json, jsonc, toml, yaml and text can be`);
      if (specifier.startsWith('.')) this.#typed.set(resolve(dirname(path), specifier), wanted);
    }
  }

  /** A file alone is pinned by its own hash, so that `sha256sum` shows it; several by that of their list. */
  counted(leads: readonly string[]): Omit<DropInCode, 'code'> {
    const files = [...this.#read]
      .map(([path, sha256]) => ({ path: path.replaceAll('\\', '/'), sha256 }))
      .toSorted((one, other) => (one.path < other.path ? -1 : 1));
    const [only] = files;
    if (only === undefined) throw new DropInRefused('it has no files');
    const sha256 = files.length === 1 ? only.sha256 : sha256Of(listingOf({ files, leads }));
    return { files, leads, sha256 };
  }
}

/**
 * What the pin of several files is the hash of. Files as `sha256sum` prints them: where every import spells its file
 * out, `cd FOLDER && sha256sum FILE... | sha256sum` gives the pin.
 */
export const listingOf = ({ files, leads }: Pick<DropInCode, 'files' | 'leads'>): string =>
  [...files.map(({ path, sha256 }) => `${sha256}  ${path}`), ...leads].map((line) => `${line}\n`).join('');

/** By the bundler's own account, so that it is what was put together, whatever it remembers of earlier readings. */
function leadsOf(metafile: Bun.BuildOutput['metafile'], file: string): readonly string[] {
  const shown = (path: string) => relative(dirname(file), path).replaceAll('\\', '/');
  const leads = Object.entries(metafile?.inputs ?? {}).flatMap(([importer, { imports }]) =>
    imports.flatMap(({ path, original = path, external }) => {
      const to = resolve(path);
      if (external === true || resolve(dirname(importer), original) === to) return [];
      return [`${shown(resolve(importer))} imports ${JSON.stringify(original)} from ${shown(to)}`];
    }),
  );
  return [...new Set(leads)].toSorted();
}

function decoded(bytes: Uint8Array, shown: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new DropInRefused(`${shown} is not UTF-8 text`);
  }
}
