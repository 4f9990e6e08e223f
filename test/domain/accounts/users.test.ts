import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { listAuditEvents } from '../../../src/domain/audit/audit-store.ts';
import type { Role } from '../../../src/domain/accounts/changes.ts';
import { newId } from '../../../src/core/ids.ts';
import { TollgateError } from '../../../src/core/errors.ts';
import { accountsRig, operator } from '../../fakes/accounts.ts';

describe('memberships', () => {
  test('once an account has an owner it keeps one, whatever is asked in whatever order', async () => {
    const step = fc.record({
      user: fc.nat({ max: 2 }),
      account: fc.nat({ max: 1 }),
      role: fc.constantFrom<Role | undefined>('owner', 'admin', 'member', undefined),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const rig = await accountsRig();
        const accounts = [
          await rig.accounts.create(operator, { kind: 'company', name: 'A' }),
          await rig.accounts.create(operator, { kind: 'person', name: 'B' }),
        ];
        const users = await Promise.all(['u', 'v', 'w'].map((name) => rig.users.create(operator, { name })));
        const model = accounts.map(() => new Map<number, Role>());
        for (const { user, account, role } of steps) {
          const members = model[account] ?? new Map<number, Role>();
          const owners = [...members].filter(([, held]) => held === 'owner').map(([owner]) => owner);
          const lastOwner = owners.length === 1 && owners[0] === user && role !== 'owner';
          const [who, where] = [users[user], accounts[account]];
          if (who === undefined || where === undefined) throw new Error('no such');
          const asked =
            role === undefined
              ? rig.users.removeMember(operator, who.id, where.id)
              : rig.users.setRole(operator, who.id, where.id, role);
          const refused = await asked.then(
            () => false,
            (error: unknown) => {
              expect(error).toBeInstanceOf(TollgateError);
              return true;
            },
          );
          expect(refused).toBe(lastOwner);
          if (refused) continue;
          if (role === undefined) members.delete(user);
          else members.set(user, role);
        }
        for (const [index, user] of users.entries()) {
          const held =
            (await rig.users.get(user.id))?.memberships.map(({ accountId, role }) => [accountId, role]) ?? [];
          const expected = accounts.flatMap((account, at) => {
            const role = model[at]?.get(index);
            return role === undefined ? [] : [[account.id, role]];
          });
          expect(new Map(held.map(([id, role]) => [id, role]))).toEqual(
            new Map(expected.map(([id, role]) => [id, role])),
          );
        }
        await rig.database.destroy();
      }),
      { numRuns: 30 },
    );
  });

  test('the refusal of the last owner is written down', async () => {
    const rig = await accountsRig();
    const account = await rig.accounts.create(operator, { kind: 'company', name: 'A' });
    const user = await rig.users.create(operator, { name: 'u' });
    await rig.users.setRole(operator, user.id, account.id, 'owner');
    await expect(rig.users.setRole(operator, user.id, account.id, 'member')).rejects.toMatchObject({
      code: 'conflict',
    });
    const [last] = await listAuditEvents(rig.database, { limit: 1 });
    expect(last).toMatchObject({
      action: 'membership.set.refused',
      actor: operator,
      target: `account/${account.id}`,
    });
  });

  test('of two owners that leave at the same time, one stays', async () => {
    const rig = await accountsRig();
    const account = await rig.accounts.create(operator, { kind: 'company', name: 'A' });
    const users = await Promise.all(['u', 'v'].map((name) => rig.users.create(operator, { name })));
    for (const user of users) await rig.users.setRole(operator, user.id, account.id, 'owner');
    const left = await Promise.allSettled(
      users.map((user) => rig.users.removeMember(operator, user.id, account.id)),
    );
    expect(left.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
  });
});

describe('users', () => {
  test('share no e-mail address, however it is written', async () => {
    const rig = await accountsRig();
    const first = await rig.users.create(operator, { name: 'u', email: 'Ann@example.org' });
    await expect(rig.users.create(operator, { name: 'v', email: 'ann@EXAMPLE.org' })).rejects.toMatchObject({
      code: 'conflict',
      details: { field: 'email' },
    });
    expect((await rig.users.update(operator, first.id, { email: 'ANN@example.org' })).email).toBe(
      'ANN@example.org',
    );
    expect((await rig.users.update(operator, first.id, { email: null })).email).toBeUndefined();
    await rig.users.create(operator, { name: 'v', email: 'ann@example.org' });
  });

  test.each(['no at', 'a@b@c', 'a b@c', 'a@b\n', `${'x'.repeat(250)}@example.org`])(
    'have no address like %j',
    async (email) => {
      const rig = await accountsRig();
      await expect(rig.users.create(operator, { name: 'u', email })).rejects.toMatchObject({
        details: { field: 'email' },
      });
    },
  );

  test('are listed by account, in pages, newest first', async () => {
    const rig = await accountsRig();
    const account = await rig.accounts.create(operator, { kind: 'company', name: 'A' });
    const users = [];
    for (const name of ['u', 'v', 'w']) users.push(await rig.users.create(operator, { name }));
    for (const user of users.slice(0, 2)) await rig.users.setRole(operator, user.id, account.id, 'member');
    const names = async (query: Parameters<typeof rig.users.list>[0]) =>
      (await rig.users.list(query)).map((user) => user.name);
    expect(await names({ limit: 10 })).toEqual(['w', 'v', 'u']);
    expect(await names({ limit: 10, accountId: account.id })).toEqual(['v', 'u']);
    expect(await names({ limit: 1, before: users[1]?.id })).toEqual(['u']);
    await expect(rig.users.setRole(operator, newId('usr'), account.id, 'member')).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  test('leave neither name nor address in the audit', async () => {
    const rig = await accountsRig();
    const user = await rig.users.create(operator, { name: 'Ann Example', email: 'ann@example.org' });
    await rig.users.update(operator, user.id, { name: 'Ann Other', email: null });
    await rig.accounts.create(operator, { kind: 'person', name: 'Ann Example' });
    const events = JSON.stringify(
      (await listAuditEvents(rig.database, { limit: 10 })).map((event) => event.change),
    );
    expect(events).not.toMatch(/ann/i);
    expect(events).toContain('(personal)');
  });
});
