import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { newId } from '../../../src/core/ids.ts';
import type { ApiKeyId } from '../../../src/core/ids.ts';
import { checkKeyFormat, sha256Hex } from '../../../src/core/secrets.ts';
import { listAuditEvents } from '../../../src/domain/audit/audit-store.ts';
import { accountsRig, operator } from '../../fakes/accounts.ts';

async function withAccount() {
  const rig = await accountsRig();
  const account = await rig.accounts.create(operator, { kind: 'company', name: 'A' });
  const find = (key: string) => rig.directory.keyBySha256(sha256Hex(key));
  return {
    ...rig,
    account,
    find,
    make: (name = 'k') => rig.apiKeys.create(operator, { accountId: account.id, name }),
  };
}

const day = 86_400_000;

describe('an API key', () => {
  test('is found by its hash at once, and stands nowhere in the store or the audit', async () => {
    const { find, make, raw, database, reopen } = await withAccount();
    const { key, apiKey } = await make();
    expect(checkKeyFormat(key)).toBe('api-key');
    expect(find(key)).toEqual(apiKey);
    expect((await reopen()).directory.keyBySha256(sha256Hex(key))).toEqual(apiKey);
    const file = Buffer.from(raw.serialize()).toString('latin1');
    expect(file).toContain(apiKey.sha256);
    expect(file).not.toContain(key.slice(3, 35));
    const events = JSON.stringify(
      (await listAuditEvents(database, { limit: 10 })).map((event) => event.change),
    );
    expect(events).not.toContain(key);
    expect(events).not.toContain(apiKey.sha256);
  });

  test('keeps its settings through a restart', async () => {
    const { apiKeys, account, users, groups, reopen, time } = await withAccount();
    const user = await users.create(operator, { name: 'u' });
    await users.setRole(operator, user.id, account.id, 'member');
    await groups.create(operator, { name: 'g' });
    const { apiKey, key } = await apiKeys.create(operator, {
      accountId: account.id,
      name: 'k',
      userId: user.id,
      group: 'g',
      models: ['gpt-5', 'weird "model"'],
      addresses: ['10.0.0.0/8', '192.0.2.7', '2001:db8::/32'],
      limits: { requestsPerMinute: 0 },
      budgets: { month: 12n },
      expiresAt: time.now + day,
    });
    expect(apiKey).toMatchObject({
      addresses: ['10.0.0.0/8', '192.0.2.7/32', '2001:db8::/32'],
      limits: { requestsPerMinute: 0 },
    });
    expect((await reopen()).directory.keyBySha256(sha256Hex(key))).toEqual(apiKey);
  });

  test('that is deleted is dead at once, stays dead after a restart, and cannot be changed', async () => {
    const { apiKeys, find, make, reopen, database } = await withAccount();
    const { key, apiKey } = await make();
    const revoked = await apiKeys.revoke(operator, apiKey.id);
    expect(revoked.revokedAt).toBeNumber();
    expect(find(key)).toBeUndefined();
    expect(await apiKeys.revoke(operator, apiKey.id)).toEqual(revoked);
    await expect(apiKeys.update(operator, apiKey.id, { name: 'x' })).rejects.toMatchObject({
      code: 'conflict',
    });
    await expect(apiKeys.rotate(operator, apiKey.id)).rejects.toMatchObject({ code: 'conflict' });
    expect((await reopen()).directory.keyBySha256(sha256Hex(key))).toBeUndefined();
    const deletions = (await listAuditEvents(database, { limit: 10 })).filter(
      (event) => event.action === 'api-key.delete',
    );
    expect(deletions).toHaveLength(1);
  });

  test('is replaced with an overlap: both work, then the new one alone', async () => {
    const { apiKeys, find, make, time, reopen } = await withAccount();
    const old = await make('laptop');
    await apiKeys.update(operator, old.apiKey.id, { limits: { concurrency: 2 }, models: ['m'] });
    const fresh = await apiKeys.rotate(operator, old.apiKey.id);
    expect(fresh.apiKey).toMatchObject({
      name: 'laptop',
      limits: { concurrency: 2 },
      models: ['m'],
      rotatedFrom: old.apiKey.id,
      expiresAt: undefined,
    });
    expect(find(old.key)?.expiresAt).toBe(time.now + day);
    expect(find(fresh.key)).toEqual(fresh.apiKey);
    await expect(apiKeys.rotate(operator, old.apiKey.id)).rejects.toThrow(fresh.apiKey.id);
    time.now += day;
    const after = await reopen();
    expect(after.directory.keyBySha256(sha256Hex(old.key))).toBeUndefined();
    expect(after.directory.keyBySha256(sha256Hex(fresh.key))).toEqual(fresh.apiKey);
  });

  test('and those that replaced it are known together, also when they are dead, also after a restart', async () => {
    const { apiKeys, make, directory, time, reopen } = await withAccount();
    const [first, other] = [await make(), await make()];
    expect(directory.rotationOf(first.apiKey.id)).toBeUndefined();
    const second = await apiKeys.rotate(operator, first.apiKey.id, 0);
    const third = await apiKeys.rotate(operator, second.apiKey.id);
    await apiKeys.revoke(operator, first.apiKey.id);
    time.now += day;
    const after = await reopen();
    const together = [first, second, third].map(({ apiKey }) => apiKey.id);
    for (const known of [directory, after.directory]) {
      for (const id of together) expect(known.rotationOf(id)).toEqual(together);
      expect(known.rotationOf(other.apiKey.id)).toBeUndefined();
    }
  });

  test('is replaced at once with an overlap of zero, and never lives longer for being replaced', async () => {
    const { apiKeys, find, make, time } = await withAccount();
    const first = await make();
    const second = await apiKeys.rotate(operator, first.apiKey.id, 0);
    expect(find(first.key)).toBeUndefined();
    expect(find(second.key)).toBeDefined();
    const third = await make();
    await apiKeys.update(operator, third.apiKey.id, { expiresAt: time.now + 1_000 });
    const fourth = await apiKeys.rotate(operator, third.apiKey.id);
    expect(find(third.key)?.expiresAt).toBe(time.now + 1_000);
    expect(fourth.apiKey.expiresAt).toBe(time.now + 1_000);
    for (const overlap of [-1, 1.5, Number.NaN, 31 * 86_400]) {
      await expect(apiKeys.rotate(operator, fourth.apiKey.id, overlap)).rejects.toMatchObject({
        details: { field: 'overlapSeconds' },
      });
    }
  });

  test('replaced by two at the same time is replaced once', async () => {
    const { apiKeys, make } = await withAccount();
    const { apiKey } = await make();
    const both = await Promise.allSettled([
      apiKeys.rotate(operator, apiKey.id),
      apiKeys.rotate(operator, apiKey.id),
    ]);
    expect(both.map((outcome) => outcome.status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(await apiKeys.list({ limit: 10 })).toHaveLength(2);
  });

  test('belongs to an account, and to a member of it or nobody', async () => {
    const { apiKeys, account, users } = await withAccount();
    const stranger = await users.create(operator, { name: 's' });
    const refusals = [stranger.id, newId('usr')].map((userId) =>
      apiKeys.create(operator, { accountId: account.id, name: 'k', userId }),
    );
    const texts = await Promise.all(
      refusals.map((refusal) =>
        refusal.then(
          () => 'made',
          (error: Error) => error.message,
        ),
      ),
    );
    expect(texts[0]).toBe(texts[1] ?? '');
    await expect(refusals[0]).rejects.toMatchObject({ code: 'not_found', details: { field: 'userId' } });
    await expect(apiKeys.create(operator, { accountId: newId('acc'), name: 'k' })).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  test.each([
    ['models', { models: [] }],
    ['models[1]', { models: ['a', ''] }],
    ['models', { models: ['a', 'a'] }],
    ['models[0]', { models: ['a\n'] }],
    ['addresses', { addresses: [] }],
    ['addresses[0]', { addresses: ['10.0.0.1/8'] }],
    ['addresses[0]', { addresses: ['0x7f.1'] }],
    ['addresses', { addresses: ['10.0.0.1', '10.0.0.1/32'] }],
    ['expiresAt', { expiresAt: 1 }],
    ['expiresAt', { expiresAt: Infinity }],
    ['group', { group: '__proto__' }],
    ['name', { name: '' }],
  ])('refuses a bad %s', async (field, patch) => {
    const { apiKeys, account, make } = await withAccount();
    const { apiKey } = await make();
    await expect(apiKeys.update(operator, apiKey.id, patch)).rejects.toMatchObject({
      code: 'invalid_request',
      details: { field },
    });
    await expect(
      apiKeys.create(operator, { accountId: account.id, name: 'k', ...patch }),
    ).rejects.toMatchObject({ details: { field } });
  });
});

test('whatever is done to keys, at once or in turn, the directory has exactly those that live', async () => {
  const step = fc.record({
    verb: fc.constantFrom('make', 'rotate', 'revoke', 'expire', 'revive', 'wait'),
    which: fc.nat(),
    seconds: fc.integer({ min: 0, max: 200 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.boolean(), async (steps, together) => {
      const { apiKeys, make, time, directory, reopen, database } = await withAccount();
      const issued: { readonly id: ApiKeyId; readonly key: string }[] = [];
      const note = ({ apiKey, key }: { apiKey: { id: ApiKeyId }; key: string }) =>
        void issued.push({ id: apiKey.id, key });
      const perform = async ({
        verb,
        which,
        seconds,
      }: {
        verb: string;
        which: number;
        seconds: number;
      }): Promise<void> => {
        const one = issued.length === 0 ? undefined : issued[which % issued.length];
        if (verb === 'wait') time.now += seconds * 1_000;
        else if (verb === 'make' || one === undefined) note(await make());
        else if (verb === 'rotate') note(await apiKeys.rotate(operator, one.id, seconds));
        else if (verb === 'revoke') await apiKeys.revoke(operator, one.id);
        else
          await apiKeys.update(operator, one.id, {
            expiresAt: verb === 'revive' ? null : time.now + seconds * 1_000,
          });
      };
      if (together) await Promise.allSettled(steps.map(perform));
      else for (const one of steps) await perform(one).catch(() => {});
      const after = await reopen();
      for (const { id, key } of issued) {
        const stored = await apiKeys.get(id);
        const live =
          stored !== undefined && stored.revokedAt === undefined && (stored.expiresAt ?? Infinity) > time.now;
        const found = directory.keyBySha256(sha256Hex(key));
        // What ran out while nobody changed it may still be there: its own end tells.
        if (live) expect(found).toEqual(stored);
        else expect(found === undefined || (found.expiresAt ?? Infinity) <= time.now).toBe(true);
        expect(after.directory.keyBySha256(sha256Hex(key)) !== undefined).toBe(live);
      }
      await database.destroy();
    }),
    { numRuns: 40 },
  );
});
