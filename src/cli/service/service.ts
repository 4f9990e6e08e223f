// `tollgate service`: a systemd unit for the executable that runs this, at the place where it lies. Doing it again
// changes nothing; what somebody else wrote is left alone.

import {
  chmodSync, chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { UsageError } from '../arguments.ts';
import type { CommandContext } from '../serve.ts';
import { serviceFlagsHelp, servicePlan, type ServicePlan } from './plan.ts';
import { isOurs } from './unit.ts';

/** Runs a program of the system; for tests, notes that it would. */
export type RunProgram = (...words: readonly string[]) => { readonly ok: boolean; readonly output: string };

const runProgram: RunProgram = (...words) => {
  try {
    const { success, stdout, stderr } = Bun.spawnSync([...words], { stdout: 'pipe', stderr: 'pipe' });
    return { ok: success, output: `${stdout.toString()}${stderr.toString()}`.trim() };
  } catch (error) {
    return { ok: false, output: error instanceof Error ? error.message : String(error) };
  }
};

const usage = `service: say what to do: install, uninstall or print\n${serviceFlagsHelp}`;

export async function serviceCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const [action, ...words] = argv;
  if (action !== 'install' && action !== 'uninstall' && action !== 'print') throw new UsageError(usage);
  if (!Bun.main.startsWith('/$bunfs/'))
    throw new UsageError('service: only an executable can be installed; build one, or take a released one');
  const plan = servicePlan(words, process.execPath);
  if (action === 'print') context.print(plan.unit);
  else if (action === 'install') install(plan, context.print);
  else uninstall(plan, context.print);
  return 0;
}

export function install(plan: ServicePlan, print: (text: string) => void, run: RunProgram = runProgram): void {
  const { kind, unit, unitPath, account, dataFolder, logFolder, environmentFile, name } = plan;
  const present = existsSync(unitPath) ? readFileSync(unitPath, 'utf8') : undefined;
  if (present !== undefined && present !== unit && !isOurs(present) && !plan.replace)
    throw new UsageError(`${unitPath} is not as Tollgate wrote it; look at it, then say --replace`);
  if (plan.dryRun) {
    print(`Would ${present === unit ? 'leave' : 'write'} ${unitPath}:\n\n${unit}\n`);
    print(`Would keep data in ${dataFolder} and secrets in ${environmentFile}, both for ${owner(plan)} alone.\n`);
    return;
  }
  if (kind === 'system') {
    if (process.getuid?.() !== 0) throw new UsageError('service: a system unit is written by root; use sudo, or --user');
    ensureAccount(account, dataFolder, run);
  }
  privateFolder(dataFolder, plan, run);
  // One that is there is somebody's: whether the account may write to it is theirs to say.
  if (logFolder !== undefined && !existsSync(logFolder)) privateFolder(logFolder, plan, run);
  privateFolder(dirname(environmentFile), { ...plan, kind: 'user' }, run);
  if (!existsSync(environmentFile)) writeFileSync(environmentFile, environmentHelp, { mode: 0o600 });
  if (present !== unit) writeWhole(unitPath, unit);
  print(`${present === unit ? 'Unchanged' : 'Written'}: ${unitPath}\n`);
  startUnit(plan, print, run);
  print(
    `Data:    ${dataFolder}\nSecrets: ${environmentFile}\n` +
      `Look:    ${manager(plan).join(' ')} status ${name}\n` +
      `         journalctl ${kind === 'user' ? '--user ' : ''}-u ${name}   (the first start prints its keys there)\n`,
  );
}

export function uninstall(plan: ServicePlan, print: (text: string) => void, run: RunProgram = runProgram): void {
  const { unitPath, name, dataFolder, environmentFile } = plan;
  if (!existsSync(unitPath)) throw new UsageError(`service: there is no ${unitPath}`);
  if (!isOurs(readFileSync(unitPath, 'utf8')) && !plan.replace)
    throw new UsageError(`${unitPath} is not as Tollgate wrote it; look at it, then say --replace`);
  if (plan.dryRun) return print(`Would stop ${name} and remove ${unitPath}.\n`);
  run(...manager(plan), 'disable', '--now', name);
  rmSync(unitPath);
  run(...manager(plan), 'daemon-reload');
  print(`Removed: ${unitPath}\nLeft:    ${dataFolder}, ${environmentFile}\n`);
}

const environmentHelp = [
  '# Environment of Tollgate: NAME=value, one a line. Every flag of serve has a twin here; secrets belong nowhere else.',
  '# OPENAI_API_KEY=',
  '# TOLLGATE_MASTER_KEY=',
  '',
].join('\n');

const owner = ({ kind, account }: ServicePlan): string => (kind === 'system' ? account : 'you');
const manager = ({ kind }: ServicePlan): readonly string[] =>
  kind === 'user' ? ['systemctl', '--user'] : ['systemctl'];

function ensureAccount(account: string, home: string, run: RunProgram): void {
  if (run('id', '-u', account).ok) return;
  const flags = ['--system', '--user-group', '--no-create-home', '--home-dir', home, '--shell', '/usr/sbin/nologin'];
  const made = run('useradd', ...flags, account);
  if (!made.ok) throw new UsageError(`service: the account ${account} could not be made: ${made.output}`);
}

type Owner = Pick<ServicePlan, 'kind' | 'account'>;

function privateFolder(folder: string, { kind, account }: Owner, run: RunProgram): void {
  if (!existsSync(folder)) mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (kind !== 'system') return;
  const [uid, gid] = ['-u', '-g'].map((which) => Number(run('id', which, account).output));
  if (uid === undefined || gid === undefined || !Number.isInteger(uid)) return;
  if (statSync(folder).uid === uid) return;
  if (statSync(folder).uid !== 0) throw new UsageError(`service: ${folder} belongs to another user than ${account}`);
  chownSync(folder, uid, gid);
  chmodSync(folder, 0o700);
}

function writeWhole(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, text, { mode: 0o644 });
  renameSync(`${path}.new`, path);
}

function startUnit(plan: ServicePlan, print: (text: string) => void, run: RunProgram): void {
  const commands = [
    [...manager(plan), 'daemon-reload'],
    [...manager(plan), 'enable', '--now', plan.name],
  ];
  const runs = run(...manager(plan), 'is-system-running');
  const reachable = runs.ok || /^(running|degraded|starting|maintenance)/.test(runs.output);
  if (plan.noStart || !reachable) {
    print(`Start it with:\n${commands.map((words) => `  ${words.join(' ')}\n`).join('')}`);
  } else {
    for (const words of commands) {
      const { ok, output } = run(...words);
      if (!ok) throw new UsageError(`service: '${words.join(' ')}' failed: ${output}`);
    }
    print(`Started: ${plan.name}\n`);
  }
  if (plan.kind === 'user') print('To run while nobody is signed in: loginctl enable-linger\n');
}
