import { describe, expect, test } from 'bun:test';
import { checkKeyFormat, sha256Hex } from '../../../src/core/secrets.ts';
import { listAuditEvents } from '../../../src/domain/audit/audit-store.ts';
import { accountsApp, idOf } from './accounts-app.ts';

const noLimits = { requestsPerMinute: null, tokensPerMinute: null, concurrency: null };
const noBudgets = { day: null, month: null, total: null };

describe('/accounts', () => {
  test('opens, shows, changes and lists accounts; amounts are text, times are ISO 8601', async () => {
    const { call, ledger } = await accountsApp();
    const made = await call('POST', '/accounts', {
      kind: 'company',
      name: 'Acme',
      overdraftNano: '9223372036854775807',
      budgets: { day: { capNano: '5' } },
    });
    expect(made.status).toBe(201);
    const id = idOf(made);
    expect(JSON.parse(made.text)).toEqual({
      id,
      kind: 'company',
      name: 'Acme',
      currency: 'USD',
      overdraftNano: '9223372036854775807',
      status: 'active',
      group: null,
      limits: noLimits,
      budgets: { ...noBudgets, day: { capNano: '5' } },
      createdAt: '2026-01-15T12:00:00.000Z',
    });
    expect((await ledger.balance(`acc_${id.slice(4)}`))?.overdraftNano).toBe(9223372036854775807n);
    const changed = await call('PATCH', `/accounts/${id}`, {
      limits: { concurrency: 4 },
      budgets: { day: null, total: { capNano: '0' } },
    });
    expect(JSON.parse(changed.text)).toMatchObject({
      name: 'Acme',
      limits: { ...noLimits, concurrency: 4 },
      budgets: { ...noBudgets, total: { capNano: '0' } },
    });
    expect((await call('GET', `/accounts/${id}`)).text).toBe(changed.text);
    expect((await call('PATCH', `/accounts/${id}`, {})).text).toBe(changed.text);
  });

  test('lists in pages, by status and group', async () => {
    const { call } = await accountsApp({ configGroups: [{ name: 'friends' }] });
    const ids = [];
    for (const name of ['a', 'b', 'c'])
      ids.push(
        idOf(
          await call('POST', '/accounts', {
            kind: 'person',
            name,
            ...(name === 'b' && { group: 'friends' }),
          }),
        ),
      );
    const first = await call('GET', '/accounts?limit=2');
    expect(first.get('items')).toMatchObject([{ id: ids[2] }, { id: ids[1] }]);
    const second = await call('GET', `/accounts?limit=2&cursor=${String(first.get('nextCursor'))}`);
    expect(JSON.parse(second.text)).toMatchObject({ items: [{ id: ids[0] }], nextCursor: null });
    expect((await call('GET', '/accounts?group=friends')).get('items')).toMatchObject([{ id: ids[1] }]);
    await call('PATCH', `/accounts/${ids[0]}`, { status: 'suspended' });
    expect((await call('GET', '/accounts?status=suspended')).get('items')).toMatchObject([{ id: ids[0] }]);
    for (const query of ['limit=0', 'limit=201', 'limit=1e2', 'cursor=x', 'status=gone', 'sort=name', 'cursor=']) {
      expect((await call('GET', `/accounts?${query}`)).status).toBe(400);
    }
  });

  test('answers a conflict for a wrong change of status', async () => {
    const { call } = await accountsApp();
    const id = idOf(await call('POST', '/accounts', { kind: 'person', name: 'a' }));
    const refused = await call('PATCH', `/accounts/${id}`, { status: 'closed' });
    expect([refused.status, refused.get('field')]).toEqual([409, 'status']);
  });

  test('answers 503, and opens nothing, while money cannot be made durable', async () => {
    const { call, ledger } = await accountsApp();
    ledger.available = false;
    const refused = await call('POST', '/accounts', { kind: 'person', name: 'a' });
    expect([refused.status, refused.get('code')]).toEqual([503, 'money_unavailable']);
    expect((await call('GET', '/accounts')).get('items')).toEqual([]);
  });

  test('writes down which operator key asked', async () => {
    const { call, database, operatorActor } = await accountsApp();
    await call('POST', '/accounts', { kind: 'person', name: 'a' });
    expect((await listAuditEvents(database, { limit: 1 }))[0]?.actor).toBe(operatorActor);
  });
});

describe('/users', () => {
  test('makes users members of accounts and refuses to take the last owner away', async () => {
    const { call } = await accountsApp();
    const account = idOf(await call('POST', '/accounts', { kind: 'company', name: 'A' }));
    const made = await call('POST', '/users', { name: 'Ann', email: 'ann@example.org' });
    expect(made.status).toBe(201);
    const user = idOf(made);
    const owner = await call('PUT', `/users/${user}/memberships/${account}`, { role: 'owner' });
    expect(owner.get('memberships')).toEqual([{ accountId: account, role: 'owner' }]);
    for (const refused of [
      await call('PUT', `/users/${user}/memberships/${account}`, { role: 'member' }),
      await call('DELETE', `/users/${user}/memberships/${account}`),
    ])
      expect(refused.status).toBe(409);
    expect((await call('GET', `/users?accountId=${account}`)).get('items')).toMatchObject([
      { id: user, email: 'ann@example.org' },
    ]);
    expect((await call('PATCH', `/users/${user}`, { email: null })).get('email')).toBeNull();
    const second = idOf(await call('POST', '/users', { name: 'Ben' }));
    await call('PUT', `/users/${second}/memberships/${account}`, { role: 'owner' });
    expect((await call('DELETE', `/users/${user}/memberships/${account}`)).get('memberships')).toEqual([]);
  });
});

describe('/groups', () => {
  test('shows those of the config as read-only and changes the others', async () => {
    const { call } = await accountsApp({
      configGroups: [{ name: 'friends', multiplierPpm: 1, limits: { concurrency: 1 } }],
    });
    const made = await call('POST', '/groups', { name: 'team', limits: { requestsPerMinute: 5 } });
    expect(made.status).toBe(201);
    const list = await call('GET', '/groups');
    expect(list.get('items')).toMatchObject([
      { name: 'friends', source: 'config', limits: { ...noLimits, concurrency: 1 } },
      { name: 'team', source: 'admin', multiplierPpm: 1_000_000 },
    ]);
    const paged = await call('GET', '/groups?limit=1');
    expect((await call('GET', `/groups?cursor=${String(paged.get('nextCursor'))}`)).get('items')).toMatchObject([
      { name: 'team' },
    ]);
    for (const refused of [
      await call('PATCH', '/groups/friends', { multiplierPpm: 5 }),
      await call('DELETE', '/groups/friends'),
    ]) {
      expect(refused.status).toBe(409);
      expect(refused.get('detail')).toContain('config');
    }
    expect(
      (await call('PATCH', '/groups/team', { multiplierPpm: 0, limits: { requestsPerMinute: null } })).get('limits'),
    ).toEqual(noLimits);
    // A person reads the field, what is wrong with it, and what it takes; `null` makes it a union in the schema alone.
    const odd = await call('PATCH', '/groups/team', { limits: { requestsPerMinute: -1 } });
    expect(odd.status).toBe(400);
    expect(odd.get('detail')).toMatch(
      /^limits\.requestsPerMinute: is not a value that this field takes \(Requests in any 60 seconds, 0 to \d+\./,
    );
    expect((await call('DELETE', '/groups/team')).get('multiplierPpm')).toBe(0);
    expect((await call('GET', '/groups/team')).status).toBe(404);
  });
});

describe('/api-keys', () => {
  test('shows the key once; nothing that is read later holds it or its hash', async () => {
    const { call, directory } = await accountsApp();
    const account = idOf(await call('POST', '/accounts', { kind: 'person', name: 'a' }));
    const made = await call('POST', '/api-keys', {
      accountId: account,
      name: 'laptop',
      addresses: ['192.0.2.1'],
      expiresAt: '2027-01-01T00:00:00Z',
    });
    expect(made.status).toBe(201);
    const key = String(made.get('key'));
    expect(checkKeyFormat(key)).toBe('api-key');
    expect(directory.keyBySha256(sha256Hex(key))?.addresses).toEqual(['192.0.2.1/32']);
    const id = idOf(made);
    const reads = [
      await call('GET', `/api-keys/${id}`),
      await call('GET', '/api-keys'),
      await call('PATCH', `/api-keys/${id}`, { name: 'desk' }),
    ];
    for (const read of [made, ...reads]) expect(read.text).not.toContain(sha256Hex(key));
    for (const read of reads) expect(read.text).not.toContain(key.slice(3, 35));
    expect(reads[2]?.get('expiresAt')).toBe('2027-01-01T00:00:00.000Z');
    expect((await call('PATCH', `/api-keys/${id}`, { expiresAt: null, addresses: null })).get('addresses')).toBeNull();
  });

  test('rotates with and without a body, deletes at once, and lists by account', async () => {
    const { call, directory } = await accountsApp();
    const account = idOf(await call('POST', '/accounts', { kind: 'person', name: 'a' }));
    const other = idOf(await call('POST', '/accounts', { kind: 'person', name: 'b' }));
    await call('POST', '/api-keys', { accountId: other, name: 'other' });
    const old = await call('POST', '/api-keys', { accountId: account, name: 'k' });
    const fresh = await call('POST', `/api-keys/${idOf(old)}/rotate`);
    expect([fresh.status, fresh.get('rotatedFrom')]).toEqual([201, idOf(old)]);
    expect((await call('GET', `/api-keys/${idOf(old)}`)).get('expiresAt')).toBe('2026-01-16T12:00:00.000Z');
    const last = await call('POST', `/api-keys/${idOf(fresh)}/rotate`, { overlapSeconds: 0 });
    expect(directory.keyBySha256(sha256Hex(String(fresh.get('key'))))).toBeUndefined();
    expect((await call('DELETE', `/api-keys/${idOf(last)}`)).get('revokedAt')).toBe('2026-01-15T12:00:00.000Z');
    expect(directory.keyBySha256(sha256Hex(String(last.get('key'))))).toBeUndefined();
    expect((await call('DELETE', `/api-keys/${idOf(last)}`)).status).toBe(200);
    const listed = (await call('GET', `/api-keys?accountId=${account}`)).get('items');
    expect(listed).toMatchObject([{ id: idOf(last) }, { id: idOf(fresh) }, { id: idOf(old) }]);
  });

  test('repeated with its idempotency key is made once and not shown again', async () => {
    const { call } = await accountsApp();
    const account = idOf(await call('POST', '/accounts', { kind: 'person', name: 'a' }));
    const body = { accountId: account, name: 'k' };
    const first = await call('POST', '/api-keys', body, { 'idempotency-key': 'once' });
    const second = await call('POST', '/api-keys', body, { 'idempotency-key': 'once' });
    expect([second.status, idOf(second), second.get('key')]).toEqual([201, idOf(first), null]);
    expect((await call('GET', '/api-keys')).get('items')).toHaveLength(1);
  });

  test.each([
    ['models', { models: [] }],
    ['addresses[0]', { addresses: ['10.0.0.1/8'] }],
    ['expiresAt', { expiresAt: '2026-02-31T00:00:00Z' }],
    ['expiresAt', { expiresAt: '2020-01-01T00:00:00Z' }],
    ['expiresAt', { expiresAt: 5 }],
    ['budgets.day.capNano', { budgets: { day: { capNano: 5 } } }],
    ['budgets.day.capNano', { budgets: { day: { capNano: '-5' } } }],
    ['limits.concurrency', { limits: { concurrency: '5' } }],
    ['limits.concurrency', { limits: { concurrency: 1e20 } }],
    ['group', { group: 'nobody' }],
    ['name', { name: '' }],
    ['name', { name: 'a\u0000' }],
  ])('answers 400 naming %s', async (field, patch) => {
    const { call } = await accountsApp();
    const account = idOf(await call('POST', '/accounts', { kind: 'person', name: 'a' }));
    const made = await call('POST', '/api-keys', { accountId: account, name: 'k' });
    const refused = await call('PATCH', `/api-keys/${idOf(made)}`, patch);
    expect(refused.status).toBe(400);
    // A schema names the field itself or the one around it.
    expect(field.startsWith(String(refused.get('field')))).toBe(true);
    expect(JSON.parse((await call('GET', `/api-keys/${idOf(made)}`)).text)).toEqual({
      ...JSON.parse(made.text),
      key: undefined,
    });
  });
});
