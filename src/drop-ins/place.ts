// Where a drop-in's file may stand: inside the folder of the config, by a relative path that says so without tricks.
// Invariant: what is returned is a regular file whose real path lies inside the real path of that folder.

import { realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { DropInRefused } from './refusal.ts';

const FILE_LENGTH_MAX = 500;
const extension = /\.(?:ts|mts|tsx|js|mjs|jsx)$/;
// oxlint-disable-next-line no-control-regex
const control = /[\u0000-\u001f\u007f]/;

/** `folder`: of the config file. Throws DropInRefused. */
export function placeOf(file: unknown, folder: string): string {
  const problem = pathProblem(file);
  if (problem !== undefined || typeof file !== 'string') throw new DropInRefused(`file: ${problem ?? ''}`);
  const found = insideOf(join(folder, file), realFolder(folder), file);
  if (!extension.test(found)) throw new DropInRefused(`file: '${file}' leads to a file of another kind`);
  return found;
}

/** What is wrong with the text itself. */
function pathProblem(file: unknown): string | undefined {
  if (typeof file !== 'string' || file === '') return 'must be the path of a file, such as ./plugins/acme.ts';
  if (file.length > FILE_LENGTH_MAX) return `is longer than ${FILE_LENGTH_MAX} characters`;
  const shown = JSON.stringify(file);
  if (control.test(file)) return `${shown} holds control characters`;
  if (file.includes('%')) return `${shown} holds a percent sign; write the path as it is on the disk`;
  if (file.includes('\\')) return `${shown} holds a backslash; write forward slashes`;
  if (/^(?:\/|~|[A-Za-z]:|[a-z]+:)/.test(file)) return `${shown} is not relative to the folder of the config`;
  if (file.split('/').includes('..')) return `${shown} leads out of a folder; drop-ins stand inside the config's`;
  if (!extension.test(file)) return `${shown} is no .ts or .js file`;
  return undefined;
}

export function realFolder(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    throw new DropInRefused(`there is no folder ${folder}`);
  }
}

/** The real path of a regular file inside the folder. Throws DropInRefused with the name that was given for it. */
export function insideOf(path: string, root: string, shown: string): string {
  let real: string;
  try {
    real = realpathSync(path);
  } catch {
    throw new DropInRefused(`file: there is no file '${shown}' in the folder of the config`);
  }
  if (!real.startsWith(root.endsWith(sep) ? root : `${root}${sep}`))
    throw new DropInRefused(`file: '${shown}' leads out of the folder of the config`);
  if (!statSync(real).isFile()) throw new DropInRefused(`file: '${shown}' is no regular file`);
  return real;
}
