// The drop-ins of a config, each looked up, pinned, tried in a process of its own and only then loaded. What is wrong
// with one is one line with its place in the config; the others are not touched by it.

import { dropInsOf, withPlaces, type DropInPlace } from '../config/drop-in-places.ts';
import type { ConfigProblem, LoadedDropIns } from '../config/resolve.ts';
import type { PluginEntry, PluginKind } from '../plugin/define.ts';
import type { DropIn } from '../plugin/drop-in.ts';
import type { GatewayConfig } from '../plugin/gateway.ts';
import { bundleDropIn, type DropInCode } from './bundle.ts';
import { provideHostModules, type HostModules } from './host-modules.ts';
import { placeOf } from './place.ts';
import { entryOf, importCode, pluginAmong } from './plugin-of.ts';
import { DropInRefused, oneLine } from './refusal.ts';
import { trialLimits, tryDropIn, type TrialLimits } from './trial.ts';

export interface DropInHost {
  /** Of the config file; the working directory for a config that was compiled in. */
  readonly folder: string;
  readonly preset: string | undefined;
  readonly modules: HostModules;
  /** Starts ourselves for a trial. */
  readonly trialCommand: readonly string[];
  /** Other ones than `trialLimits`. */
  readonly limits?: TrialLimits;
}

export interface DropInsResult extends LoadedDropIns {
  /** Entries stand for those that were loaded; the others are as they were. */
  readonly config: GatewayConfig;
}

type Outcome =
  | { readonly place: DropInPlace; readonly entry: PluginEntry<PluginKind>; readonly sha256: string }
  | { readonly place: DropInPlace; readonly problem: ConfigProblem };

/** Never rejects for what a drop-in is or does. */
export async function loadDropIns(config: GatewayConfig, host: DropInHost): Promise<DropInsResult> {
  const places = dropInsOf(config, host.preset);
  if (places.length === 0) return { config, dropInAt: () => undefined, refusals: [] };
  await provideHostModules(host.modules);
  const outcomes = distinct(
    await Promise.all(places.map((place) => outcomeOf(place, host, () => sameButForCase(place, places)))),
  );
  const loaded = new Map(
    outcomes.flatMap((outcome) => ('entry' in outcome ? [[outcome.place.path, outcome] as const] : [])),
  );
  return {
    config: withPlaces(config, host.preset, (path, value) => loaded.get(path)?.entry ?? value),
    dropInAt(path) {
      const found = loaded.get(path);
      return found === undefined ? undefined : { file: found.place.dropIn.file, sha256: found.sha256 };
    },
    refusals: outcomes.flatMap((outcome) => ('problem' in outcome ? [outcome.problem] : [])),
  };
}

const fields: readonly string[] = ['kind', 'file', 'sha256', 'options', 'name'];

async function outcomeOf(place: DropInPlace, host: DropInHost, clash: () => string | undefined): Promise<Outcome> {
  const { dropIn, kind, path } = place;
  try {
    const unknown = Object.keys(dropIn).find((name) => !fields.includes(name));
    if (unknown !== undefined) throw new DropInRefused(`${unknown}: there is no such field`);
    const other = clash();
    if (other !== undefined) throw new DropInRefused(`file: differs from '${other}' by case only; name them apart`);
    const { code, sha256 } = await pinnedCode(dropIn, host);
    const { options, name } = dropIn;
    const job = { code, kind, options, name: nameOf(name) };
    const limits = host.limits ?? trialLimits;
    const report = await tryDropIn(job, host.trialCommand, limits);
    if (report.problem !== undefined) throw new DropInRefused(report.problem);
    const found = pluginAmong(await importCode(code, limits.timeMs), kind);
    const entry = entryOf(found, structuredClone(options), nameOf(name));
    return { place, entry, sha256 };
  } catch (error) {
    const message = error instanceof DropInRefused ? error.message : `could not be loaded: ${oneLine(error)}`;
    return { place, problem: { path, message: `drop-in ${shownFile(dropIn)}: ${message}` } };
  }
}

/** A field or a check may be named first; the file always is. */
const shownFile = ({ file }: DropIn): string => (typeof file === 'string' ? JSON.stringify(file.slice(0, 200)) : '');

async function pinnedCode(dropIn: DropIn, host: DropInHost): Promise<DropInCode> {
  const file = placeOf(dropIn.file, host.folder);
  const code = await bundleDropIn(file, host.folder, Object.keys(host.modules));
  const { sha256: pin }: { readonly sha256: unknown } = dropIn;
  const remedy = `read the file, then run \`tollgate plugin pin ${dropIn.file}\``;
  if (pin === undefined || pin === '') throw new DropInRefused(`sha256: is missing; ${remedy}`);
  if (pin !== code.sha256)
    throw new DropInRefused(`sha256: what is there has ${code.sha256}, which is not the pin; ${remedy} again`);
  return code;
}

function nameOf(name: unknown): string | undefined {
  if (name === undefined || typeof name === 'string') return name;
  throw new DropInRefused('name: must be text');
}

/** On some disks they are one file, on others two: which one is meant must not depend on that. */
function sameButForCase(place: DropInPlace, places: readonly DropInPlace[]): string | undefined {
  const { file } = place.dropIn;
  if (typeof file !== 'string') return undefined;
  const folded = (text: string) => text.normalize('NFC').toLowerCase().replace(/^\.\//, '');
  return places
    .map((other) => other.dropIn.file)
    .find(
      (other) =>
        typeof other === 'string' &&
        folded(other) === folded(file) &&
        other.replace(/^\.\//, '') !== file.replace(/^\.\//, ''),
    );
}

/** A drop-in never takes the name of another plugin of its list; of two drop-ins, the first keeps it. */
function distinct(outcomes: readonly Outcome[]): readonly Outcome[] {
  const taken = new Map<readonly unknown[], Set<string>>();
  return outcomes.map((outcome) => {
    if (!('entry' in outcome)) return outcome;
    const { place, entry } = outcome;
    const names = taken.get(place.list) ?? new Set(place.list.flatMap(declaredName));
    taken.set(place.list, names);
    if (!names.has(entry.name)) {
      names.add(entry.name);
      return outcome;
    }
    const message =
      `drop-in ${shownFile(place.dropIn)}: there is another ${place.kind} plugin called '${entry.name}'; ` +
      'give the drop-in a name of its own: dropIn({ ..., name })';
    return { place, problem: { path: place.path, message } };
  });
}

const declaredName = (value: unknown): readonly string[] => {
  const name: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'name') : undefined;
  const kind: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'kind') : undefined;
  return typeof name === 'string' && kind !== 'drop-in' ? [name] : [];
};
