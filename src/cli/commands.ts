// The commands by name. Each is loaded when it is asked for, so that `serve` starts without the others.

import { checkFlagsHelp, serveFlagsHelp, UsageError } from './arguments.ts';
import { buildFlagsHelp } from './build/flags-help.ts';
import type { CommandContext } from './serve.ts';
import { version } from './version.ts';

type Command = (argv: readonly string[], context: CommandContext) => Promise<number>;

interface Entry {
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

const commands: Readonly<Record<string, Entry>> = {
  serve: { summary: 'serve until a signal (the default)', load: async () => (await import('./serve.ts')).serveCommand },
  check: {
    summary: 'show the resolved config and what is wrong with it',
    load: async () => (await import('./check.ts')).checkCommand,
  },
  verify: {
    summary: 'recompute every charge and balance of a data folder',
    load: async () => (await import('./verify.ts')).verifyCommand,
  },
  backup: {
    summary: 'write everything into one file, while it serves or not: --out FILE [--without-secrets]',
    load: async () => (await import('./backup.ts')).backupCommand,
  },
  restore: {
    summary: 'make a data folder of a backup, verified: FILE [--replace] [--sha256 HEX]',
    load: async () => (await import('./restore.ts')).restoreCommand,
  },
  migrate: {
    summary: 'bring the files of a data folder up to this version: [--dry-run]',
    load: async () => (await import('./migrate.ts')).migrateCommand,
  },
  doctor: {
    summary: 'find the usual mistakes: [--network] [--streams N] and flags of serve',
    load: async () => (await import('./doctor/doctor.ts')).doctorCommand,
  },
  upgrade: {
    summary: 'let another executable take over from a running one',
    load: async () => (await import('./upgrade.ts')).upgradeCommand,
  },
  service: {
    summary: 'install, uninstall or print a systemd unit',
    load: async () => (await import('./service/service.ts')).serviceCommand,
  },
  build: {
    summary: 'compile a config and its plugins into an executable of its own',
    load: async () => (await import('./build.ts')).buildCommand,
  },
  init: {
    summary: 'write a config to begin with, and the types that an editor needs',
    load: async () => (await import('./init.ts')).initCommand,
  },
  openapi: { summary: 'write the API descriptions', load: async () => (await import('./describe.ts')).describeCommand },
  plugin: { summary: 'pin or test a drop-in', load: async () => (await import('./plugin.ts')).pluginCommand },
  upstream: { summary: 'run the simulator alone', load: async () => (await import('./upstream.ts')).upstreamCommand },
};

const help = () =>
  [
    `tollgate ${version}`,
    '',
    'Commands:',
    ...Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`),
    '',
    'Flags of serve and check:',
    serveFlagsHelp,
    '',
    'Flags of check alone:',
    checkFlagsHelp,
    '',
    'Flags of build:',
    buildFlagsHelp,
    '',
  ].join('\n');

/** Returns the exit code. What the user got wrong is one clear text on standard error, without a stack. */
export async function runCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const first = argv[0];
  if (first === '--help' || first === '-h' || first === 'help') {
    context.print(help());
    return 0;
  }
  if (first === '--version') {
    context.print(`${version}\n`);
    return 0;
  }
  const named = first !== undefined && !first.startsWith('-');
  const name = named ? first : 'serve';
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (entry === undefined) {
    context.printError(`tollgate: there is no command '${first ?? ''}'\n\n${help()}`);
    return 2;
  }
  try {
    const command = await entry.load();
    return await command(named ? argv.slice(1) : argv, context);
  } catch (error) {
    if (isForTheUser(error)) {
      context.printError(`tollgate: ${error.message}\n`);
      return error instanceof UsageError ? 2 : 1;
    }
    throw error;
  }
}

/** Errors whose message is written for the person at the terminal. */
const spokenNames: ReadonlySet<string> = new Set([
  'BackupArchiveError',
  'BackupFileExistsError',
  'ConfigProblemsError',
  'DataFolderInUseError',
  'DropInProblem',
  'JournalDamagedError',
  'MasterKeyError',
  'MisorderedSchemaError',
  'NewerJournalError',
  'NewerSchemaError',
  'SecretFileError',
  'SnapshotError',
  'TermsDocumentsError',
]);

function isForTheUser(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  if (!(error instanceof Error)) return false;
  return spokenNames.has(error.name) || ('code' in error && (error.code === 'EADDRINUSE' || error.code === 'EACCES'));
}
