// The unit that is written, where it may be written, and that nothing of anybody else's is overwritten.

import { describe, expect, test } from 'bun:test';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../../src/cli/arguments.ts';
import { servicePlan, type ServicePlan } from '../../src/cli/service/plan.ts';
import { placeProblem } from '../../src/cli/service/safe-place.ts';
import { absoluteWords, takenFrom } from '../../src/cli/service/serve-words.ts';
import { install, uninstall } from '../../src/cli/service/service.ts';
import { isOurs, quoted, unitText, type UnitFacts } from '../../src/cli/service/unit.ts';
import { scratchFolders } from '../store/scratch.ts';

const scratch = scratchFolders();

const facts = (over: Partial<UnitFacts> = {}): UnitFacts => ({
  kind: 'system', executable: '/usr/local/bin/tollgate', serveArguments: ['--data', '/var/lib/tollgate'],
  account: 'tollgate', environmentFile: '/etc/tollgate/environment', writable: ['/var/lib/tollgate'], lowPort: false,
  inHome: false, drainSeconds: 30, ...over,
});

describe('the unit', () => {
  test('runs as somebody without rights, and has time for its drain', () => {
    const unit = unitText(facts({ drainSeconds: 90 }));
    for (const line of [
      'User=tollgate', 'NoNewPrivileges=yes', 'ProtectSystem=strict', 'ReadWritePaths=/var/lib/tollgate',
      'PrivateTmp=yes', 'CapabilityBoundingSet=', 'Type=notify', 'NotifyAccess=all', 'TimeoutStopSec=105',
      'SystemCallFilter=@system-service', 'EnvironmentFile=-/etc/tollgate/environment', 'RestartPreventExitStatus=2',
    ]) expect(unit.split('\n')).toContain(line);
    // The engine writes machine code: with this it does not start.
    expect(unit).not.toMatch(/^MemoryDenyWriteExecute/m);
    expect(unit).not.toMatch(/^MemoryMax/m);
    expect(unit).not.toContain('AmbientCapabilities');
    // An account that was there before may have no group of its name; left out, it is the account's own.
    expect(unit).not.toMatch(/^Group=/m);
  });

  test('has the one capability that a low port needs', () => {
    expect(unitText(facts({ lowPort: true }))).toContain('AmbientCapabilities=CAP_NET_BIND_SERVICE\n');
  });

  test('of a user names no account and needs no namespace', () => {
    expect(unitText(facts({ kind: 'user' }))).not.toMatch(/^(User|ProtectSystem|PrivateTmp|CapabilityBoundingSet)=/m);
  });

  test('is known again, and not once somebody changed it', () => {
    const unit = unitText(facts());
    const changed = unit.replace('RestartSec=2', 'RestartSec=3');
    expect([unit, changed, '[Unit]\n', ''].map(isOurs)).toEqual([true, false, false, false]);
  });

  test('words stay the words that they are', () => {
    expect(['plain-1.0/x', 'a b', '100%', '$HOME', 'say "so"', 'back\\slash', ''].map(quoted)).toEqual([
      'plain-1.0/x', '"a b"', '100%%', '"$$HOME"', '"say \\"so\\""', '"back\\\\slash"', '""',
    ]);
  });
});

test('paths hold wherever the unit is started', () => {
  const here = process.cwd();
  expect(absoluteWords(['--data', 'd', '--port', '1', '--config=c.ts', '--public-url', 'https://a'])).toEqual([
    '--data', join(here, 'd'), '--port', '1', `--config=${join(here, 'c.ts')}`, '--public-url', 'https://a',
  ]);
});

test('a file of TLS or of the log may lie in a home as well, whatever the flag is called', () => {
  const home = '/home/somebody';
  const lines = (...words: readonly string[]) =>
    servicePlan(['--data', '/var/lib/x', ...words], '/usr/bin/tollgate', () => undefined).unit.split('\n');
  const acme = ['--acme-domains', 'a.example', '--acme-agree'];
  for (const words of [
    ['--tls-cert', `${home}/c.pem`, '--tls-key', '/etc/k.pem'],
    ['--tls-cert=/etc/c.pem', `--tls-key=${home}/k.pem`],
    [...acme, '--acme-ca', `${home}/root.pem`],
    ['--log', `${home}/tollgate.log`],
  ]) expect([words, lines(...words).includes('ProtectHome=read-only')]).toEqual([words, true]);
  expect(lines(...acme)).toContain('ProtectHome=yes');
  expect(absoluteWords(['--acme-ca', 'root.pem'])).toEqual(['--acme-ca', join(process.cwd(), 'root.pem')]);
});

test('flags of the service are told from those of serve', () => {
  const words = ['--user', '--name', 'x', '--port', '1', '--run-as=y'];
  const { taken, rest } = takenFrom(words, ['--user'], ['--name', '--run-as']);
  expect([...taken]).toEqual([['--user', ''], ['--name', 'x'], ['--run-as', 'y']]);
  expect(rest).toEqual(['--port', '1']);
});

describe('the place of the executable', () => {
  test('is no temporary folder', () => {
    const file = join(scratch(), 'tollgate');
    writeFileSync(file, '');
    expect(placeProblem(file, false)).toContain('which is emptied');
    expect(placeProblem(`${file}-missing`, false)).toContain('there is no file');
  });

  test('is one that others cannot write to', () => {
    const folder = join(import.meta.dir, `.place-${process.pid}`);
    mkdirSync(folder);
    try {
      const file = join(folder, 'tollgate');
      writeFileSync(file, '', { mode: 0o755 });
      chmodSync(folder, 0o777);
      // The checkout itself may lie in a folder that is emptied.
      expect(placeProblem(file, false, [])).toContain(`anybody may write to ${folder}`);
    } finally {
      chmodSync(folder, 0o700);
      rmSync(folder, { recursive: true });
    }
  });
});

describe('installing', () => {
  const planIn = (folder: string, over: Partial<ServicePlan> = {}): ServicePlan => ({
    kind: 'user', name: 'tollgate', account: 'tollgate', dataFolder: join(folder, 'data'), logFolder: undefined,
    environmentFile: join(folder, 'config/environment'), unitPath: join(folder, 'units/tollgate.service'),
    unit: unitText(facts({ kind: 'user' })), dryRun: false, replace: false, noStart: false, ...over,
  });
  const rig = () => {
    const ran: string[] = [];
    let printed = '';
    return {
      ran,
      said: () => printed,
      print: (text: string) => void (printed += text),
      run: (...words: readonly string[]) => {
        ran.push(words.join(' '));
        return { ok: true, output: 'running' };
      },
    };
  };
  const unreachable = (made: ReturnType<typeof rig>) => ({
    ...made,
    run: (...words: readonly string[]) => {
      made.ran.push(words.join(' '));
      return { ok: false, output: 'Failed to connect to bus' };
    },
  });

  test('writes the unit and a file for secrets that only its owner reads, and starts it', () => {
    const plan = planIn(scratch());
    const { print, run, ran, said } = rig();
    install(plan, print, run);
    expect(readFileSync(plan.unitPath, 'utf8')).toBe(plan.unit);
    expect([plan.environmentFile, plan.dataFolder].map((path) => statSync(path).mode & 0o777)).toEqual([0o600, 0o700]);
    expect(ran).toContain('systemctl --user enable --now tollgate');
    expect(said()).toContain('enable-linger');
  });

  test('makes the folder of a log, without which the unit would not start, and leaves one that is there', () => {
    const folder = scratch();
    const plan = planIn(folder, { logFolder: join(folder, 'logs/tollgate') });
    install(plan, () => {}, rig().run);
    expect(statSync(join(folder, 'logs/tollgate')).mode & 0o777).toBe(0o700);
    chmodSync(join(folder, 'logs/tollgate'), 0o755);
    install(plan, () => {}, rig().run);
    expect(statSync(join(folder, 'logs/tollgate')).mode & 0o777).toBe(0o755);
    const planned = servicePlan(['--log', '/var/log/x/y.log'], '/usr/bin/tollgate', () => undefined);
    expect(planned.logFolder).toBe('/var/log/x');
  });

  test('again changes nothing, and keeps the secrets', () => {
    const plan = planIn(scratch());
    install(plan, () => {}, rig().run);
    writeFileSync(plan.environmentFile, 'A=1\n');
    const { print, run, said } = rig();
    install(plan, print, run);
    expect(said()).toContain('Unchanged');
    expect(readFileSync(plan.environmentFile, 'utf8')).toBe('A=1\n');
  });

  test('replaces its own unit of before, but none that somebody wrote or changed', () => {
    const plan = planIn(scratch());
    install(plan, () => {}, rig().run);
    const newer = { ...plan, unit: unitText(facts({ kind: 'user', drainSeconds: 60 })) };
    install(newer, () => {}, rig().run);
    expect(readFileSync(plan.unitPath, 'utf8')).toBe(newer.unit);
    const changed = newer.unit.replace('RestartSec=2', 'RestartSec=9');
    writeFileSync(plan.unitPath, changed);
    expect(() => install(plan, () => {}, rig().run)).toThrow(UsageError);
    expect(() => uninstall(plan, () => {}, rig().run)).toThrow('--replace');
    expect(readFileSync(plan.unitPath, 'utf8')).toBe(changed);
    install({ ...plan, replace: true }, () => {}, rig().run);
    expect(readFileSync(plan.unitPath, 'utf8')).toBe(plan.unit);
  });

  test('without a manager to ask says what is to be done', () => {
    const plan = planIn(scratch());
    const { print, run, ran, said } = unreachable(rig());
    install(plan, print, run);
    expect(said()).toContain('systemctl --user daemon-reload');
    expect(ran.some((words) => words.includes('enable'))).toBeFalse();
  });

  test('a dry run touches nothing', () => {
    const plan = planIn(scratch(), { dryRun: true });
    const { print, run, ran, said } = rig();
    install(plan, print, run);
    expect([existsSync(plan.unitPath), existsSync(plan.dataFolder), ran]).toEqual([false, false, []]);
    expect(said()).toContain(plan.unit);
  });

  test('uninstalling leaves the data', () => {
    const plan = planIn(scratch());
    install(plan, () => {}, rig().run);
    const { print, run, ran } = rig();
    uninstall(plan, print, run);
    expect([existsSync(plan.unitPath), existsSync(plan.dataFolder), existsSync(plan.environmentFile)]).toEqual([
      false, true, true,
    ]);
    expect(ran).toContain('systemctl --user disable --now tollgate');
  });
});
