// The first start, cut off between any two of its steps: in the end there is one account with the money once, one key
// that works, and it was printed. After that, no start prints a secret.

import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { firstStart, type FirstStartServices } from '../../src/cli/first-start.ts';
import { greeting, serve, serveCommand, type CommandContext } from '../../src/cli/serve.ts';
import { readEnvironment } from '../../src/environment.ts';
import { isLive } from '../../src/domain/accounts/account-directory.ts';
import { accountsRig, operator } from '../fakes/accounts.ts';
import { scratchFolders } from '../store/scratch.ts';
import { testConfig } from '../support/gateway.ts';
import { sha256Hex } from '../../src/core/secrets.ts';

setDefaultTimeout(60_000);
const scratch = scratchFolders();
const STARTING_NANO = 10_000_000_000n;

class Killed extends Error {}

/** The services, dead from the given step on: before it has any effect, or right after. */
function dyingAt(services: FirstStartServices, step: number, when: 'before' | 'after'): FirstStartServices {
  let steps = 0;
  const mortal = <A extends unknown[], R>(does: (...input: A) => Promise<R>) => async (...input: A): Promise<R> => {
    steps += 1;
    if (steps > step || (steps === step && when === 'before')) throw new Killed();
    const result = await does(...input);
    if (steps === step) throw new Killed();
    return result;
  };
  const { accounts: { accounts, apiKeys }, ledger } = services;
  return {
    accounts: {
      accounts: { list: mortal(accounts.list), create: mortal(accounts.create) },
      apiKeys: { list: mortal(apiKeys.list), create: mortal(apiKeys.create), revoke: mortal(apiKeys.revoke) },
    },
    ledger: { post: mortal((request) => ledger.post(request)) },
  };
}

/** Everything that a whole start asks for, the deletion of an earlier key included, and one more. */
const steps = Array.from({ length: 7 }, (_, at) => at + 1);

describe('a first start that is cut off', () => {
  const deaths = steps.flatMap((step) => [[step, 'before'] as const, [step, 'after'] as const]);

  test.each(deaths)('at step %d, %s its effect, and again in the next, is finished by the one after', async (step, when) => {
    const folder = scratch();
    const rig = await accountsRig();
    let accounts = rig;
    const services = (): FirstStartServices => ({ accounts, ledger: rig.ledger });
    for (const _ of [1, 2]) {
      const cut = await firstStart(dyingAt(services(), step, when), folder).catch((error: unknown) => error);
      if (!(cut instanceof Killed)) expect(cut).toMatchObject({ amountNano: STARTING_NANO });
      accounts = { ...rig, ...(await rig.reopen()) };
    }
    const first = await firstStart(services(), folder);
    if (first === undefined) throw new Error('nothing was finished');
    accounts = { ...rig, ...(await rig.reopen()) };
    const all = await accounts.accounts.list({ limit: 10 });
    expect(all).toHaveLength(1);
    const [account] = all;
    if (account === undefined) throw new Error('no account');
    expect((await rig.ledger.balance(account.id))?.postedNano).toBe(STARTING_NANO);
    const keys = await accounts.apiKeys.list({ accountId: account.id, limit: 50 });
    const live = keys.filter((key) => isLive(key, rig.time.now));
    expect(live.map((key) => key.sha256)).toEqual([sha256Hex(first.apiKey)]);
    expect(accounts.directory.keyBySha256(sha256Hex(first.apiKey))?.accountId).toBe(account.id);
    first.printed();
    expect([await firstStart(services(), folder), readdirSync(folder)]).toEqual([undefined, []]);
    expect(accounts.directory.keyBySha256(sha256Hex(first.apiKey))).toBeDefined();
  });

  test('for want of money says so, and is finished later', async () => {
    const folder = scratch();
    const rig = await accountsRig();
    const post = async () => ({ posted: false, because: 'unavailable' }) as const;
    await expect(firstStart({ accounts: rig, ledger: { post } }, folder)).rejects.toThrow('unavailable');
    expect((await firstStart({ accounts: rig, ledger: rig.ledger }, folder))?.amountNano).toBe(STARTING_NANO);
    expect(await rig.accounts.list({ limit: 10 })).toHaveLength(1);
  });
});

test('a folder whose account is not ours is left alone', async () => {
  const folder = scratch();
  const rig = await accountsRig();
  await rig.accounts.create(operator, { kind: 'person', name: 'A' });
  expect(await firstStart({ accounts: rig, ledger: rig.ledger }, folder)).toBeUndefined();
  expect(readdirSync(folder)).toEqual([]);
});

test('an operator who made an account meanwhile needs no key of ours, and loses none', async () => {
  const folder = scratch();
  const rig = await accountsRig();
  const first = await firstStart({ accounts: rig, ledger: rig.ledger }, folder);
  await rig.accounts.create(operator, { kind: 'person', name: 'A' });
  expect(await firstStart({ accounts: rig, ledger: rig.ledger }, folder)).toBeUndefined();
  expect(rig.directory.keyBySha256(sha256Hex(first?.apiKey ?? ''))).toBeDefined();
});

describe('serving', () => {
  const contextOf = (print: (text: string) => void): CommandContext => ({
    environment: readEnvironment({}), builtIn: testConfig(), modules: {}, print, printError: () => {},
  });
  const argv = (folder: string) => ['--port', '0', '--data', folder];
  const balanceOf = async (serving: Awaited<ReturnType<typeof serve>>) => {
    const [account] = await serving.gateway.accounts.accounts.list({ limit: 2 });
    return account === undefined ? undefined : (await serving.gateway.ledger.balance(account.id))?.postedNano;
  };

  test('prints the key at the first start whose greeting was printed, and no secret later', async () => {
    const folder = scratch();
    const unprinted = await serve(argv(folder), contextOf(() => {}));
    await unprinted.stop();
    const second = await serve(argv(folder), contextOf(() => {}));
    const [lost, shown] = [unprinted.firstStart?.apiKey ?? '', second.firstStart?.apiKey ?? ''];
    expect(greeting(second)).toContain(shown);
    expect(await balanceOf(second)).toBe(STARTING_NANO);
    expect(second.gateway.accounts.directory.keyBySha256(sha256Hex(lost))).toBeUndefined();
    expect(second.gateway.accounts.directory.keyBySha256(sha256Hex(shown))).toBeDefined();
    second.firstStart?.printed();
    await second.stop();
    const third = await serve(argv(folder), contextOf(() => {}));
    const text = greeting(third);
    expect(third.firstStart).toBeUndefined();
    expect(text).not.toMatch(/\btg[a-z]*_|curl|key \(/i);
    expect(await balanceOf(third)).toBe(STARTING_NANO);
    await third.stop();
  });

  test('the command marks the greeting only once it is out', async () => {
    const folder = scratch();
    const mark = join(folder, 'first-start-unfinished');
    const seen: boolean[] = [];
    // Other files of the same run listen too, and end the run: they are put aside while this one is told to stop.
    const others = process.listeners('SIGTERM');
    process.removeAllListeners('SIGTERM');
    const served = serveCommand(argv(folder), contextOf(() => {
      seen.push(existsSync(mark));
      // In a turn of its own: the command goes on to wait for a signal first.
      setImmediate(() => {
        seen.push(existsSync(mark));
        process.emit('SIGTERM');
      });
    }));
    const code = await served;
    process.removeAllListeners('SIGTERM');
    for (const listener of others) process.on('SIGTERM', listener);
    expect([code, seen]).toEqual([0, [true, false]]);
  });
});
