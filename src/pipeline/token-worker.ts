// The worker that has the tokenizer: its tables take hundreds of milliseconds to load and tens of megabytes to keep,
// and a count takes as long as the caller's text makes it. None of that may happen where requests are served.

import { readFileSync } from 'node:fs';
import tablesPath from 'gpt-tokenizer/data/o200k_base.tiktoken' with { type: 'file' };
import { GptEncoding } from 'gpt-tokenizer/GptEncoding';
import { countInSlices } from './token-slices.ts';
import { readTokenTables } from './token-tables.ts';

declare const self: Worker;

export interface ToTokenWorker {
  readonly id: number;
  readonly body: Uint8Array;
}

export type FromTokenWorker =
  /** The tables are loaded. */
  | { readonly kind: 'ready' }
  /** `tokens` is undefined where this text could not be counted. */
  | { readonly kind: 'counted'; readonly id: number; readonly tokens: number | undefined };

/** Enough for any ordinary text of the largest size; those who wait behind a hostile one wait no longer than that. */
const COUNT_MAX_MS = 400;

const tokenizer = GptEncoding.getEncodingApi('o200k_base', () => readTokenTables(readFileSync(tablesPath, 'latin1')));

// What looks like a special token is the client's text, and is counted as such.
const asText = { disallowedSpecial: new Set<string>() };

self.onmessage = ({ data: { id, body } }: MessageEvent<ToTokenWorker>): void => {
  answer({ kind: 'counted', id, tokens: counted(body) });
};
answer({ kind: 'ready' });

function counted(body: Uint8Array): number | undefined {
  try {
    const untilMs = performance.now() + COUNT_MAX_MS;
    return countInSlices(body, (text) => tokenizer.countTokens(text, asText), () => performance.now() > untilMs);
  } catch {
    return undefined;
  } finally {
    // It remembers pieces of text, which are the client's: not beyond the count.
    tokenizer.clearMergeCache();
  }
}

function answer(message: FromTokenWorker): void {
  self.postMessage(message);
}
