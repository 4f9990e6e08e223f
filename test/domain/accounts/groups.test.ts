import { describe, expect, test } from 'bun:test';
import { accountsRig, operator } from '../../fakes/accounts.ts';

const configGroups = [{ name: 'friends', multiplierPpm: 500_000, limits: { requestsPerMinute: 60 } }];

describe('groups', () => {
  test('of the config are there, are the same after each start, and change in the config alone', async () => {
    const rig = await accountsRig({ configGroups });
    const group = rig.groups.get('friends');
    expect(group).toMatchObject({
      source: 'config',
      multiplierPpm: 500_000,
      limits: { requestsPerMinute: 60, concurrency: undefined },
    });
    expect((await rig.reopen()).groups.get('friends')).toEqual(group);
    for (const attempt of [
      rig.groups.update(operator, 'friends', { multiplierPpm: 0 }),
      rig.groups.remove(operator, 'friends'),
      rig.groups.create(operator, { name: 'friends' }),
    ]) {
      await expect(attempt).rejects.toMatchObject({
        code: 'conflict',
        message: expect.stringContaining('config'),
      });
    }
    expect(rig.groups.get('friends')).toBe(group);
  });

  test('are made, changed and found under their names', async () => {
    const rig = await accountsRig({ configGroups });
    const made = await rig.groups.create(operator, { name: 'b-team' });
    expect(made).toMatchObject({ multiplierPpm: 1_000_000, source: 'admin' });
    await rig.groups.update(operator, 'b-team', { multiplierPpm: 0, limits: { concurrency: 0 } });
    const after = await rig.groups.update(operator, 'b-team', { limits: { tokensPerMinute: 9 } });
    expect(after).toEqual({
      ...made,
      multiplierPpm: 0,
      limits: { requestsPerMinute: undefined, tokensPerMinute: 9, concurrency: 0 },
    });
    expect(rig.directory.group('b-team')).toBe(after);
    expect((await rig.reopen()).directory.group('b-team')).toEqual(after);
    expect(rig.groups.list({ limit: 10 }).map((group) => group.name)).toEqual(['b-team', 'friends']);
    expect(rig.groups.list({ limit: 10, after: 'b-team' }).map((group) => group.name)).toEqual(['friends']);
    await expect(rig.groups.create(operator, { name: 'b-team' })).rejects.toMatchObject({ code: 'conflict' });
    for (const name of ['', 'B', 'a b', '-a', 'x'.repeat(65), '__proto__']) {
      await expect(rig.groups.create(operator, { name })).rejects.toMatchObject({
        details: { field: 'name' },
      });
    }
    await expect(
      rig.groups.create(operator, { name: 'dear', multiplierPpm: 1_000_000_001 }),
    ).rejects.toMatchObject({
      details: { field: 'multiplierPpm' },
    });
  });

  test('are not removed while anybody is in them', async () => {
    const rig = await accountsRig();
    await rig.groups.create(operator, { name: 'g' });
    const account = await rig.accounts.create(operator, { kind: 'person', name: 'A', group: 'g' });
    await expect(rig.groups.remove(operator, 'g')).rejects.toThrow('1 accounts and 0 API keys');
    await rig.accounts.update(operator, account.id, { group: null });
    const { apiKey } = await rig.apiKeys.create(operator, { accountId: account.id, name: 'k', group: 'g' });
    await expect(rig.groups.remove(operator, 'g')).rejects.toThrow('0 accounts and 1 API keys');
    await rig.apiKeys.revoke(operator, apiKey.id);
    await rig.groups.remove(operator, 'g');
    expect(rig.directory.group('g')).toBeUndefined();
    await expect(rig.groups.remove(operator, 'g')).rejects.toMatchObject({ code: 'not_found' });
  });

  test('that are gone from the config, or hide another, are told at start', async () => {
    const rig = await accountsRig({ configGroups });
    await rig.accounts.create(operator, { kind: 'person', name: 'A', group: 'friends' });
    await rig.groups.create(operator, { name: 'own', multiplierPpm: 1 });
    expect((await rig.reopen([])).warnings).toEqual([expect.stringContaining('friends')]);
    const hidden = await rig.reopen([...configGroups, { name: 'own', multiplierPpm: 2 }]);
    expect(hidden.warnings).toEqual([expect.stringContaining('own')]);
    expect(hidden.directory.group('own')).toMatchObject({ multiplierPpm: 2, source: 'config' });
  });
});
