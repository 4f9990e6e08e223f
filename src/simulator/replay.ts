// Replays recorded replies: status, content type and bytes as recorded, cut into chunks at places that a seed
// decides, because no recording says where its network cut it.

import { readFileSync } from 'node:fs';
import { join, normalize, sep } from 'node:path';
import { isFields } from './fields.ts';
import { finish, wait, write } from './script.ts';
import type { Script } from './script.ts';
import { chunk, chunked, head, lastChunk } from './wire.ts';
import type { Timing } from './wire.ts';

const pieceBytesMax = 400;

interface Recording {
  readonly status: number;
  readonly contentType: string;
  /** Path inside the folder. */
  readonly response: string;
}

export interface Recordings {
  /** Undefined for an identifier that is not recorded, or not as JSON or a stream. */
  replay(id: string, seed: number, timing: Timing): Script | undefined;
}

/** Inside the folder, or undefined. */
function containedPath(folder: string, path: string): string | undefined {
  const root = normalize(folder + sep);
  const full = normalize(join(folder, path));
  return full.startsWith(root) ? full : undefined;
}

function readIndex(folder: string): ReadonlyMap<string, Recording> {
  const recordings = new Map<string, Recording>();
  for (const line of readFileSync(join(folder, 'index.jsonl'), 'utf8').split('\n')) {
    if (line.trim() === '') continue;
    const entry: unknown = JSON.parse(line);
    if (!isFields(entry) || typeof entry.id !== 'string' || typeof entry.response !== 'string') continue;
    if (typeof entry.status !== 'number' || !/\.(?:json|sse)$/.test(entry.response)) continue;
    const headers = isFields(entry.response_headers) ? entry.response_headers : {};
    const stated = headers['content-type'];
    const fallback = entry.response.endsWith('.sse') ? 'text/event-stream' : 'application/json';
    recordings.set(entry.id, {
      status: entry.status,
      contentType: typeof stated === 'string' && /^[\x20-\x7e]+$/.test(stated) ? stated : fallback,
      response: entry.response,
    });
  }
  return recordings;
}

/** Small deterministic generator (mulberry32): numbers in [0, 1). */
export function seededChance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function* replayScript(recording: Recording, bytes: Uint8Array, seed: number, timing: Timing): Script {
  const chance = seededChance(seed);
  if (timing.delayMs > 0) yield wait(timing.delayMs);
  yield write(head(recording.status, [['content-type', recording.contentType], ...chunked]));
  if (timing.firstMs > 0) yield wait(timing.firstMs);
  for (let at = 0; at < bytes.length;) {
    const size = 1 + Math.floor(chance() * pieceBytesMax);
    yield write(chunk(bytes.subarray(at, at + size)));
    at += size;
    if (timing.gapMs > 0) yield wait(timing.gapMs);
  }
  yield write(lastChunk);
  yield finish;
}

/** Reads the folder's index when the first replay is asked for, and each recording when it is. */
export function openRecordings(folder: string): Recordings {
  let index: ReadonlyMap<string, Recording> | undefined;
  return {
    replay(id, seed, timing) {
      index ??= readIndex(folder);
      const recording = index.get(id);
      const path = recording && containedPath(folder, recording.response);
      if (!recording || !path) return undefined;
      return replayScript(recording, readFileSync(path), seed, timing);
    },
  };
}
