// One process takes over from another while requests run: streams go on, connections that were open are served, who
// calls is still known; and where it fails at whatever point, the first process goes on.

import { afterAll, afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { dlopen, ptr } from 'bun:ffi';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeRequest } from '../../src/cli/handover/request-file.ts';
import { findRunning } from '../../src/cli/running-file.ts';
import { chatRequest, talk } from '../journeys/vps/talk.ts';
import { scratchFolders } from '../store/scratch.ts';
import { command } from '../support/commands.ts';
import { builtExecutable, startExecutable, type RunningExecutable } from '../support/executable.ts';
import { field } from '../support/gateway.ts';

setDefaultTimeout(60_000);
const scratch = scratchFolders();

let gateway: RunningExecutable;
let service: ReturnType<typeof serviceManager>;
beforeEach(async () => {
  service = serviceManager(join(scratch(), 'notify'));
  gateway = await startExecutable({ environment: { NOTIFY_SOCKET: service.path }, argv: ['--drain-seconds', '2'] });
});
/** Also where a test has failed in the middle. */
afterEach(async () => {
  for (const pid of [ownerOf(), gateway.child.pid]) killed(pid);
  await gateway.child.exited;
});
afterAll(() => service.close());

const ownerOf = () => Number(readFileSync(join(gateway.dataFolder, 'lock.owner'), 'utf8'));
const message = (content: string, stream = false) => ({
  model: 'sim/echo', stream, messages: [{ role: 'user', content }],
});
const place = () => ({ host: '127.0.0.1', port: Number(new URL(gateway.url).port), apiKey: gateway.apiKey });
const upgrade = (to: string) => command(['upgrade', '--data', gateway.dataFolder, '--to', to]);

/** A successor that is like the real one but for its arguments. */
async function script(more: string): Promise<string> {
  const path = join(scratch(), 'successor');
  writeFileSync(path, `#!/bin/sh\nexec '${await builtExecutable()}' "$@" ${more}\n`);
  chmodSync(path, 0o755);
  return path;
}

async function outcomes(): Promise<Record<string, number>> {
  const { body } = await gateway.admin('GET', '/usage?limit=50');
  const counts: Record<string, number> = {};
  for (const item of Array.isArray(body['items']) ? body['items'] : []) {
    const outcome = String(field(item, 'outcome'));
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
}

async function eventually(what: string, holds: () => boolean | Promise<boolean>, pollMs = 20): Promise<void> {
  for (const untilMs = performance.now() + 15_000; !(await holds()); await Bun.sleep(pollMs))
    if (performance.now() > untilMs) throw new Error(`in vain: ${what}`);
}

test('what runs goes on, what is open is served, and both processes leave when they are told', async () => {
  const [idle, streaming, uploading] = [talk(place()), talk(place()), talk(place())];
  idle.say(chatRequest(place(), message('first')));
  await idle.until((heard) => heard.includes('"usage"'));
  streaming.say(chatRequest(place(), message('[[sim: chunks=25 gap=40]] x', true)));
  await streaming.until((heard) => heard.includes('data: '));
  const slow = chatRequest(place(), message('sent slowly'));
  uploading.say(slow.slice(0, -10));
  expect(await service.until('READY=1')).toContain('READY=1');

  const { exitCode, output } = await upgrade(await builtExecutable());
  expect([exitCode, output]).toEqual([0, expect.stringMatching(/^Version \S+ serves as process \d+; calls waited \d+ ms/)]);
  const successor = ownerOf();
  expect(successor).not.toBe(gateway.child.pid);
  expect(await service.until('MAINPID')).toContain(`MAINPID=${successor}\nREADY=1`);
  expect(findRunning(gateway.dataFolder)).toMatchObject({ pid: successor, url: gateway.url });

  idle.forget();
  idle.say(chatRequest(place(), message('second')));
  const second = await idle.until((heard) => heard.includes('"usage"'));
  expect(second).toMatch(/^HTTP\/1.1 200 [^]*connection: close\r\n/i);
  uploading.say(slow.slice(-10));
  expect(await uploading.until((heard) => heard.includes('"usage"'))).toStartWith('HTTP/1.1 200 ');
  expect(await streaming.until((heard) => heard.endsWith('0\r\n\r\n'))).toContain('data: [DONE]');
  expect((await gateway.client('/chat/completions', message('fresh'))).status).toBe(200);
  const { body } = await gateway.admin('GET', '/usage?limit=50');
  const items = Array.isArray(body['items']) ? body['items'] : [];
  const detail = (item: unknown) => gateway.admin('GET', `/usage/${String(field(item, 'requestId'))}`);
  const records = await Promise.all(items.map(detail));
  expect(records.map((record) => [record.body['outcome'], record.body['address']])).toEqual(
    Array.from({ length: 5 }, () => ['finished', '127.0.0.1']),
  );

  process.kill(successor, 'SIGTERM');
  expect(await gateway.child.exited).toBe(0);
  await eventually('the successor leaves', () => !isAlive(successor));
  const verified = await command(['verify', '--data', gateway.dataFolder]);
  expect([verified.exitCode, verified.output]).toEqual([0, expect.stringContaining('0 open holds')]);
});

test('a stop lets those end, too, whose connections are with the former process', async () => {
  const kept = talk(place());
  kept.say(chatRequest(place(), message('first')));
  await kept.until((heard) => heard.includes('"usage"'));
  expect((await upgrade(await builtExecutable())).exitCode).toBe(0);
  kept.forget();
  kept.say(chatRequest(place(), message('[[sim: chunks=25 gap=40]] x', true)));
  await kept.until((heard) => heard.includes('data: '));
  process.kill(ownerOf(), 'SIGTERM');
  expect(await kept.until((heard) => heard.endsWith('0\r\n\r\n'))).toContain('data: [DONE]');
  expect(await gateway.child.exited).toBe(0);
});

describe('a successor that fails', () => {
  test.each([
    ['to start at all', async () => '/bin/false', 'exit code 1'],
    ['to read its config', () => script('--preset nosuch'), "no preset is called 'nosuch'"],
    ['after it had the data folder', () => script('--host 192.0.2.7'), 'EADDRNOTAVAIL'],
  ])('%s changes nothing', async (_, successor, why) => {
    const streaming = talk(place());
    streaming.say(chatRequest(place(), message('[[sim: chunks=14 gap=40]] x', true)));
    await streaming.until((heard) => heard.includes('data: '));
    const { exitCode, errors } = await upgrade(await successor());
    expect([exitCode, errors]).toEqual([1, expect.stringContaining(why)]);
    expect(ownerOf()).toBe(gateway.child.pid);
    expect(findRunning(gateway.dataFolder)?.pid).toBe(gateway.child.pid);
    expect((await gateway.client('/chat/completions', message('after'))).status).toBe(200);
    expect(await streaming.until((heard) => heard.endsWith('0\r\n\r\n'))).toContain('data: [DONE]');
    expect(await outcomes()).toEqual({ finished: 2 });
    gateway.child.kill('SIGTERM');
    expect(await gateway.child.exited).toBe(0);
    expect((await command(['verify', '--data', gateway.dataFolder])).exitCode).toBe(0);
  });
});

test('a former process that dies leaves no hold open', async () => {
  const streaming = talk(place());
  streaming.say(chatRequest(place(), message('[[sim: chunks=1000 gap=40]] x', true)));
  await streaming.until((heard) => heard.includes('data: '));
  expect((await upgrade(await builtExecutable())).exitCode).toBe(0);
  expect(await outcomes()).toEqual({});
  gateway.child.kill('SIGKILL');
  await eventually('its request is closed', async () => (await outcomes())['recovered'] === 1);
  const successor = ownerOf();
  process.kill(successor, 'SIGTERM');
  await eventually('the successor leaves', () => !isAlive(successor));
  const verified = await command(['verify', '--data', gateway.dataFolder]);
  expect([verified.exitCode, verified.output]).toEqual([0, expect.stringContaining('0 open holds')]);
});

describe('what came of it cannot be written down', () => {
  beforeEach(() => mkdirSync(join(gateway.dataFolder, 'upgrade-result.json', 'x'), { recursive: true }));

  test('after an upgrade that failed: the gateway serves all the same', async () => {
    writeRequest(gateway.dataFolder, { id: 'a', executable: '/bin/false' });
    gateway.child.kill('SIGUSR2');
    await eventually('it says so', () => gateway.errors().includes('not upgraded'));
    expect((await gateway.client('/chat/completions', message('after'))).status).toBe(200);
    expect(gateway.child.exitCode).toBeNull();
  });

  test('after one that did not: what runs goes on, and is settled', async () => {
    const streaming = talk(place());
    streaming.say(chatRequest(place(), message('[[sim: chunks=25 gap=40]] x', true)));
    await streaming.until((heard) => heard.includes('data: '));
    writeRequest(gateway.dataFolder, { id: 'a', executable: await builtExecutable() });
    gateway.child.kill('SIGUSR2');
    expect(await streaming.until((heard) => heard.endsWith('0\r\n\r\n'))).toContain('data: [DONE]');
    expect(findRunning(gateway.dataFolder)?.pid).not.toBe(gateway.child.pid);
    expect(await outcomes()).toEqual({ finished: 1 });
  });
});

test('the signal reaches nobody who only holds the folder, or has the number of one who served', async () => {
  const folder = scratch();
  const other = Bun.spawn(['sleep', '60']);
  writeFileSync(join(folder, 'lock.owner'), `${other.pid}\n`);
  for (const running of ['', JSON.stringify({ pid: other.pid, url: 'http://127.0.0.1:1', startedAt: '' })]) {
    writeFileSync(join(folder, 'running.json'), running);
    const { exitCode, errors } = await command(['upgrade', '--data', folder]);
    expect([exitCode, errors]).toEqual([2, expect.stringContaining('nothing serves from')]);
    writeFileSync(join(folder, 'lock.owner'), `${other.pid}\n`);
  }
  expect([other.exitCode, other.signalCode]).toEqual([null, null]);
  other.kill();
});

test('a signal that comes early does not end the process', async () => {
  const dataFolder = join(scratch(), 'data');
  const early = Bun.spawn([await builtExecutable(), 'serve', '--port', '0', '--data', dataFolder], {
    stdin: 'ignore', stdout: 'pipe', stderr: 'ignore', env: {},
  });
  await eventually('it has the folder', () => existsSync(join(dataFolder, 'lock.owner')), 1);
  early.kill('SIGUSR2');
  const { value = new Uint8Array() } = await early.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toContain('serves on');
  const successorOf = () => findRunning(dataFolder)?.pid ?? early.pid;
  await eventually('it is heard once it serves', () => successorOf() !== early.pid);
  for (const pid of [successorOf(), early.pid]) killed(pid);
  await early.exited;
});

test('an upgrade of nothing, or to nothing, says so', async () => {
  expect(await command(['upgrade', '--data', scratch()])).toMatchObject({
    exitCode: 2, errors: expect.stringContaining('nothing serves from'),
  });
  expect((await upgrade('/nowhere/tollgate')).errors).toContain('there is no file');
  expect((await upgrade('/etc/passwd')).errors).toContain('is not executable');
  expect((await command(['upgrade', '--too'])).exitCode).toBe(2);
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function killed(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has gone by itself.
  }
}

/** What a service manager would hear, one datagram after the other. Bun has no such sockets of its own. */
function serviceManager(path: string) {
  const { symbols } = dlopen('libc.so.6', {
    socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
    bind: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
    recv: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i64' },
    close: { args: ['i32'], returns: 'i32' },
  });
  const [unix, datagram, dontWait] = [1, 2, 0x40];
  const address = Buffer.alloc(path.length + 3);
  address.writeUInt16LE(unix, 0);
  address.write(path, 2);
  const socket = symbols.socket(unix, datagram, 0);
  if (symbols.bind(socket, ptr(address), address.length) !== 0) throw new Error(`${path} cannot be bound`);
  const bytes = Buffer.alloc(4_096);
  return {
    path,
    async until(word: string): Promise<string> {
      let heard = '';
      await eventually(`the service manager hears ${word}`, () => {
        const length = Number(symbols.recv(socket, ptr(bytes), bytes.length, dontWait));
        if (length > 0) heard = bytes.toString('utf8', 0, length);
        return heard.includes(word);
      });
      return heard;
    },
    close: () => void symbols.close(socket),
  };
}
