// The bare user account that the journey runs in: one of its own when this is root and may make one, else the present
// user in a home of its own. Neither Bun nor Node is on its path.

import { mkdtempSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface Ran {
  readonly exitCode: number;
  readonly output: string;
  readonly errors: string;
}

export interface Host {
  readonly home: string;
  readonly account: string;
  /** A command line of a shell in the home. */
  run(line: string, environment?: Readonly<Record<string, string>>): Promise<Ran>;
  /** The same, with an exit code of 0 or an error that says what was said. */
  must(line: string, environment?: Readonly<Record<string, string>>): Promise<string>;
  remove(): void;
}

const BARE_PATH = '/usr/bin:/bin';

export function bareHost(own: boolean): Host {
  if (own && process.getuid?.() === 0) return ownAccount();
  // Where the checkout lies may be a temporary place, from which no service is installed.
  const home = mkdtempSync(join(homedir(), '.tollgate-journey-'));
  return host(home, 'the present user', [], () => rmSync(home, { recursive: true, force: true }));
}

function ownAccount(): Host {
  const account = `tgj${process.pid}`;
  const home = `/home/${account}`;
  const made = Bun.spawnSync(['useradd', '--create-home', '--home-dir', home, '--shell', '/bin/sh', account]);
  if (!made.success) throw new Error(`no account could be made: ${made.stderr.toString()}`);
  const as = ['setpriv', `--reuid=${account}`, `--regid=${account}`, '--clear-groups'];
  return host(home, account, as, () => {
    Bun.spawnSync(['userdel', '--remove', account]);
  });
}

function host(home: string, account: string, as: readonly string[], remove: () => void): Host {
  const run: Host['run'] = async (line, environment = {}) => {
    const child = Bun.spawn([...as, '/bin/sh', '-c', line], {
      cwd: home,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
      env: { HOME: home, PATH: BARE_PATH, ...environment },
    });
    const [output, errors, exitCode] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { exitCode, output, errors };
  };
  return {
    home,
    account,
    run,
    async must(line, environment) {
      const { exitCode, output, errors } = await run(line, environment);
      if (exitCode !== 0) throw new Error(`'${line}' ended with ${exitCode}:\n${output}${errors}`);
      return output;
    },
    remove,
  };
}
