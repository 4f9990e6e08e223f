// Recorded replies of real providers: the truth that readers and relays are held against.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.env['TOLLGATE_RECORDINGS'] ?? join(import.meta.dir, '../../../shared/recordings');

export interface Recording {
  readonly id: string;
  readonly format: string;
  readonly stream: boolean;
  readonly status: number;
  readonly features: readonly string[];
  /** As the reply states it; undefined if it states none. */
  readonly usage: unknown;
  readonly request: Uint8Array | undefined;
  readonly response: Uint8Array;
}

/** Why tests that need them cannot run; undefined if they can. */
export const recordingsMissing = existsSync(join(folder, 'index.jsonl'))
  ? undefined
  : `no recordings in ${folder}; set TOLLGATE_RECORDINGS`;

export function recordings(format: string): readonly Recording[] {
  if (recordingsMissing !== undefined) return [];
  const lines = readFileSync(join(folder, 'index.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  return lines.map(readEntry).filter((entry) => entry.format === format);
}

function readEntry(line: string): Recording {
  const entry: unknown = JSON.parse(line);
  if (typeof entry !== 'object' || entry === null) throw new Error('a line of index.jsonl is no object');
  const member = (name: string): unknown => Object.entries(entry).find(([key]) => key === name)?.[1];
  const request = member('request');
  const features = member('features');
  return {
    id: String(member('id')),
    format: String(member('format')),
    stream: member('stream') === true,
    status: Number(member('status')),
    features: Array.isArray(features) ? features.map(String) : [],
    usage: member('usage'),
    request: typeof request === 'string' ? bytesOf(request) : undefined,
    response: bytesOf(String(member('response'))),
  };
}

/** A plain Uint8Array, as the wire gives it. */
const bytesOf = (path: string): Uint8Array => new Uint8Array(readFileSync(join(folder, path)));

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
export const decode = (bytes: Uint8Array): string =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);

/** The bytes cut at these places, in order; empty chunks included. */
export function cutAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const sorted = cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b);
  return [0, ...sorted].map((start, i) => bytes.subarray(start, sorted[i] ?? bytes.length));
}

export const everyByte = (bytes: Uint8Array): Uint8Array[] =>
  Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
