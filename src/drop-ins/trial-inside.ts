// The trial as it runs in a process of its own: the drop-in is loaded, made and put through the conformance suite of
// its kind, check by check. Whatever it does to this process, the one outside believes only the lines written here.

import { writeSync } from 'node:fs';
import fc from 'fast-check';
import { schemaProblems } from '../config/schema.ts';
import { billingChecks } from '../plugin/conformance/billing.ts';
import type { Check } from '../plugin/conformance/checks.ts';
import { policyChecks } from '../plugin/conformance/policy.ts';
import { providerChecks } from '../plugin/conformance/provider.ts';
import { routingChecks } from '../plugin/conformance/routing.ts';
import type { PluginEntry, PluginKind } from '../plugin/define.ts';
import { changedGlobals, pictureGlobals } from './globals.ts';
import { entryOf, importCode, pluginAmong } from './plugin-of.ts';
import { DropInRefused, oneLine } from './refusal.ts';
import { encodeEvent, type TrialEvent, type TrialJob } from './trial-job.ts';

const STANDARD_OUTPUT = 1;
/** The same file gets the same verdict each time. */
const SEED = 20_261_128;
const SETTLE_MS = 10;
/** The process is ended sooner, as its limits have it. */
const LOADING_MAX_MS = 600_000;
/** Characters of what a failed check has to say. */
const DETAIL_MAX = 4_000;

/** Writes events to standard output; the process is to end when the promise resolves. */
export async function tryInside(job: TrialJob): Promise<void> {
  // Held before the drop-in runs: it may replace what it finds.
  const write = writeSync;
  const encode = encodeEvent;
  const say = (event: TrialEvent): void => void write(STANDARD_OUTPUT, encode(job.token, event));
  const rejections: unknown[] = [];
  process.on('unhandledRejection', (reason) => void rejections.push(reason));
  process.on('uncaughtException', (error) => void rejections.push(error));
  fc.configureGlobal({ seed: SEED });
  pictureGlobals(); // Reading some makes them; the second picture is of what is there.
  const before = pictureGlobals();
  const run = async (check: string, work: () => unknown): Promise<boolean> => {
    say({ event: 'begins', check });
    try {
      await work();
      say({ event: 'passed', check });
      return true;
    } catch (error) {
      say({ event: 'failed', check, message: messageOf(error), detail: detailOf(error) });
      return false;
    }
  };
  const made = await makeEntry(job, run);
  for (const check of made === undefined ? [] : suiteOf(made)) await run(check.name, check.run);
  await run('leaves the process as it was', async () => {
    // A rejection, or a timer that was due long ago, is noticed only when nothing else is left to do.
    await new Promise((resolve) => void setTimeout(resolve, SETTLE_MS));
    const [first] = rejections;
    if (rejections.length > 0) throw new DropInRefused(`it throws where nobody can catch it: ${oneLine(first)}`);
    const changed = changedGlobals(before);
    if (changed.length > 0) throw new DropInRefused(`it changes ${changed.slice(0, 5).join(', ')}, which others use`);
  });
  if (made === undefined) say({ event: 'ended', plugin: undefined });
  else {
    const { kind, name, version } = made.entry;
    say({ event: 'ended', plugin: { kind, name, version } });
  }
}

interface Made {
  readonly entry: PluginEntry<PluginKind>;
  readonly conformance: unknown;
}

async function makeEntry(
  job: TrialJob,
  run: (check: string, work: () => unknown) => Promise<boolean>,
): Promise<Made | undefined> {
  let made: Made | undefined;
  const loaded = await run('is one plugin of its kind', async () => {
    const exports = await importCode(job.code, LOADING_MAX_MS);
    const entry = entryOf(pluginAmong(exports, job.kind), job.options, job.name);
    made = { entry, conformance: exports['conformance'] };
  });
  if (!loaded || made === undefined) return undefined;
  const { entry } = made;
  const fits = await run('takes its options', () => {
    const [problem] = schemaProblems({ ...entry.schema, additionalProperties: false }, entry.options, 'options');
    if (problem !== undefined) throw new DropInRefused(`${problem.path}: ${problem.message}`);
  });
  return fits && (await run('can be made', () => void entry.create(entry.options))) ? made : undefined;
}

function suiteOf({ entry, conformance }: Made): readonly Check[] {
  const expected = typeof conformance === 'object' && conformance !== null ? conformance : {};
  try {
    switch (entry.kind) {
      case 'provider':
        return providerChecks(entry as PluginEntry<'provider'>, { samples: [], ...expected });
      case 'routing':
        return routingChecks(entry as PluginEntry<'routing'>, expected);
      case 'billing':
        return billingChecks(entry as PluginEntry<'billing'>);
      case 'policy':
        return policyChecks(entry as PluginEntry<'policy'>, expected);
    }
  } catch (error) {
    return [
      {
        name: 'can be asked what it declares',
        run: () => {
          throw error;
        },
      },
    ];
  }
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function detailOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? `\n${textOf(error.cause)}` : '';
  return `${textOf(error)}${cause}`.slice(0, DETAIL_MAX);
}

/** The random checks say much; what was given and what came of it is enough. */
function messageOf(error: unknown): string {
  const text = textOf(error);
  const counterexample = /Counterexample: (.*)/.exec(text)?.[1];
  if (counterexample === undefined) return oneLine(error);
  const cause = error instanceof Error ? error.cause : undefined;
  return `${oneLine(cause ?? text, 250)} (given ${oneLine(counterexample, 150)})`;
}
