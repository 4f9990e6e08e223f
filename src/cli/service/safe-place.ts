// Where an executable may lie that a service manager is to start for years: nobody else may replace it, and nothing
// cleans the place up.

import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const TEMPORARY = ['/tmp', '/var/tmp', '/dev/shm', '/run', '/proc'] as const;
const OTHERS_WRITE = 0o002;
const GROUP_WRITES = 0o020;

/** What is wrong with the place, and the remedy. Undefined: nothing. `emptied`: folders that are emptied. */
export function placeProblem(
  path: string,
  forSystem: boolean,
  emptied: readonly string[] = TEMPORARY,
): string | undefined {
  const remedy = `copy it to ${forSystem ? '/usr/local/bin/tollgate' : '~/bin/tollgate'} and run it from there`;
  if (!existsSync(path)) return `there is no file ${path}`;
  const real = realpathSync(path);
  const temporary = emptied.find((folder) => real.startsWith(`${folder}/`));
  if (temporary !== undefined) return `${path} lies in ${temporary}, which is emptied; ${remedy}`;
  for (let at = real; ; at = dirname(at)) {
    const { mode, uid } = statSync(at);
    if ((mode & OTHERS_WRITE) !== 0) return `anybody may write to ${at}; ${remedy}`;
    if (forSystem && ((mode & GROUP_WRITES) !== 0 || uid !== 0)) {
      const who = uid !== 0 ? `user ${uid} owns ${at}` : `a group may write to ${at}`;
      return `${who} and could replace what the system starts; ${remedy}, owned by root`;
    }
    if (at === dirname(at)) return undefined;
  }
}
