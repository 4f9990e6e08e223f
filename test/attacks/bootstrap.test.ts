// Case B11 of the attack catalogue: who becomes the first operator. Two first starts at once, starts that are killed,
// key files that somebody else put there, keys that can be guessed, and addresses that would hand out a first key.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import {
  chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { dataFolderFindings } from '../../src/cli/data-folder-findings.ts';
import { whyGuessable } from '../../src/cli/guessable-key.ts';
import { operatorKey } from '../../src/cli/operator-key.ts';
import { newMasterKeyText } from '../../src/core/envelope.ts';
import { checkKeyFormat, generateKey, systemRandomBytes } from '../../src/core/secrets.ts';
import { openMasterKeys } from '../../src/domain/catalog/master-key.ts';
import { scratchFolders } from '../store/scratch.ts';
import { gatewayCalls, startTestGateway, textField, type TestGateway } from '../support/gateway.ts';

setDefaultTimeout(60_000);
const scratch = scratchFolders();
const project = resolve(import.meta.dir, '../..');
const openssl = (bytes: number): string => Buffer.from(systemRandomBytes(bytes)).toString('hex');

interface Start {
  readonly child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>;
  /** Everything it printed, once its greeting is out or it ended. */
  readonly greeted: Promise<string>;
  readonly errors: Promise<string>;
}

function start(dataFolder: string): Start {
  const child = Bun.spawn(
    [process.execPath, join(project, 'src/main.ts'), 'serve', '--port', '0', '--data', dataFolder],
    { cwd: project, env: {}, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' },
  );
  const greeted = (async () => {
    let text = '';
    for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
      text += piece;
      if (/Terms +http\S+\n/.test(text)) break;
    }
    return text;
  })();
  return { child, greeted, errors: new Response(child.stderr).text() };
}

const apiKeyIn = (text: string): string | undefined => /First API key.*\n\s+(\S+)\n/.exec(text)?.[1];
const operatorKeyIn = (text: string): string | undefined => /Operator key.*\n\s+(\S+)\n/.exec(text)?.[1];
const addressIn = (text: string): string => /serves on (http:\S+)/.exec(text)?.[1] ?? '';

async function end({ child }: Start, signal: NodeJS.Signals = 'SIGTERM'): Promise<number> {
  child.kill(signal);
  return child.exited;
}

/** What a finished first start leaves: one account with the money once, one key that opens it, one operator key. */
async function expectOneOwner(url: string, apiKey: string, folder: string): Promise<void> {
  const key = readFileSync(join(folder, 'operator-key'), 'utf8').trim();
  const { admin, client } = gatewayCalls(url, apiKey, key);
  const accounts = (await admin('GET', '/accounts')).body['items'];
  expect(accounts).toHaveLength(1);
  const account = Array.isArray(accounts) ? textField(accounts[0], 'id') : '';
  expect((await admin('GET', `/accounts/${account}/balance`)).body['postedNano']).toBe('10000000000');
  const messages = [{ role: 'user', content: 'Hello' }];
  expect((await client('/chat/completions', { model: 'sim/echo', messages })).status).toBe(200);
}

describe('B11: the first start', () => {
  test('of two at once on one data folder exactly one serves and prints keys; the other owns nothing', async () => {
    for (let round = 0; round < 3; round += 1) {
      const folder = scratch();
      const starts = [start(folder), start(folder)];
      const texts = await Promise.all(starts.map(({ greeted }) => greeted));
      const winners = texts.filter((text) => operatorKeyIn(text) !== undefined);
      expect([winners.length, texts.filter((text) => text === '').length]).toEqual([1, 1]);
      const [winner = '', loser] = [winners[0], starts[texts.indexOf('')]];
      if (loser === undefined) throw new Error('nobody lost');
      expect([await loser.child.exited, await loser.errors]).toEqual([1, expect.stringContaining('is in use by')]);
      expect(operatorKeyIn(winner)).toBe(readFileSync(join(folder, 'operator-key'), 'utf8').trim());
      await expectOneOwner(addressIn(winner), apiKeyIn(winner) ?? '', folder);
      expect(await Promise.all(starts.filter((each) => each !== loser).map((each) => end(each)))).toEqual([0]);
    }
  });

  test('killed at any moment leaves a whole operator key or none, and the next one finishes', async () => {
    const folder = scratch();
    let kept: string | undefined;
    for (let afterMs = 60; afterMs <= 340; afterMs += 40) {
      const killed = start(folder);
      await Promise.race([Bun.sleep(afterMs), killed.greeted]);
      await end(killed, 'SIGKILL');
      const file = join(folder, 'operator-key');
      const found = existsSync(file) ? readFileSync(file, 'utf8').trim() : undefined;
      expect(found === undefined || checkKeyFormat(found) === 'operator-key').toBe(true);
      // Once made it stays: a start that was cut off does not replace the owner's key.
      if (kept !== undefined) expect(found).toBe(kept);
      kept = found;
      if (apiKeyIn(await killed.greeted) !== undefined) break;
    }
    const last = start(folder);
    const url = addressIn(await last.greeted);
    const key = readFileSync(join(folder, 'operator-key'), 'utf8').trim();
    expect((await gatewayCalls(url, '', key).admin('GET', '/accounts')).body['items']).toHaveLength(1);
    expect(existsSync(join(folder, 'operator-key.new'))).toBe(false);
    expect(await end(last)).toBe(0);
  });

  test('after it nobody becomes the first again: no later start prints a key or takes another', async () => {
    const folder = scratch();
    const first = start(folder);
    const before = await first.greeted;
    // The greeting is out before it is written down that it is.
    while (existsSync(join(folder, 'first-start-unfinished'))) await Bun.sleep(5);
    await end(first);
    const file = join(folder, 'operator-key');
    const key = readFileSync(file, 'utf8');
    const second = start(folder);
    const after = await second.greeted;
    expect([operatorKeyIn(after), apiKeyIn(after), readFileSync(file, 'utf8')]).toEqual([undefined, undefined, key]);
    expect(after).not.toContain(apiKeyIn(before) ?? 'no key');
    await expectOneOwner(addressIn(after), apiKeyIn(before) ?? '', folder);
    await end(second);
  });

  test('makes files that their owner alone reads, whatever the folder and the umask allow', async () => {
    const folder = scratch();
    chmodSync(folder, 0o777);
    const before = process.umask(0);
    const open = start(folder);
    process.umask(before);
    expect(operatorKeyIn(await open.greeted)).toBeDefined();
    await end(open);
    const readable = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
      (name) => (statSync(join(folder, name)).mode & 0o077) !== 0,
    );
    expect(readable).toEqual([]);
    expect(await open.errors).toContain('chmod 700');
  });
});

describe('B11: a key file that was there before us', () => {
  const secret = openssl(32);
  const put = (mode: number, text = `${secret}\n`): string => {
    const folder = scratch();
    writeFileSync(join(folder, 'operator-key'), text);
    chmodSync(join(folder, 'operator-key'), mode);
    return folder;
  };

  test('is taken if it is ours, and its readers are warned of', () => {
    expect(operatorKey(put(0o600), undefined)).toMatchObject({ key: secret, isNew: false });
    const readable = put(0o644);
    expect(operatorKey(readable, undefined).key).toBe(secret);
    expect(dataFolderFindings(readable)).toEqual([
      { path: join(readable, 'operator-key'), concerns: 'secret', message: expect.stringContaining('chmod 600') },
    ]);
    expect(dataFolderFindings(put(0o600))).toEqual([]);
  });

  test.each([0o666, 0o620, 0o602])('that others may write (%i) is nobody\'s', (mode) => {
    const folder = put(mode);
    expect(() => operatorKey(folder, undefined)).toThrow('can be written by other users');
    expect(readFileSync(join(folder, 'operator-key'), 'utf8')).toBe(`${secret}\n`);
  });

  // Only the system's user can give files away (skipped where the tests run as an ordinary user).
  test.skipIf(process.getuid?.() !== 0)('that another user put into a folder open to all is refused', () => {
    const folder = put(0o600);
    chmodSync(folder, 0o777);
    chownSync(join(folder, 'operator-key'), 12_345, 12_345);
    expect(() => operatorKey(folder, undefined)).toThrow('belongs to another user');
    // Whose folder it is could have put it there in any case: a volume of the machine's user, served as the system's.
    chownSync(folder, 12_345, 12_345);
    expect(operatorKey(folder, undefined).key).toBe(secret);
  });

  test.each([
    ['empty', '', 'has 24 to 256'],
    ['too short', 'short-key-7f3b09c5\n', 'has 24 to 256'],
    ['of blanks', ' '.repeat(64), 'has 24 to 256'],
    ['of two lines', `${secret}\n${secret}\n`, 'has 24 to 256'],
    ['huge', 'x'.repeat(10_000_000), 'larger than any key'],
    ['guessable', 'tollgate-operator-key-please-change-me', 'common words'],
    ['an API key', generateKey('api-key', systemRandomBytes), 'is an API key'],
  ])('that is %s stops the start, names the file, and is left alone', (_, text, because) => {
    const folder = put(0o600, text);
    const attempt = () => operatorKey(folder, undefined);
    expect(attempt).toThrow(because);
    expect(attempt).toThrow(join(folder, 'operator-key'));
    if (text.trim().length > 8) expect(attempt).not.toThrow(text.trim().slice(0, 16));
    expect(readFileSync(join(folder, 'operator-key'), 'utf8')).toBe(text);
  });

  test.each(['operator-key', 'master-key'])('%s: links, pipes and folders in its place are no keys, at once', (name) => {
    const open = (folder: string) =>
      name === 'operator-key'
        ? () => operatorKey(folder, undefined)
        : () => openMasterKeys(folder, undefined, systemRandomBytes);
    const aside = join(scratch(), 'planted');
    writeFileSync(aside, name === 'operator-key' ? secret : newMasterKeyText(systemRandomBytes), { mode: 0o600 });
    const linked = scratch();
    symlinkSync(aside, join(linked, name));
    expect(open(linked)).toThrow('is a link');
    const dangling = scratch();
    symlinkSync(join(dangling, 'not-there-yet'), join(dangling, name));
    expect(open(dangling)).toThrow('is a link');
    expect(readdirSync(dangling)).toEqual([name]);
    const piped = scratch();
    expect(Bun.spawnSync(['mkfifo', join(piped, name)]).exitCode).toBe(0);
    expect(open(piped)).toThrow('is no plain file');
    const folder = scratch();
    mkdirSync(join(folder, name));
    expect(open(folder)).toThrow('is no plain file');
    for (const each of [linked, dangling, piped, folder]) expect(dataFolderFindings(each)).toHaveLength(1);
  });

  test('nor does a draft that was planted, as a link or as a folder, lead our new key anywhere', () => {
    const folder = scratch();
    const trap = join(scratch(), 'trap');
    writeFileSync(trap, '');
    symlinkSync(trap, join(folder, 'operator-key.new'));
    expect(operatorKey(folder, undefined).isNew).toBe(true);
    expect(readFileSync(trap, 'utf8')).toBe('');
    mkdirSync(join(folder, 'master-key.new'));
    openMasterKeys(folder, undefined, systemRandomBytes).need();
    const modes = readdirSync(folder).map((name) => [name, statSync(join(folder, name)).mode & 0o777]);
    expect(modes).toEqual([['master-key', 0o600], ['operator-key', 0o600]]);
  });
});

describe('B11: a key that can be guessed', () => {
  const folder = scratch;
  const documented = [
    ...new Bun.Glob('{README.md,docs/**/*,src/**/README.md,plugins/**/*.md,policies/**/*.md}').scanSync(project),
  ].flatMap((path) => [
    ...readFileSync(join(project, path), 'utf8').matchAll(/TOLLGATE_OPERATOR_KEY=["']?([^\s"'`$]+)|(tgo_\w{38})/g),
  ]).map(([, value, key]) => value ?? key ?? '');

  test.each([
    'changemechangemechangeme', 'adminadminadminadminadmin', 'password-password-password', 'tollgate-operator-key-12345',
    '123456789012345678901234', 'abcdefghijklmnopqrstuvwxyz', 'aaaaaaaaaaaaaaaaaaaaaaaa', 'qwertyuiopasdfghjklzxcvbnm',
    'Correct-Horse-Battery-Staple', 'my-secret-operator-key-2026', 'replace-me-with-a-long-secret',
    'ADMINISTRATOR_PASSWORD_1234', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', '0123456789abcdef0123456789abcdef', 'YOUR_OPERATOR_KEY_GOES_HERE_XXXX',
    `tgo_${'0'.repeat(38)}`, '00000000-0000-0000-0000-000000000000', 'at-least-24-characters-long!',
    ...documented,
  ])('%s is refused, from the environment as from the file', (key) => {
    expect(() => operatorKey(folder(), key)).toThrow('TOLLGATE_OPERATOR_KEY');
    const kept = folder();
    writeFileSync(join(kept, 'operator-key'), key, { mode: 0o600 });
    expect(() => operatorKey(kept, undefined)).toThrow('operator-key');
  });

  test.each([undefined, ''])('%p in the environment is no key: one is made', (value) => {
    expect(operatorKey(folder(), value === '' ? undefined : value).isNew).toBe(true);
  });

  test('what machines make passes, however it is written', () => {
    for (let round = 0; round < 2_000; round += 1) {
      const bytes = Buffer.from(systemRandomBytes(24));
      for (const key of [
        bytes.toString('hex'), bytes.toString('base64'), bytes.toString('base64url'),
        bytes.toString('hex').slice(0, 32),
        crypto.randomUUID(), generateKey('operator-key', systemRandomBytes),
      ]) {
        expect([key, whyGuessable(key)]).toEqual([key, undefined]);
      }
    }
  });

  test.each(['A'.repeat(43), Buffer.from('0123'.repeat(8)).toString('base64'), Buffer.alloc(32, 7).toString('base64')])(
    'nor is %s a master key', (text) => {
      expect(() => openMasterKeys(folder(), text, systemRandomBytes)).toThrow('TOLLGATE_MASTER_KEY is no random key');
    },
  );
});

describe('B11: by HTTP', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startTestGateway({ argv: ['--trusted-proxy', '127.0.0.1/32'] });
  });
  afterAll(() => gateway.stop());
  let strangers = 0;
  const ask = (method: string, path: string, key: string | undefined) =>
    fetch(`${gateway.url}${path}`, {
      method,
      headers: {
        'content-type': 'application/json',
        'x-forwarded-for': `198.51.100.${(strangers += 1) & 255}`,
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      },
      ...(method === 'GET' ? {} : { body: '{"username":"admin","password":"admin","role":"admin"}' }),
    });

  test('no address makes a first operator, before the first request or after', async () => {
    for (const path of [
      '/setup', '/install', '/register', '/init', '/bootstrap', '/api/setup', '/api/user/register', '/login',
      '/admin/setup', '/admin/login', '/admin/v1/setup', '/admin/v1/bootstrap', '/admin/v1/operator-keys',
      '/admin/v1/keys', '/admin/v1/login', '/v1/setup', '/v1/keys', '/admin/v1/users', '/admin/v1/api-keys',
    ]) {
      for (const method of ['GET', 'POST', 'PUT']) {
        const { status } = await ask(method, path, undefined);
        expect([method, path, [401, 404, 405].includes(status)]).toEqual([method, path, true]);
      }
    }
    expect((await gateway.admin('GET', '/accounts')).status).toBe(200);
  });

  test('no key that was ever somebody\'s default is one', async () => {
    for (const key of [
      'admin', 'root', 'tollgate', 'password', 'changeme', '123456', 'sk-1234', 'sk-admin', 'sk-master', 'operator',
      'tgo_', 'null', 'undefined', 'true', '{}', '*', 'opk_', gateway.serving.operator.keys.find('')?.id ?? 'none',
    ]) {
      expect([key, (await ask('GET', '/admin/v1/accounts', key)).status]).toEqual([key, 401]);
    }
  });
});
