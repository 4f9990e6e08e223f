import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { AccountPatch } from '../../../src/domain/accounts/changes.ts';
import { checkAuditChain, listAuditEvents } from '../../../src/domain/audit/audit-store.ts';
import { newId } from '../../../src/core/ids.ts';
import { accountsRig, operator } from '../../fakes/accounts.ts';

const acme = { kind: 'company', name: 'Acme' } as const;

describe('an account', () => {
  test('has its balance when it is found, and is the same after a restart', async () => {
    const rig = await accountsRig();
    const account = await rig.accounts.create(operator, {
      ...acme,
      overdraftNano: 5n,
      limits: { concurrency: 3, tokensPerMinute: null },
      budgets: { day: 2n ** 62n, total: 0n },
    });
    expect(account).toMatchObject({ currency: 'USD', status: 'active', group: undefined });
    expect(account.budgets).toEqual([
      { window: 'day', capNano: 2n ** 62n },
      { window: 'total', capNano: 0n },
    ]);
    expect(await rig.ledger.balance(account.id)).toMatchObject({
      currency: 'USD',
      overdraftNano: 5n,
      postedNano: 0n,
    });
    expect(rig.directory.account(account.id)).toEqual(account);
    const again = await rig.reopen();
    expect(again.directory.account(account.id)).toEqual(account);
    expect(again.warnings).toEqual([]);
  });

  test('is not made while money cannot be made durable', async () => {
    const rig = await accountsRig();
    rig.ledger.available = false;
    await expect(rig.accounts.create(operator, acme)).rejects.toMatchObject({ code: 'money_unavailable' });
    expect(await rig.accounts.list({ limit: 10 })).toEqual([]);
  });

  test('gets the overdraft that the ledger could not take at the next start, or when sent again', async () => {
    const rig = await accountsRig();
    const { id } = await rig.accounts.create(operator, acme);
    rig.ledger.available = false;
    await expect(rig.accounts.update(operator, id, { overdraftNano: 7n })).rejects.toMatchObject({
      code: 'money_unavailable',
    });
    rig.ledger.available = true;
    expect((await rig.ledger.balance(id))?.overdraftNano).toBe(0n);
    await rig.reopen();
    expect((await rig.ledger.balance(id))?.overdraftNano).toBe(7n);
    await rig.ledger.openAccount(id, 'USD', 0n);
    await rig.accounts.update(operator, id, { overdraftNano: 7n });
    expect((await rig.ledger.balance(id))?.overdraftNano).toBe(7n);
  });

  test('is closed only out of suspension and with nothing on it, and then for good', async () => {
    const rig = await accountsRig();
    const { id } = await rig.accounts.create(operator, acme);
    const to = (status: 'active' | 'suspended' | 'closed') => rig.accounts.update(operator, id, { status });
    await expect(to('closed')).rejects.toMatchObject({ code: 'conflict', details: { field: 'status' } });
    await to('suspended');
    rig.ledger.fund(id, 1n);
    await expect(to('closed')).rejects.toThrow('0.000000001 USD');
    rig.ledger.fund(id, -1n);
    expect((await to('closed')).status).toBe('closed');
    await expect(to('active')).rejects.toMatchObject({ code: 'conflict' });
    await expect(rig.apiKeys.create(operator, { accountId: id, name: 'late' })).rejects.toMatchObject({
      code: 'conflict',
    });
  });

  test.each([
    ['name', { name: 'two\nlines' }],
    ['name', { name: ' ' }],
    ['name', { name: 'x'.repeat(201) }],
    ['name', { name: '\ud800' }],
    ['overdraftNano', { overdraftNano: -1n }],
    ['overdraftNano', { overdraftNano: 2n ** 63n }],
    ['limits.concurrency', { limits: { concurrency: 1.5 } }],
    ['limits.requestsPerMinute', { limits: { requestsPerMinute: -1 } }],
    ['limits.tokensPerMinute', { limits: { tokensPerMinute: Number.NaN } }],
    ['budgets.month.capNano', { budgets: { month: -1n } }],
    ['group', { group: 'nobody' }],
  ] satisfies [string, AccountPatch][])('refuses a bad %s, and writes nothing', async (field, patch) => {
    const rig = await accountsRig();
    const account = await rig.accounts.create(operator, acme);
    const refusal = { code: 'invalid_request', details: { field } };
    await expect(rig.accounts.update(operator, account.id, patch)).rejects.toMatchObject(refusal);
    await expect(rig.accounts.create(operator, { ...acme, ...patch })).rejects.toMatchObject(refusal);
    expect(rig.directory.account(account.id)).toBe(account);
    expect(await listAuditEvents(rig.database, { limit: 10 })).toHaveLength(1);
  });

  test('is not known by another id, nor by one of another noun', async () => {
    const rig = await accountsRig();
    await expect(rig.accounts.update(operator, newId('acc'), { name: 'x' })).rejects.toMatchObject({
      code: 'not_found',
    });
    expect(rig.accounts.get(newId('acc'))).toBeUndefined();
  });

  test('is left alone, without an event, by a patch of nothing', async () => {
    const rig = await accountsRig();
    const account = await rig.accounts.create(operator, acme);
    expect(
      await rig.accounts.update(operator, account.id, { limits: {}, budgets: {}, name: undefined }),
    ).toBe(account);
    expect(await listAuditEvents(rig.database, { limit: 10 })).toHaveLength(1);
  });
});

describe('patches', () => {
  const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
  const count = optional(fc.option(fc.nat({ max: 1_000 }), { nil: null }));
  const capArbitrary = optional(fc.option(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), { nil: null }));
  const patchArbitrary: fc.Arbitrary<AccountPatch> = fc.record({
    name: optional(fc.constantFrom('Acme', 'Emca', 'Ω & co')),
    status: optional(fc.constantFrom('active' as const, 'suspended' as const)),
    overdraftNano: optional(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n })),
    group: optional(fc.constantFrom(null, 'friends')),
    limits: optional(fc.record({ requestsPerMinute: count, tokensPerMinute: count, concurrency: count })),
    budgets: optional(fc.record({ day: capArbitrary, month: capArbitrary, total: capArbitrary })),
  });

  test('sent all at once change what they name and nothing else, in memory as in the store', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(patchArbitrary, { maxLength: 12 }), async (patches) => {
        const rig = await accountsRig({ configGroups: [{ name: 'friends' }] });
        const { id } = await rig.accounts.create(operator, acme);
        const model: Record<string, unknown> = {
          name: 'Acme',
          status: 'active',
          overdraftNano: 0n,
          group: undefined,
          requestsPerMinute: undefined,
          tokensPerMinute: undefined,
          concurrency: undefined,
          day: undefined,
          month: undefined,
          total: undefined,
        };
        for (const { limits, budgets, ...rest } of patches) {
          for (const [name, value] of Object.entries({ ...rest, ...limits, ...budgets })) {
            if (value !== undefined) model[name] = value ?? undefined;
          }
        }
        await Promise.all(patches.map((patch) => rig.accounts.update(operator, id, patch)));
        for (const directory of [rig.directory, (await rig.reopen()).directory]) {
          const account = directory.account(id);
          const cap = (window: string) =>
            account?.budgets.find((budget) => budget.window === window)?.capNano;
          const found: Record<string, unknown> = {
            name: account?.name,
            status: account?.status,
            overdraftNano: account?.overdraftNano,
            group: account?.group,
            ...account?.limits,
            day: cap('day'),
            month: cap('month'),
            total: cap('total'),
          };
          expect(found).toEqual(model);
        }
        expect((await rig.ledger.balance(id))?.overdraftNano).toBe(rig.directory.account(id)?.overdraftNano);
        expect(await checkAuditChain(rig.database)).toMatchObject({ whole: true });
        await rig.database.destroy();
      }),
      { numRuns: 40 },
    );
  });
});
