// `tollgate backup`, `restore` and `migrate` as an operator gives them, beside a gateway that serves and without one.

import { Database } from 'bun:sqlite';
import { describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import builtIn from '../../plugins/gateway.config.ts';
import { runCommand } from '../../src/cli/commands.ts';
import { readEnvironment } from '../../src/environment.ts';
import { lockDataFolder } from '../../src/store/data-folder-lock.ts';
import { migrate } from '../../src/store/migrate.ts';
import { nounsMigrations } from '../../src/store/nouns.ts';
import { unpack } from '../../src/store/usage-packs.ts';
import { readWhole } from '../store/archives.ts';
import { scratchFolders } from '../store/scratch.ts';
import { command } from '../support/commands.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';

const scratch = scratchFolders();
const call = { model: 'sim/echo', messages: [{ role: 'user', content: 'Hello' }] };

/** A gateway on a folder inside a folder of the test's own. */
async function serving(environment: Readonly<Record<string, string>> = {}) {
  const work = scratch();
  const dataFolder = join(work, 'data');
  return { work, gateway: await startTestGateway({ dataFolder, environment }) };
}

const backUp = (gateway: Pick<TestGateway, 'dataFolder'>, out: string, ...more: readonly string[]) =>
  command(['backup', '--data', gateway.dataFolder, '--out', out, ...more]);

async function stoppedFolder(): Promise<{ readonly work: string; readonly dataFolder: string }> {
  const { work, gateway } = await serving();
  expect((await gateway.client('/chat/completions', call)).status).toBe(200);
  await gateway.stop();
  return { work, dataFolder: gateway.dataFolder };
}

describe('a backup of a gateway that serves', () => {
  test('is restored to a gateway that knows everything that was acknowledged before', async () => {
    const { work, gateway } = await serving();
    const { apiKey, accountId } = await gateway.fundedKey(5_000_000_000n);
    const headers = { authorization: `Bearer ${apiKey}` };
    expect((await gateway.client('/chat/completions', call, headers)).status).toBe(200);
    const before = await gateway.admin('GET', `/accounts/${accountId}/balance`);
    const out = join(work, 'backup.tar.zst');
    const made = await backUp(gateway, out);
    expect(made).toMatchObject({ exitCode: 0, errors: '' });
    expect(made.output).toContain('taken while the gateway serves');
    expect(statSync(out).mode & 0o777).toBe(0o600);
    const digest = /SHA-256 ([0-9a-f]{64})/.exec(made.output)?.[1] ?? '';
    const audit = await gateway.admin('GET', '/audit-events?limit=5');
    expect(JSON.stringify(audit.body)).toContain('"backup.create"');
    // What comes after it is not in it.
    expect((await gateway.client('/chat/completions', call, headers)).status).toBe(200);
    const dataFolder = join(work, 'restored');
    const restored = await command(['restore', out, '--data', dataFolder, '--sha256', digest]);
    expect(restored).toMatchObject({ exitCode: 0, errors: '' });
    expect(restored.output).toContain('the books are in order');
    expect(readdirSync(work).toSorted()).toEqual(['backup.tar.zst', 'data', 'restored']);
    await gateway.stop();
    const again = await startTestGateway({ dataFolder });
    expect(again.operatorKey).toBe(gateway.operatorKey);
    expect(await again.admin('GET', `/accounts/${accountId}/balance`)).toEqual(before);
    expect((await again.client('/chat/completions', call, headers)).status).toBe(200);
    await again.stop();
  });

  test('closes, free of charge, what was running when it was taken', async () => {
    const { work, gateway } = await serving();
    const leaving = new AbortController();
    const slow = { model: 'sim/echo', stream: true, messages: [{ role: 'user', content: '[[sim: chunks=1000 gap=20]]' }] };
    const reply = await gateway.client('/chat/completions', slow, {}, leaving.signal);
    const reader = reply.body?.getReader();
    // The first byte of a stream comes when its hold is on the disk.
    await reader?.read();
    const out = join(work, 'backup');
    expect((await backUp(gateway, out)).exitCode).toBe(0);
    leaving.abort();
    await reader?.cancel().catch(() => undefined);
    await gateway.stop();
    const dataFolder = join(work, 'restored');
    const { exitCode, output } = await command(['restore', out, '--data', dataFolder]);
    expect(exitCode).toBe(0);
    expect(output).toContain('1 usage records');
    expect(output).toContain('0 open holds, 0 journal records not loaded yet');
    const ledger = new Database(join(dataFolder, 'ledger.db'), { readonly: true });
    const [pack] = ledger.query<{ texts: Uint8Array }, []>('SELECT texts FROM usage_pack').all();
    ledger.close();
    expect(unpack(pack?.texts ?? new Uint8Array(0)).join()).toContain('"outcome":"recovered"');
  });

  test('has the keys of the folder, unless they are to be left out', async () => {
    const { work, gateway } = await serving();
    const key = readFileSync(join(gateway.dataFolder, 'operator-key'), 'utf8').trim();
    writeFileSync(join(gateway.dataFolder, 'master-key'), 'a master key');
    expect((await backUp(gateway, join(work, 'with'))).output).toContain('keep it as you keep those');
    expect((await backUp(gateway, join(work, 'without'), '--without-secrets')).output).toContain('holds neither');
    await gateway.stop();
    await command(['restore', join(work, 'with'), '--data', join(work, 'a')]);
    expect(readFileSync(join(work, 'a', 'operator-key'), 'utf8').trim()).toBe(key);
    expect(readFileSync(join(work, 'a', 'master-key'), 'utf8')).toBe('a master key');
    const { output } = await command(['restore', join(work, 'without'), '--data', join(work, 'b')]);
    expect(readdirSync(join(work, 'b')).filter((name) => name.endsWith('-key'))).toEqual([]);
    expect(output).toContain('No operator key is in it');
  });

  test('never has them over the network', async () => {
    const { gateway } = await serving();
    writeFileSync(join(gateway.dataFolder, 'master-key'), 'a-master-key-that-stays');
    const reply = await fetch(`${gateway.url}/admin/v1/backups`, {
      method: 'POST', headers: { authorization: `Bearer ${gateway.operatorKey}` },
    });
    const bytes = Buffer.from(await reply.arrayBuffer());
    expect(reply.status).toBe(200);
    expect(reply.headers.get('content-type')).toBe('application/x-tar');
    expect((await readWhole(bytes)).parts.map(({ name }) => name)).toEqual(['ledger.db', 'tollgate.db']);
    expect(reply.headers.get('cache-control')).toBe('no-store');
    for (const secret of ['a-master-key-that-stays', gateway.operatorKey, gateway.apiKey]) {
      expect(bytes.includes(secret)).toBe(false);
    }
    await gateway.stop();
  });

  test('is given anew to who repeats an idempotency key, and to who comes after one that left', async () => {
    const { work, gateway } = await serving();
    const headers = { authorization: `Bearer ${gateway.operatorKey}`, 'idempotency-key': 'again' };
    for (const _ of [1, 2]) {
      const reply = await fetch(`${gateway.url}/admin/v1/backups`, { method: 'POST', headers });
      expect((await readWhole(new Uint8Array(await reply.arrayBuffer()))).parts).toHaveLength(2);
    }
    const leaving = new AbortController();
    const reply = await fetch(`${gateway.url}/admin/v1/backups`, { method: 'POST', headers, signal: leaving.signal });
    await reply.body?.getReader().read();
    leaving.abort();
    let made = await backUp(gateway, join(work, 'next'));
    for (let tries = 0; tries < 200 && made.exitCode !== 0; tries++) {
      expect(made.errors).toContain('Another backup is being made');
      await Bun.sleep(5);
      made = await backUp(gateway, join(work, 'next'));
    }
    expect(made.exitCode).toBe(0);
    await gateway.stop();
  });

  test('says of stored credentials that they need their master key', async () => {
    const { work, gateway } = await serving();
    const made = await gateway.admin('POST', '/upstreams', {
      name: 'mine', provider: 'openai-compatible', baseUrl: 'https://upstream.example/v1', credential: 'sk-of-mine-123456',
    });
    expect(made.status).toBe(201);
    await backUp(gateway, join(work, 'without'), '--without-secrets');
    await gateway.stop();
    const { output } = await command(['restore', join(work, 'without'), '--data', join(work, 'b')]);
    expect(output).toContain('1 stored credentials are sealed, and the master key is not in it');
  });
});

describe('a backup is refused', () => {
  test('what is not asked for rightly', async () => {
    const { work, dataFolder } = await stoppedFolder();
    writeFileSync(join(work, 'there'), '');
    const cases: readonly (readonly [readonly string[], string])[] = [
      [['--data', dataFolder], '--out: name the file'],
      [['--data', dataFolder, '--out', join(work, 'there')], 'exists already'],
      [['--data', dataFolder, '--out', join(work, 'no', 'where')], 'does not exist'],
      [['--data', join(work, 'nothing'), '--out', join(work, 'x')], 'holds no ledger'],
      [['--data', dataFolder, '--out', join(work, 'x'), '--all'], '--all'],
      [['--data', dataFolder, '--out', join(work, 'x'), 'more'], 'more'],
    ];
    for (const [argv, why] of cases) {
      const { exitCode, errors } = await command(['backup', ...argv]);
      expect(errors).toContain(why);
      expect(exitCode).toBeGreaterThan(0);
    }
    expect(readdirSync(work).toSorted()).toEqual(['data', 'there']);
  });

  test('while the process that has the folder does not serve, and its key goes to nobody else', async () => {
    const { work, dataFolder } = await stoppedFolder();
    const heard: string[] = [];
    const stranger = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: (request) => {
      heard.push(request.headers.get('authorization') ?? '');
      return new Response();
    } });
    const lock = lockDataFolder(dataFolder);
    for (const running of [{ pid: process.pid + 1, url: stranger.url.origin }, { url: stranger.url.origin }, 'text']) {
      writeFileSync(join(dataFolder, 'running.json'), JSON.stringify(running));
      const { exitCode, errors } = await backUp({ dataFolder }, join(work, 'x'));
      expect(exitCode).toBe(2);
      expect(errors).toContain('does not serve');
    }
    lock.release();
    await stranger.stop(true);
    expect(heard).toEqual([]);
    expect(existsSync(join(work, 'x'))).toBe(false);
  });

  test('by a gateway that has another operator key, and by one that is cut off in the middle', async () => {
    const { work, gateway } = await serving();
    const out = join(work, 'x');
    const wrong = await command(['backup', '--data', gateway.dataFolder, '--out', out], {
      TOLLGATE_OPERATOR_KEY: 'another-key-of-somebody-else',
    });
    expect(wrong).toMatchObject({ exitCode: 2, errors: expect.stringContaining('refused: authorization') });
    await gateway.stop();
    const cut = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response(new Uint8Array(700)) });
    const lock = lockDataFolder(gateway.dataFolder);
    const running = { pid: process.pid, url: cut.url.origin, startedAt: '' };
    writeFileSync(join(gateway.dataFolder, 'running.json'), JSON.stringify(running));
    const { exitCode, errors } = await backUp(gateway, out);
    expect({ exitCode, known: /backup cannot be used/.test(errors) }).toEqual({ exitCode: 1, known: true });
    lock.release();
    await cut.stop(true);
    expect(readdirSync(work)).toEqual(['data']);
  });

  test('running.json is there while it serves, and only then', async () => {
    const { gateway } = await serving();
    const path = join(gateway.dataFolder, 'running.json');
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ pid: process.pid, url: gateway.url });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await gateway.stop();
    expect(existsSync(path)).toBe(false);
  });
});

describe('a restore', () => {
  test('leaves a folder that is not empty as it is, and moves it aside when told to', async () => {
    const { work, dataFolder } = await stoppedFolder();
    const backup = join(work, 'backup');
    expect((await backUp({ dataFolder }, backup)).output).toContain('of a folder that nobody serves');
    const names = readdirSync(dataFolder);
    const refused = await command(['restore', backup, '--data', dataFolder]);
    expect(refused).toMatchObject({ exitCode: 2, errors: expect.stringContaining('is not empty') });
    expect(readdirSync(dataFolder)).toEqual(names);
    writeFileSync(join(dataFolder, 'mark'), '');
    const replaced = await command(['restore', backup, '--data', dataFolder, '--replace']);
    expect(replaced.exitCode).toBe(0);
    const aside = /is now (.*)/.exec(replaced.output)?.[1] ?? '';
    expect(readdirSync(aside)).toContain('mark');
    expect(readdirSync(dataFolder)).not.toContain('mark');
  });

  test('leaves a folder alone that somebody began to use meanwhile', async () => {
    const { work, dataFolder } = await stoppedFolder();
    const [backup, target] = [join(work, 'backup'), join(work, 'target')];
    await backUp({ dataFolder }, backup);
    let errors = '';
    const exitCode = await runCommand(['restore', backup, '--data', target], {
      environment: readEnvironment({}), builtIn, modules: {},
      // A service manager that starts the gateway again and again does so.
      print: () => {
        mkdirSync(target, { recursive: true });
        writeFileSync(join(target, 'mark'), '');
      },
      printError: (text) => void (errors += text),
    });
    expect([exitCode, errors]).toEqual([2, expect.stringContaining('begun to use')]);
    expect(readdirSync(target)).toEqual(['mark']);
    expect(readdirSync(work).toSorted()).toEqual(['backup', 'data', 'target']);
  });

  test('takes an empty folder, with its owner', async () => {
    const { work, dataFolder } = await stoppedFolder();
    await backUp({ dataFolder }, join(work, 'backup'));
    mkdirSync(join(work, 'empty'));
    expect((await command(['restore', join(work, 'backup'), '--data', join(work, 'empty')])).exitCode).toBe(0);
    expect(existsSync(join(work, 'empty', 'ledger.db'))).toBe(true);
  });

  test('takes nothing from a gateway that serves, nor from a restore that runs; what a killed one left it takes away', async () => {
    const { work, gateway } = await serving();
    const backup = join(work, 'backup');
    await backUp(gateway, backup);
    const inUse = await command(['restore', backup, '--data', gateway.dataFolder, '--replace']);
    expect(inUse).toMatchObject({ exitCode: 1, errors: expect.stringContaining('is in use by process') });
    await gateway.stop();
    const target = join(work, 'target');
    const other = lockDataFolder(`${target}.restoring`);
    const twice = await command(['restore', backup, '--data', target]);
    expect(twice).toMatchObject({ exitCode: 1, errors: expect.stringContaining('target.restoring is in use') });
    other.release();
    mkdirSync(join(work, 'target.restoring', 'data'));
    writeFileSync(join(work, 'target.restoring', 'data', 'ledger.db'), 'half');
    expect((await command(['restore', backup, '--data', target])).exitCode).toBe(0);
    expect(readdirSync(work).toSorted()).toEqual(['backup', 'data', 'target']);
  });

  test('is refused what is not asked for rightly', async () => {
    const { work, dataFolder } = await stoppedFolder();
    await backUp({ dataFolder }, join(work, 'backup'));
    const backup = join(work, 'backup');
    const cases: readonly (readonly [readonly string[], string])[] = [
      [[], 'name one file'],
      [[backup, backup], 'name one file'],
      [[join(work, 'none')], 'is not a file'],
      [[work], 'is not a file'],
      [[backup, '--data', join(work, 'no', 'where')], 'does not exist'],
      [[backup, '--data', backup], 'is a file'],
      [[backup, '--data', join(work, 'x'), '--sha256', 'abc'], '64 hexadecimal digits'],
      [[backup, '--data', join(work, 'x'), '--config', join(work, 'none.ts')], 'none.ts'],
    ];
    for (const [argv, why] of cases) {
      const { exitCode, errors } = await command(['restore', ...argv]);
      expect(errors).toContain(why);
      expect(exitCode).toBeGreaterThan(0);
    }
    expect(readdirSync(work).toSorted()).toEqual(['backup', 'data']);
  });
});

test('migrate says what it would do, does it, and keeps what was before', async () => {
  const { dataFolder } = await stoppedFolder();
  expect((await command(['migrate', '--data', dataFolder])).output).toBe('ledger.db: up to date\ntollgate.db: up to date\n');
  // A folder of before the last breaking migration; what came after it follows.
  const at = nounsMigrations.findLastIndex(({ additive }) => additive !== true);
  const pending = nounsMigrations.slice(at);
  const mark = (additive?: true) => (additive === true ? ' (an older Tollgate goes on with it)' : '');
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(dataFolder, `tollgate.db${suffix}`), { force: true });
  const path = join(dataFolder, 'tollgate.db');
  const older = new Database(path);
  migrate(older, nounsMigrations.slice(0, at));
  older.close();
  const last = pending[0]?.name ?? '';
  const toRun = pending.map(({ name, additive }) => `${name}${mark(additive)}`).join(', ');
  const before = readFileSync(path);
  const dry = await command(['migrate', '--data', dataFolder, '--dry-run']);
  expect(dry.output).toBe(`ledger.db: up to date\ntollgate.db: to run: ${toRun}\na backup would be made before ${last}\n`);
  expect(Buffer.compare(readFileSync(path), before)).toBe(0);
  const done = await command(['migrate', '--data', dataFolder]);
  expect(done.output).toContain(`tollgate.db: ran: ${last}`);
  expect(existsSync(join(dataFolder, `before-${last}.tar`))).toBe(true);
  const lock = lockDataFolder(dataFolder);
  expect((await command(['migrate', '--data', dataFolder])).errors).toContain('is in use by process');
  lock.release();
  expect((await command(['migrate', '--data', join(dataFolder, 'none')])).errors).toContain('holds no ledger');
});
