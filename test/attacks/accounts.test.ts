// Attacks on accounts, by the numbers of the attack catalogue: D1-D3 and E17, as far as the accounts domain
// and its admin routes answer for them.

import { describe, expect, test } from 'bun:test';
import { newId } from '../../src/core/ids.ts';
import { sha256Hex } from '../../src/core/secrets.ts';
import { listAuditEvents } from '../../src/domain/audit/audit-store.ts';
import { operator, rigWithKey } from '../fakes/accounts.ts';
import { accountsApp, idOf } from '../http/admin/accounts-app.ts';
import type { Answer } from '../http/admin/accounts-app.ts';

describe('D1: identifiers of others', () => {
  test('answer exactly as those that never were, on every route', async () => {
    const { call } = await accountsApp();
    const account = idOf(await call('POST', '/accounts', { kind: 'person', name: 'a' }));
    const user = idOf(await call('POST', '/users', { name: 'u' }));
    const keyId = idOf(await call('POST', '/api-keys', { accountId: account, name: 'k' }));
    const ask = async (accountId: string, userId: string, apiKeyId: string): Promise<readonly Answer[]> => [
      await call('GET', `/accounts/${accountId}`),
      await call('PATCH', `/accounts/${accountId}`, { name: 'x' }),
      await call('GET', `/users/${userId}`),
      await call('PATCH', `/users/${userId}`, { name: 'x' }),
      await call('PUT', `/users/${user}/memberships/${accountId}`, { role: 'owner' }),
      await call('PUT', `/users/${userId}/memberships/${account}`, { role: 'owner' }),
      await call('DELETE', `/users/${userId}/memberships/${account}`),
      await call('GET', `/api-keys/${apiKeyId}`),
      await call('PATCH', `/api-keys/${apiKeyId}`, { name: 'x' }),
      await call('POST', `/api-keys/${apiKeyId}/rotate`, {}),
      await call('DELETE', `/api-keys/${apiKeyId}`),
    ];
    const shape = (answers: readonly Answer[]) =>
      answers.map((answer) => [answer.status, answer.get('code')]);
    const unknown = await ask(newId('acc'), newId('usr'), newId('key'));
    const otherNouns = await ask(keyId, account, user);
    expect(shape(unknown)).toEqual(unknown.map(() => [404, 'not_found']));
    expect(shape(otherNouns)).toEqual(shape(unknown));
    // A user who exists and is no member here is told apart from nobody by nothing.
    const stranger = await call('POST', '/api-keys', { accountId: account, name: 'k', userId: user });
    const nobody = await call('POST', '/api-keys', { accountId: account, name: 'k', userId: newId('usr') });
    expect([stranger.status, stranger.get('detail')]).toEqual([nobody.status, nobody.get('detail')]);
  });
});

describe('D2: fields that nobody may set', () => {
  const fields = [
    'role',
    'balance',
    'account_id',
    'multiplier',
    'multiplierPpm',
    'allowed_routes',
    'verified',
    'created_at',
    'createdAt',
    'id',
    'sha256',
    'hash',
    'hint',
    'revokedAt',
    'rotatedFrom',
    'memberships',
    'source',
    '__proto__',
    'constructor',
    'prototype',
  ];

  test('are refused by name on every write, at the top and further down, and change nothing', async () => {
    const { call, database } = await accountsApp();
    const account = idOf(await call('POST', '/accounts', { kind: 'person', name: 'a' }));
    const user = idOf(await call('POST', '/users', { name: 'u' }));
    await call('POST', '/groups', { name: 'g' });
    const key = idOf(await call('POST', '/api-keys', { accountId: account, name: 'k' }));
    const writes: readonly (readonly [
      method: string,
      path: string,
      body: string,
      own?: readonly string[],
    ])[] = [
      ['POST', '/accounts', '"kind":"person","name":"x"'],
      ['PATCH', `/accounts/${account}`, '"name":"x"'],
      ['POST', '/users', '"name":"x"'],
      ['PATCH', `/users/${user}`, '"name":"x"'],
      ['PUT', `/users/${user}/memberships/${account}`, '"role":"owner"', ['role']],
      ['POST', '/groups', '"name":"x"', ['multiplierPpm']],
      ['PATCH', '/groups/g', '"limits":{}', ['multiplierPpm']],
      ['POST', '/api-keys', `"accountId":"${account}","name":"x"`],
      ['PATCH', `/api-keys/${key}`, '"name":"x"'],
      ['POST', `/api-keys/${key}/rotate`, '"overlapSeconds":0'],
    ];
    const paths = [
      `/accounts/${account}`,
      `/users/${user}`,
      '/groups/g',
      `/api-keys/${key}`,
      '/accounts',
      '/users',
      '/groups',
      '/api-keys',
    ];
    const everything = async () =>
      (await Promise.all(paths.map((path) => call('GET', path)))).map((answer) => answer.text);
    const before = await everything();
    const events = (await listAuditEvents(database, { limit: 50 })).length;
    for (const [method, path, body, own = []] of writes) {
      for (const field of fields.filter((name) => !own.includes(name))) {
        const answer = await call(method, path, `{${body},"${field}":{"polluted":true}}`);
        expect([method, path, field, answer.status]).toEqual([method, path, field, 400]);
        if (/^[a-z]/i.test(field)) expect(answer.get('detail')).toContain(field);
      }
    }
    for (const nested of ['limits', 'budgets']) {
      const answer = await call(
        'PATCH',
        `/accounts/${account}`,
        `{"${nested}":{"__proto__":{"polluted":true}}}`,
      );
      expect(answer.status).toBe(400);
      expect((await call('PATCH', `/api-keys/${key}`, { [nested]: { balance: 1 } })).status).toBe(400);
    }
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
    expect(await everything()).toEqual(before);
    expect(await listAuditEvents(database, { limit: 50 })).toHaveLength(events);
  });

  test('a key cannot be moved to another account, nor an account to another currency or kind', async () => {
    const { call } = await accountsApp();
    const account = idOf(await call('POST', '/accounts', { kind: 'person', name: 'a' }));
    const other = idOf(await call('POST', '/accounts', { kind: 'person', name: 'b' }));
    const key = idOf(await call('POST', '/api-keys', { accountId: account, name: 'k' }));
    for (const [path, body] of [
      [`/api-keys/${key}`, { accountId: other }],
      [`/api-keys/${key}`, { userId: null }],
      [`/accounts/${account}`, { currency: 'EUR' }],
      [`/accounts/${account}`, { kind: 'company' }],
      ['/groups/g', { name: 'h' }],
    ] as const)
      expect((await call('PATCH', path, body)).status).toBe(400);
  });
});

describe('D3: the ladder of privileges', () => {
  test('the last owner cannot be removed or demoted, and the attempt is in the audit', async () => {
    const { call, database, operatorActor } = await accountsApp();
    const account = idOf(await call('POST', '/accounts', { kind: 'company', name: 'A' }));
    const user = idOf(await call('POST', '/users', { name: 'u' }));
    await call('PUT', `/users/${user}/memberships/${account}`, { role: 'owner' });
    expect((await call('DELETE', `/users/${user}/memberships/${account}`)).status).toBe(409);
    expect((await call('PUT', `/users/${user}/memberships/${account}`, { role: 'admin' })).status).toBe(409);
    const attempts = await listAuditEvents(database, { limit: 2, target: `account/${account}` });
    expect(attempts.map(({ action, actor }) => [action, actor])).toEqual([
      ['membership.set.refused', operatorActor],
      ['membership.remove.refused', operatorActor],
    ]);
  });

  test('roles are those of the list, and nobody is above owner', async () => {
    const { call } = await accountsApp();
    const account = idOf(await call('POST', '/accounts', { kind: 'company', name: 'A' }));
    const user = idOf(await call('POST', '/users', { name: 'u' }));
    for (const role of ['root', 'Owner', 'operator', '', null, ['owner'], 0]) {
      expect((await call('PUT', `/users/${user}/memberships/${account}`, { role })).status).toBe(400);
    }
  });

  test('an API key opens no admin route', async () => {
    const { call, app } = await accountsApp();
    const account = idOf(await call('POST', '/accounts', { kind: 'company', name: 'A' }));
    const key = String((await call('POST', '/api-keys', { accountId: account, name: 'k' })).get('key'));
    for (const authorization of [`Bearer ${key}`, 'Bearer ', '']) {
      for (const path of ['/accounts', '/users', '/groups', '/api-keys', `/accounts/${account}`]) {
        const answer = await app.handle(
          new Request(`http://localhost/admin/v1${path}`, { headers: { authorization } }),
        );
        expect(answer.status).toBe(401);
      }
    }
  });
});

describe('E17: changes beside charges', () => {
  test('a change of an account writes back nothing that it does not name', async () => {
    const { accounts, account, raw, ledger, directory } = await rigWithKey();
    ledger.fund(account.id, 1_000n);
    // Another hand changes the row after this process has read it: a write-back of the whole value would undo
    // it.
    raw.run("UPDATE account SET name = 'other', tokens_per_minute = 77, budget_day_nano = 5 WHERE id = ?", [
      account.id,
    ]);
    await Promise.all([
      accounts.update(operator, account.id, { limits: { requestsPerMinute: 3 } }),
      accounts.update(operator, account.id, { overdraftNano: 9n }),
      accounts.update(operator, account.id, { budgets: { total: 6n } }),
    ]);
    expect(directory.account(account.id)).toMatchObject({
      name: 'other',
      limits: { requestsPerMinute: 3, tokensPerMinute: 77 },
      overdraftNano: 9n,
      budgets: [
        { window: 'day', capNano: 5n },
        { window: 'total', capNano: 6n },
      ],
    });
    expect(await ledger.balance(account.id)).toMatchObject({ postedNano: 1_000n, overdraftNano: 9n });
  });

  test('a change of a key does not undo its deletion, nor a rotation its end', async () => {
    const { apiKeys, apiKey, key, directory } = await rigWithKey();
    const [, changed] = await Promise.allSettled([
      apiKeys.revoke(operator, apiKey.id),
      apiKeys.update(operator, apiKey.id, { name: 'x' }),
    ]);
    expect(changed.status).toBe('rejected');
    expect(directory.keyBySha256(sha256Hex(key))).toBeUndefined();
    expect((await apiKeys.get(apiKey.id))?.revokedAt).toBeDefined();
  });
});
