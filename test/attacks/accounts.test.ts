// Attacks on accounts and keys, by the numbers of the attack catalogue: B1-B4, D1-D3, E17, F4, as far as the
// accounts domain, its admin routes and `core/secrets.ts` answer for them.

import { describe, expect, test } from 'bun:test';
import { newId } from '../../src/core/ids.ts';
import { createLog } from '../../src/core/log.ts';
import {
  checkKeyFormat,
  createRedactor,
  generateKey,
  sha256Hex,
  systemRandomBytes,
} from '../../src/core/secrets.ts';
import { listAuditEvents } from '../../src/domain/audit/audit-store.ts';
import { accountsRig, operator } from '../fakes/accounts.ts';
import { accountsApp, idOf } from '../http/admin/accounts-app.ts';
import type { Answer } from '../http/admin/accounts-app.ts';

async function withKey() {
  const rig = await accountsRig();
  const account = await rig.accounts.create(operator, { kind: 'company', name: 'A' });
  return { ...rig, account, ...(await rig.apiKeys.create(operator, { accountId: account.id, name: 'k' })) };
}

/** The same text with its last checksum digit changed. */
const misspelt = (key: string): string => key.slice(0, -1) + (key.endsWith('0') ? '1' : '0');

describe('B1: odd texts in the place of a key', () => {
  const odd = (key: string): readonly string[] => [
    '',
    ' ',
    `' OR '1'='1`,
    `${key}' OR '1'='1`,
    `${key};--`,
    `${key} `,
    ` ${key}`,
    `${key}\n`,
    `${key},${key}`,
    `${key}\u0000`,
    key.replace('t', 'т'),
    key.replace('_', '＿'),
    key.normalize('NFD') + '\u0301',
    key.toUpperCase(),
    key.toLowerCase(),
    key.slice(0, -1),
    `${key}0`,
    'tg_',
    'tgo_',
    'tg_%',
    'x'.repeat(1_000_000),
    `${key.slice(0, 35)}${'x'.repeat(1_000_000)}`,
    '__proto__',
    'constructor',
  ];

  test('are no keys by their form, and find nothing when looked up all the same', async () => {
    const { directory, key } = await withKey();
    for (const text of odd(key)) {
      if (text === key) continue;
      expect(checkKeyFormat(text)).toBeUndefined();
      expect(directory.keyBySha256(sha256Hex(text))).toBeUndefined();
      expect(directory.keyBySha256(text)).toBeUndefined();
    }
    expect(directory.keyBySha256(sha256Hex(key))).toBeDefined();
  });

  test('do no harm as identifiers, names and cursors', async () => {
    const { call } = await accountsApp();
    const account = idOf(
      await call('POST', '/accounts', { kind: 'person', name: `Robert'); DROP TABLE account;--` }),
    );
    for (const text of [
      `' OR '1'='1`,
      'acc_%',
      'acc_*',
      '..%2f..',
      `${account}'`,
      account.toUpperCase(),
      `${account}%00`,
    ]) {
      expect((await call('GET', `/accounts/${encodeURIComponent(text)}`)).status).toBe(404);
      expect((await call('GET', `/accounts?cursor=${encodeURIComponent(text)}`)).status).toBe(400);
    }
    expect((await call('GET', `/accounts/${account}`)).status).toBe(200);
  });
});

describe('B2: which part of a key is wrong', () => {
  test('does not show: a wrong prefix, a wrong tail and an unknown key all find nothing by the whole hash', async () => {
    const { directory, key } = await withKey();
    for (const other of [`tgo_${key.slice(3)}`, misspelt(key), generateKey('api-key', systemRandomBytes)]) {
      expect(directory.keyBySha256(sha256Hex(other))).toBeUndefined();
    }
  });
});

describe('B3: a flood of keys with bad checksums', () => {
  test('is refused by form alone', async () => {
    const { key } = await withKey();
    for (let index = 0; index < 10_000; index++) {
      const wrong = key.slice(0, 3) + index.toString().padStart(32, '0') + key.slice(-6);
      expect(checkKeyFormat(wrong)).toBeUndefined();
    }
    expect(checkKeyFormat(misspelt(key))).toBeUndefined();
  });
});

describe('B4: two keys that begin alike', () => {
  test('are two keys, and two hashes that begin alike are two hashes', async () => {
    let call = 0;
    const alike = (length: number): Uint8Array => {
      call += 1;
      return Uint8Array.from({ length }, (_, index) => (index === 31 ? call : 7));
    };
    const [first, second] = [generateKey('api-key', alike), generateKey('api-key', alike)];
    expect(first.slice(0, 34)).toBe(second.slice(0, 34));
    const { directory, apiKey } = await withKey();
    expect(sha256Hex(first)).not.toBe(sha256Hex(second));
    for (const length of [20, 32, 63]) {
      const cousin = apiKey.sha256.slice(0, length) + 'z'.repeat(64 - length);
      expect(directory.keyBySha256(cousin)).toBeUndefined();
    }
  });
});

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
    const { accounts, account, raw, ledger, directory } = await withKey();
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
    const { apiKeys, apiKey, key, directory } = await withKey();
    const [, changed] = await Promise.allSettled([
      apiKeys.revoke(operator, apiKey.id),
      apiKeys.update(operator, apiKey.id, { name: 'x' }),
    ]);
    expect(changed.status).toBe('rejected');
    expect(directory.keyBySha256(sha256Hex(key))).toBeUndefined();
    expect((await apiKeys.get(apiKey.id))?.revokedAt).toBeDefined();
  });
});

describe('F4: canary secrets', () => {
  test('leave no trace in answers, log, audit or store', async () => {
    const { call, log, operatorKey, raw, database } = await accountsApp();
    const account = idOf(await call('POST', '/accounts', { kind: 'person', name: 'a' }));
    const made = await call('POST', '/api-keys', { accountId: account, name: 'k' });
    const key = String(made.get('key'));
    const answers = [
      // Keys in every place where they do not belong.
      await call('POST', '/accounts', { kind: 'person', name: 'x', [key]: 1 }),
      await call('POST', '/accounts', { kind: key, name: 'x' }),
      await call('POST', '/accounts', { kind: 'person', name: 'x', group: key }),
      await call('GET', `/accounts/${key}`),
      await call('GET', `/accounts?cursor=${key}`),
      await call('GET', `/api-keys/${key}`),
      await call('GET', `/groups/${key}`),
      await call('PATCH', `/api-keys/${idOf(made)}`, { addresses: [key] }),
      await call('PATCH', `/api-keys/${idOf(made)}`, { expiresAt: key }),
      await call('PATCH', `/api-keys/${idOf(made)}`, { limits: { concurrency: key } }),
      await call('POST', '/users', { name: 'u', email: key }),
      await call('POST', '/accounts', `{"kind":"person","name":"${key}`),
      await call('GET', '/api-keys'),
    ];
    raw.run('DROP TABLE api_key');
    answers.push(await call('GET', `/api-keys/${idOf(made)}`));
    expect(answers.at(-1)?.status).toBe(500);
    const audit = JSON.stringify(
      (await listAuditEvents(database, { limit: 100 })).map((event) => event.change),
    );
    const everything = [
      ...answers.map((answer) => answer.text),
      ...log,
      audit,
      Buffer.from(raw.serialize()).toString('latin1'),
    ].join('\n');
    for (const canary of [key, operatorKey]) expect(everything).not.toContain(canary.slice(4, 36));
  });

  test('are cut out of log lines by form and by value, whichever way they are written', () => {
    const redactor = createRedactor();
    const upstreamCredential = 'up/str=am "secret"\\1';
    redactor.register(upstreamCredential);
    const key = generateKey('api-key', systemRandomBytes);
    const lines: string[] = [];
    const log = createLog(
      { now: () => 0, monotonicMs: () => 0 },
      (line) => void lines.push(line),
      redactor.redact,
    );
    log.error('failed', {
      detail: `GET https://up/?key=${encodeURIComponent(upstreamCredential)} with ${upstreamCredential} for ${key}`,
    });
    const text = lines.join('');
    expect(text).not.toContain(key.slice(3));
    expect(text).not.toContain('secret');
    expect(JSON.parse(text)).toMatchObject({ event: 'failed' });
  });
});
