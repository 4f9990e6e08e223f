// Attacks on API keys, by the numbers of the attack catalogue: B1-B4 and F4, as far as the accounts domain,
// its admin routes and `core/secrets.ts` answer for them.

import { describe, expect, test } from 'bun:test';
import { createLog } from '../../src/core/log.ts';
import {
  checkKeyFormat,
  createRedactor,
  generateKey,
  sha256Hex,
  systemRandomBytes,
} from '../../src/core/secrets.ts';
import { listAuditEvents } from '../../src/domain/audit/audit-store.ts';
import { rigWithKey } from '../fakes/accounts.ts';
import { accountsApp, idOf } from '../http/admin/accounts-app.ts';

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
    const { directory, key } = await rigWithKey();
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
  test('does not show: whatever is wrong with it, it finds nothing by its whole hash', async () => {
    const { directory, key } = await rigWithKey();
    for (const other of [`tgo_${key.slice(3)}`, misspelt(key), generateKey('api-key', systemRandomBytes)]) {
      expect(directory.keyBySha256(sha256Hex(other))).toBeUndefined();
    }
  });
});

describe('B3: a flood of keys with bad checksums', () => {
  test('is refused by form alone', async () => {
    const { key } = await rigWithKey();
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
    const { directory, apiKey } = await rigWithKey();
    expect(sha256Hex(first)).not.toBe(sha256Hex(second));
    for (const length of [20, 32, 63]) {
      const cousin = apiKey.sha256.slice(0, length) + 'z'.repeat(64 - length);
      expect(directory.keyBySha256(cousin)).toBeUndefined();
    }
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
      detail: `GET https://up/?q=${encodeURIComponent(upstreamCredential)} ${upstreamCredential} for ${key}`,
    });
    const text = lines.join('');
    expect(text).not.toContain(key.slice(3));
    expect(text).not.toContain('secret');
    expect(JSON.parse(text)).toMatchObject({ event: 'failed' });
  });
});
