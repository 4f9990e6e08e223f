// How `tollgate upgrade` asks a running process to hand over, and hears what came of it: two files in the data folder,
// which only its owner can write, and a signal. Each is written whole or not at all.

import {
  closeSync, fchownSync, linkSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../usage-error.ts';

export interface UpgradeRequest {
  readonly id: string;
  readonly executable: string;
}

export type UpgradeResult =
  | { readonly id: string; readonly ok: true; readonly pid: number; readonly version: string; readonly pauseMs: number }
  | { readonly id: string; readonly ok: false; readonly message: string };

const requestPath = (folder: string) => join(folder, 'upgrade-request.json');
const resultPath = (folder: string) => join(folder, 'upgrade-result.json');

/** A process that serves takes a request at once: one that stands for longer is of a command that was killed. */
const TAKEN_WITHIN_MS = 10_000;

/** Throws UsageError while another request stands: whoever it is from would never hear what became of it. */
export function writeRequest(folder: string, request: UpgradeRequest): void {
  const path = requestPath(folder);
  const standing = statSync(path, { throwIfNoEntry: false });
  if (standing !== undefined && Date.now() - standing.mtimeMs > TAKEN_WITHIN_MS) rmSync(path, { force: true });
  const draft = drafted(folder, path, request);
  try {
    linkSync(draft, path);
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'EEXIST') throw error;
    throw new UsageError('another upgrade was asked for at this moment; see what becomes of that one');
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Takes the request away: a later signal without one means the executable at this process's own path. */
export function takeRequest(folder: string): UpgradeRequest | undefined {
  const found = get(requestPath(folder));
  rmSync(requestPath(folder), { force: true });
  if (typeof found !== 'object' || found === null || !('id' in found) || !('executable' in found)) return undefined;
  const { id, executable } = found;
  return typeof id === 'string' && typeof executable === 'string' ? { id, executable } : undefined;
}

/** Nobody took it: a later signal must not begin what was given up. */
export function withdrawRequest(folder: string, id: string): void {
  const found = get(requestPath(folder));
  if (typeof found === 'object' && found !== null && 'id' in found && found.id === id)
    rmSync(requestPath(folder), { force: true });
}

export const writeResult = (folder: string, result: UpgradeResult): void => put(folder, resultPath(folder), result);

/** The result of that request, once it is there. */
export function readResult(folder: string, id: string): UpgradeResult | undefined {
  const found = get(resultPath(folder));
  if (typeof found !== 'object' || found === null || !('id' in found) || found.id !== id) return undefined;
  if ('pid' in found && 'version' in found && 'pauseMs' in found) {
    const { pid, version, pauseMs } = found;
    if (typeof pid === 'number' && typeof version === 'string' && typeof pauseMs === 'number')
      return { id, ok: true, pid, version, pauseMs };
  }
  const message = 'message' in found && typeof found.message === 'string' ? found.message : 'for a reason unknown';
  return { id, ok: false, message };
}

function put(folder: string, path: string, value: object): void {
  const draft = drafted(folder, path, value);
  try {
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Never through what stands there: root writes it, too, into a folder of an account that it does not trust. */
function drafted(folder: string, path: string, value: object): string {
  const draft = `${path}.new-${process.pid}`;
  rmSync(draft, { force: true });
  const file = openSync(draft, 'wx', 0o600);
  try {
    const { uid, gid } = statSync(folder);
    // The other side is the account that serves: it must be able to read what root wrote.
    if (process.getuid?.() === 0) fchownSync(file, uid, gid);
    writeFileSync(file, JSON.stringify(value));
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  return draft;
}

function get(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
