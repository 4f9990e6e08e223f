// A config that is read again while another process is about to take over: that one has read it already, so the reload
// is refused, or waits and reaches the process that serves in the end. What was reloaded is never undone in silence.

import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { configText, startReloadStage, until, type ReloadStage } from '../journeys/reload-stage.ts';
import { command } from '../support/commands.ts';
import { builtExecutable } from '../support/executable.ts';
import { field, textField } from '../support/gateway.ts';

setDefaultTimeout(60_000);
let stage: ReloadStage;
beforeEach(async () => {
  stage = await startReloadStage();
});
afterEach(async () => {
  for (const pid of [ownerOf(), stage.running.child.pid]) killed(pid);
  await stage.stop();
});

const ownerOf = () => Number(readFileSync(join(stage.running.dataFolder, 'lock.owner'), 'utf8'));

function killed(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** Only the process that takes over waits: after its config was read, until there is a file `go`. */
const waiting = (input: number, ends: string) =>
  configText({
    input,
    head: `import { existsSync, writeFileSync } from 'node:fs';
if (process.env.TOLLGATE_HANDOVER === '1') {
  writeFileSync(import.meta.dir + '/has-read', '');
  while (!existsSync(import.meta.dir + '/go')) await Bun.sleep(10);
  ${ends}
}`,
  });

async function handedOver(ends: string) {
  const beside = (name: string) => join(dirname(stage.configFile), name);
  stage.write(waiting(1_001, ends));
  expect((await stage.reload()).status).toBe(200);
  const upgrading = command(['upgrade', '--data', stage.running.dataFolder, '--to', await builtExecutable()]);
  await until(async () => (existsSync(beside('has-read')) ? true : undefined), 'the successor reads its config');
  stage.write(waiting(1_002, ends));
  const refused = await stage.reload();
  expect([refused.status, refused.body['code']]).toEqual([503, 'shutting_down']);
  stage.running.child.kill('SIGHUP');
  stage.write('', 'go');
  return upgrading;
}

const reloadedBySignal = () =>
  until(async () => {
    const { body } = await stage.running.admin('GET', '/audit-events?limit=1');
    const [event]: readonly unknown[] = Array.isArray(body['items']) ? body['items'] : [];
    if (field(event, 'actor') !== 'signal') return undefined;
    return textField(event, 'change').includes('1002 micro-USD');
  }, 'the reload of the signal');

test('is read again by the process that took over', async () => {
  const { exitCode } = await handedOver('');
  expect([exitCode, ownerOf() === stage.running.child.pid]).toEqual([0, false]);
  expect(await reloadedBySignal()).toBe(true);
});

test('is read again by the process that stayed, when the other one fails', async () => {
  const { exitCode } = await handedOver("throw new Error('no luck');");
  expect([exitCode, ownerOf() === stage.running.child.pid]).toEqual([1, true]);
  expect(await reloadedBySignal()).toBe(true);
});
