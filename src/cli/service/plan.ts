// What an installation is made of, worked out before anything is touched: the unit, who runs it, where things lie.

import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { readEnvironment } from '../../environment.ts';
import { serveSettings, UsageError } from '../arguments.ts';
import { placeProblem } from './safe-place.ts';
import { absoluteWords, takenFrom } from './serve-words.ts';
import { unitText } from './unit.ts';

export interface ServicePlan {
  readonly kind: 'system' | 'user';
  readonly name: string;
  readonly unitPath: string;
  readonly unit: string;
  readonly account: string;
  readonly dataFolder: string;
  /** Of `--log`. */
  readonly logFolder: string | undefined;
  readonly environmentFile: string;
  readonly dryRun: boolean;
  readonly replace: boolean;
  /** Write the unit and leave it at that. */
  readonly noStart: boolean;
}

export const serviceFlagsHelp = `  --user            a unit of your own user manager instead of the system's
  --name NAME       of the unit (tollgate)
  --run-as ACCOUNT  who runs it; made if it is missing (tollgate)
  --no-start        write the unit, start nothing
  --replace         overwrite a unit that was changed, or that somebody else wrote
  --dry-run         say what would be done
  and every flag of serve`;

const ACCOUNT = /^[a-z_][a-z0-9_-]{0,31}$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,60}$/;
const HOMES = ['/home/', '/root/', '/run/user/'] as const;
const PRIVILEGED_BELOW = 1024;

/**
 * Throws UsageError for what could never work. `executable` is where this one lies; `problemOf` that place is handed in
 * by tests.
 */
export function servicePlan(
  words: readonly string[],
  executable: string,
  problemOf: typeof placeProblem = placeProblem,
): ServicePlan {
  const { taken, rest } = takenFrom(
    words,
    ['--user', '--no-start', '--replace', '--dry-run'],
    ['--name', '--run-as'],
  );
  const kind = taken.has('--user') ? 'user' : 'system';
  const name = shaped('--name', taken.get('--name') ?? 'tollgate', NAME);
  const account = shaped('--run-as', taken.get('--run-as') ?? 'tollgate', ACCOUNT);
  if (account === 'root') throw new UsageError('--run-as: not root; Tollgate needs none of its rights');
  const problem = problemOf(executable, kind === 'system');
  if (problem !== undefined) throw new UsageError(`service: ${problem}`);
  const home = homedir();
  const dataDefault = kind === 'system' ? `/var/lib/${name}` : join(home, '.local/share', name);
  const given = absoluteWords(rest);
  const hasData = given.some((word) => word === '--data' || word.startsWith('--data='));
  const serveArguments = hasData ? given : ['--data', dataDefault, ...given];
  // Nothing of this shell's environment is taken over: the unit would not have it.
  const settings = serveSettings(serveArguments, readEnvironment({}));
  const { dataFolder, configFile, logFile, drainSeconds } = settings;
  const lowPort = wantsLowPort(serveArguments, settings.port);
  if (lowPort && kind === 'user')
    throw new UsageError('--port: a user unit may not listen below 1024; leave --user out, or put a proxy before it');
  const { tls } = settings;
  const ofTls = tls?.kind === 'files' ? [tls.certFile, tls.keyFile] : [tls?.caFile];
  const logFolder = logFile === undefined ? undefined : resolve(logFile, '..');
  const paths = [executable, dataFolder, configFile, logFile, ...ofTls].filter((path) => path !== undefined);
  const environmentFile = kind === 'system' ? `/etc/${name}/environment` : join(home, '.config', name, 'environment');
  return {
    kind,
    name,
    account,
    dataFolder,
    logFolder,
    environmentFile,
    unitPath: unitPathOf(kind, name, home),
    dryRun: taken.has('--dry-run'),
    replace: taken.has('--replace'),
    noStart: taken.has('--no-start'),
    unit: unitText({
      kind,
      executable,
      serveArguments,
      account,
      environmentFile,
      writable: [dataFolder, ...(logFolder === undefined ? [] : [logFolder])],
      lowPort,
      inHome: paths.some((path) => HOMES.some((folder) => path.startsWith(folder))),
      drainSeconds,
    }),
  };
}

const unitPathOf = (kind: ServicePlan['kind'], name: string, home: string): string =>
  kind === 'system' ? `/etc/systemd/system/${name}.service` : join(home, '.config/systemd/user', `${name}.service`);

function shaped(flag: string, text: string, shape: RegExp): string {
  if (!shape.test(text)) throw new UsageError(`${flag}: '${text}' is no name that can be used here`);
  return text;
}

/** Also of ports beside the main one, and where a certificate authority is to reach us. */
function wantsLowPort(words: readonly string[], port: number): boolean {
  if (port > 0 && port < PRIVILEGED_BELOW) return true;
  const text = words.join(' ');
  const others = [...text.matchAll(/--[a-z-]*port[= ](\d+)/g)].map(([, number]) => Number(number));
  return /--acme/.test(text) || others.some((number) => number > 0 && number < PRIVILEGED_BELOW);
}
