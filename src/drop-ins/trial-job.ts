// What the gateway and the process that tries a drop-in say to each other: one job in, one line for each thing that
// happens out. Lines of the trial begin with a word that the drop-in is not told.

import { deserialize, serialize } from 'node:v8';
import type { PluginKind } from '../plugin/define.ts';

export interface TrialJob {
  /** Begins each line of the trial on its standard output. */
  readonly token: string;
  readonly code: string;
  /** Undefined: whatever kind it is. */
  readonly kind: PluginKind | undefined;
  readonly options: unknown;
  readonly name: string | undefined;
}

export type TrialEvent =
  /** The check of this name begins. */
  | { readonly event: 'begins'; readonly check: string }
  | { readonly event: 'passed'; readonly check: string }
  /** `message` is one line; `detail` all that there is to say, bounded. */
  | { readonly event: 'failed'; readonly check: string; readonly message: string; readonly detail: string }
  /** All checks were run. */
  | {
      readonly event: 'ended';
      readonly plugin: { readonly kind: PluginKind; readonly name: string; readonly version: string } | undefined;
    };

/** Throws where the options are no data. */
export const encodeJob = (job: TrialJob): string => serialize(job).toString('base64');

export const decodeJob = (text: string): TrialJob => deserialize(Buffer.from(text, 'base64')) as TrialJob;

export const encodeEvent = (token: string, event: TrialEvent): string => `\n${token} ${JSON.stringify(event)}\n`;

/** Undefined for a line that the trial did not write. */
export function decodeEvent(token: string, line: string): TrialEvent | undefined {
  if (!line.startsWith(`${token} `)) return undefined;
  try {
    return JSON.parse(line.slice(token.length + 1)) as TrialEvent;
  } catch {
    return undefined;
  }
}
