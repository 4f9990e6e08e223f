// How `tollgate upgrade` asks a running process to hand over, and hears what came of it: two files in the data folder,
// which only its owner can write, and a signal. Each is written whole or not at all.

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface UpgradeRequest {
  readonly id: string;
  readonly executable: string;
}

export type UpgradeResult =
  | { readonly id: string; readonly ok: true; readonly pid: number; readonly version: string; readonly pauseMs: number }
  | { readonly id: string; readonly ok: false; readonly message: string };

const requestPath = (folder: string) => join(folder, 'upgrade-request.json');
const resultPath = (folder: string) => join(folder, 'upgrade-result.json');

export function writeRequest(folder: string, request: UpgradeRequest): void {
  rmSync(resultPath(folder), { force: true });
  put(requestPath(folder), request);
}

/** Takes the request away: a later signal without one means the executable at this process's own path. */
export function takeRequest(folder: string): UpgradeRequest | undefined {
  const found = get(requestPath(folder));
  rmSync(requestPath(folder), { force: true });
  if (typeof found !== 'object' || found === null || !('id' in found) || !('executable' in found)) return undefined;
  const { id, executable } = found;
  return typeof id === 'string' && typeof executable === 'string' ? { id, executable } : undefined;
}

export const writeResult = (folder: string, result: UpgradeResult): void => put(resultPath(folder), result);

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

function put(path: string, value: object): void {
  writeFileSync(`${path}.new`, JSON.stringify(value), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function get(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
