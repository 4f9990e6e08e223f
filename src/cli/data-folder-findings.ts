// What is wrong with who may read and write a data folder. Looks and changes nothing: a start warns of it, and an
// operator who asks is told. Every finding names the path and the remedy.

import { lstatSync, readdirSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';

export interface DataFolderFinding {
  readonly path: string;
  /** `secret`: whoever else reads or writes it has the gateway. `private`: they see what customers do and pay. */
  readonly concerns: 'secret' | 'private';
  /** One sentence: what is so, and what to do. */
  readonly message: string;
}

const GROUP_OR_OTHERS = 0o077;
const OTHERS_WRITE = 0o022;
const OTHERS_ENTER = 0o011;
const STICKY = 0o1000;
const keyFiles: ReadonlySet<string> = new Set(['operator-key', 'master-key']);
/** A journal may have thousands of segments, and they are all made alike. */
const FINDINGS_MAX = 20;

/** Empty where there is nothing to find, no such folder, or no such thing as a file mode. */
export function dataFolderFindings(folder: string): readonly DataFolderFinding[] {
  const user = process.getuid?.();
  const found = statusOf(folder);
  if (user === undefined || found === undefined || !found.isDirectory()) return [];
  const findings = [...folderFindings(folder, found, user), ...parentFindings(folder)];
  const reachable = (found.mode & OTHERS_ENTER) !== 0;
  for (const name of namesIn(folder)) {
    const path = join(folder, name);
    const status = statusOf(path);
    if (status === undefined) continue;
    if (keyFiles.has(name)) findings.push(...keyFileFindings(path, status));
    else if (reachable && status.isFile()) findings.push(...privateFileFindings(path, status));
  }
  return findings.slice(0, FINDINGS_MAX);
}

function folderFindings(folder: string, { mode, uid }: Stats, user: number): DataFolderFinding[] {
  const findings: DataFolderFinding[] = [];
  const find = (message: string) => void findings.push({ path: folder, concerns: 'secret', message });
  if ((mode & OTHERS_WRITE) !== 0) {
    find('Other users can write into the data folder, and so put keys and records of theirs there; chmod 700 it.');
  }
  if (uid !== user && user !== 0) find('The data folder belongs to another user; chown it to the one that serves.');
  return findings;
}

/** Whoever may rename the folder may put another in its place. */
function parentFindings(folder: string): readonly DataFolderFinding[] {
  const path = dirname(folder);
  const parent = statusOf(path);
  if (parent === undefined || (parent.mode & 0o002) === 0 || (parent.mode & STICKY) !== 0) return [];
  const message = 'Every user can rename what is in the folder above the data folder; move the data folder elsewhere.';
  return [{ path, concerns: 'secret', message }];
}

function keyFileFindings(path: string, status: Stats): readonly DataFolderFinding[] {
  if (!status.isFile()) return [{ path, concerns: 'secret', message: 'A key stands in a plain file; this is none.' }];
  if ((status.mode & GROUP_OR_OTHERS) === 0) return [];
  return [{ path, concerns: 'secret', message: 'Other users can read this key; chmod 600 it, and renew the key.' }];
}

function privateFileFindings(path: string, { mode }: Stats): readonly DataFolderFinding[] {
  if ((mode & GROUP_OR_OTHERS) === 0) return [];
  return [{ path, concerns: 'private', message: 'Other users can read this file; chmod 700 the data folder.' }];
}

function statusOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
