// From a drop-in's code to the one plugin that it is. The code runs here: in the trial's process first, and in the
// gateway's own only once it has passed there.

import { exportedPlugin, type ExportedPlugin, type PluginEntry, type PluginKind } from '../plugin/define.ts';
import { DropInRefused, oneLine } from './refusal.ts';

/** How a kind is spoken of, and by what it is made. */
export const kindWords: { readonly [K in PluginKind]: { readonly one: string; readonly define: string } } = {
  provider: { one: 'provider', define: 'defineProvider' },
  routing: { one: 'routing strategy', define: 'defineRoutingStrategy' },
  billing: { one: 'billing rule', define: 'defineBillingRule' },
  policy: { one: 'compliance policy', define: 'definePolicy' },
};

type Exports = Readonly<Record<string, unknown>>;

const imported = new Map<string, Promise<Exports>>();
let importsBegun = 0;

/**
 * What the code exports. The same code is one module, however often it is asked for, but what failed is tried anew. It
 * is given up after `timeMs`: what passed its trial may still await what never comes here. Throws DropInRefused.
 */
export function importCode(code: string, timeMs: number): Promise<Exports> {
  const sha256 = new Bun.CryptoHasher('sha256').update(code).digest('hex');
  const known = imported.get(sha256);
  if (known !== undefined) return known;
  const name = `tollgate-drop-in:${sha256}/${(importsBegun += 1)}`;
  Bun.plugin({ name, setup: (build) => void build.module(name, () => ({ contents: code, loader: 'js' })) });
  const running = inTime(import(name), timeMs);
  imported.set(sha256, running);
  running.catch(() => imported.delete(sha256));
  return running;
}

async function inTime(importing: Promise<Exports>, timeMs: number): Promise<Exports> {
  let late: ReturnType<typeof setTimeout> | undefined;
  const givenUp = new Promise<never>((_, giveUp) => {
    const refusal = new DropInRefused(`it is not loaded after ${timeMs / 1000} s: something that it awaits never comes`);
    late = setTimeout(() => giveUp(refusal), timeMs);
  });
  try {
    return await Promise.race([importing, givenUp]);
  } catch (error) {
    if (error instanceof DropInRefused) throw error;
    throw new DropInRefused(`it throws when it is loaded: ${oneLine(error)}`);
  } finally {
    clearTimeout(late);
  }
}

/** Throws DropInRefused. */
export function pluginAmong(exports: Readonly<Record<string, unknown>>, kind: PluginKind | undefined): ExportedPlugin {
  const define = kindWords[kind ?? 'provider'].define;
  const { default: main } = exports;
  if (main === undefined) throw new DropInRefused(`it has no default export; write: export default ${define}({ ... })`);
  const found = exportedPlugin(main);
  if (found === undefined)
    throw new DropInRefused(`its default export is no plugin; write: export default ${define}({ ... })`);
  if (kind !== undefined && found.kind !== kind)
    throw new DropInRefused(`it is a ${kindWords[found.kind].one}; this list takes a ${kindWords[kind].one}`);
  for (const [name, value] of Object.entries(exports)) {
    if (value === main || exportedPlugin(value) === undefined) continue;
    throw new DropInRefused(`it exports another plugin as '${name}' beside its default export; a drop-in is one`);
  }
  return found;
}

/** Throws DropInRefused. */
export function entryOf(found: ExportedPlugin, options: unknown, name: string | undefined): PluginEntry<PluginKind> {
  if (found.form === 'entry' && options !== undefined)
    throw new DropInRefused('options: its default export has its options already; export what the define function returned');
  const entry = found.form === 'entry' ? found.entry : found.enter(options);
  return name === undefined ? entry : { ...entry, name };
}
