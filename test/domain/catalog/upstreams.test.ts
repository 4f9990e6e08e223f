import { describe, expect, test } from 'bun:test';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newMasterKeyText } from '../../../src/core/envelope.ts';
import { systemRandomBytes } from '../../../src/core/secrets.ts';
import { listAuditEvents } from '../../../src/domain/audit/audit-store.ts';
import { catalogRig, credential, operator, rigConfig, rigWithModel, usd } from './catalog-rig.ts';

const own = { name: 'own', provider: 'simulator', baseUrl: 'http://127.0.0.1:8/v1', addresses: 'any' } as const;

describe('an upstream that an operator makes', () => {
  test('has its secret in memory and nowhere else', async () => {
    const rig = await catalogRig();
    const made = await rig.upstreams.create(operator, { ...own, credential });
    expect(made).toMatchObject({
      hasCredential: true,
      credentialHint: '...9876',
      source: 'admin',
      weight: 100,
      priority: 0,
      enabled: true,
    });
    expect(rig.catalog.upstreams().find(({ name }) => name === 'own')?.credential).toBe(credential);
    expect(rig.guarded).toEqual([credential]);
    const rows = JSON.stringify(rig.raw.query('SELECT * FROM upstream').all(), (_, value: unknown) =>
      typeof value === 'bigint' ? Number(value) : value,
    );
    expect(rows).not.toContain(credential);
    expect(JSON.stringify(rig.upstreams.list())).not.toContain(credential);
    const [event] = await listAuditEvents(rig.database, { limit: 1 });
    expect(event).toMatchObject({ actor: operator, action: 'upstream.create', target: 'upstream/own' });
    expect(event?.change).not.toContain(credential);
    expect(event?.change).toContain('"credential":"(secret)"');
    const again = await rig.reopen();
    expect(again.catalog.upstreams().find(({ name }) => name === 'own')?.credential).toBe(credential);
    expect(again.service.upstreams.get('own')).toEqual(made);
  });

  test('shows no half of a short secret', async () => {
    const rig = await catalogRig();
    expect(await rig.upstreams.create(operator, { ...own, credential: 'eight888' })).toMatchObject({
      credentialHint: '...',
    });
  });

  test('keeps what a patch does not name; null takes away', async () => {
    const rig = await catalogRig();
    const made = await rig.upstreams.create(operator, { ...own, credential, weight: 5 });
    const changed = await rig.upstreams.update(operator, 'own', { priority: 3, onClientLeaving: 'drain' });
    expect(changed).toEqual({ ...made, priority: 3, onClientLeaving: 'drain' });
    expect(await rig.upstreams.update(operator, 'own', { credential: null })).toMatchObject({
      hasCredential: false,
      credentialHint: undefined,
    });
    expect((await rig.reopen()).service.upstreams.get('own')).toEqual(rig.upstreams.get('own'));
    expect(await listAuditEvents(rig.database, { limit: 9 })).toHaveLength(3);
    await rig.upstreams.update(operator, 'own', {});
    expect(await listAuditEvents(rig.database, { limit: 9 })).toHaveLength(3);
  });

  test.each([
    ['name', { name: 'Own' }],
    ['name', { name: '' }],
    ['provider', { provider: 'nobody' }],
    ['baseUrl', { baseUrl: 'http://127.0.0.1/v1', addresses: 'public' }],
    ['baseUrl', { baseUrl: 'http://169.254.169.254/latest' }],
    ['baseUrl', { baseUrl: 'https://user:pass@example.com/' }],
    ['baseUrl', { baseUrl: 'file:///etc/passwd' }],
    ['baseUrl', { baseUrl: null }],
    ['credential', { credential: 'short' }],
    ['credential', { credential: 'with a blank in it' }],
    ['credential', { credential: 'line\r\nx-injected: yes' }],
    ['credential', { provider: 'openai-compatible' }],
    ['weight', { weight: -1 }],
    ['weight', { weight: 0.5 }],
    ['priority', { priority: 1e9 }],
  ] as const)('is refused by its %s', async (field, wrong) => {
    const rig = await catalogRig();
    await expect(rig.upstreams.create(operator, { ...own, ...wrong })).rejects.toMatchObject({
      code: 'invalid_request',
      details: { field },
    });
    expect(rig.upstreams.get('own')).toBeUndefined();
    expect(await listAuditEvents(rig.database, { limit: 1 })).toEqual([]);
  });

  test('takes no name that another has, had, or that the config ever declared', async () => {
    const rig = await catalogRig();
    await rig.upstreams.create(operator, { ...own, enabled: false });
    for (const name of ['own', 'declared']) {
      await expect(rig.upstreams.create(operator, { ...own, name })).rejects.toMatchObject({
        code: 'conflict',
        details: { field: 'name' },
      });
    }
    const later = await rig.reopen({ config: rigConfig({ upstreams: [], models: [] }) });
    expect(later.service.upstreams.get('declared')).toBeUndefined();
    await expect(later.service.upstreams.create(operator, { ...own, name: 'declared' })).rejects.toMatchObject({
      code: 'conflict',
    });
  });

  test('and whose row somebody changed behind our back is not overwritten', async () => {
    const rig = await catalogRig();
    await rig.upstreams.create(operator, own);
    rig.raw.run("UPDATE upstream SET revision = 7 WHERE name = 'own'");
    await expect(rig.upstreams.update(operator, 'own', { weight: 1 })).rejects.toMatchObject({ code: 'conflict' });
    expect(rig.upstreams.get('own')?.weight).toBe(100);
    expect(() => rig.raw.run("DELETE FROM upstream WHERE name = 'own'")).toThrow('never deleted');
    expect(() => rig.raw.run("UPDATE upstream SET name = 'other'")).toThrow('never changes');
  });
});

describe('an upstream of the config', () => {
  test('is shown and not changed', async () => {
    const rig = await catalogRig();
    expect(rig.upstreams.get('declared')).toMatchObject({
      source: 'config',
      hasCredential: false,
      baseUrl: 'http://127.0.0.1:9/v1',
    });
    const attempt = rig.upstreams.update(operator, 'declared', { enabled: false });
    await expect(attempt).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('the config declares'),
    });
  });

  test('hides one that an operator made before, and says so', async () => {
    const rig = await catalogRig();
    await rig.upstreams.create(operator, own);
    const base = rigConfig();
    const config = rigConfig({ upstreams: [...base.upstreams, { ...own, baseUrl: 'http://127.0.0.1:7/v1' }] });
    const later = await rig.reopen({ config });
    expect(later.warnings).toEqual([expect.stringContaining('upstream own')]);
    expect(later.service.upstreams.get('own')).toMatchObject({ source: 'config', baseUrl: 'http://127.0.0.1:7/v1' });
  });
});

describe('a credential', () => {
  test.each([
    ['the base URL', { baseUrl: 'http://127.0.0.1:8/v1/elsewhere' }],
    ['the provider', { provider: 'reporting' }],
    ['the base URL to the default of another provider', { provider: 'reporting', baseUrl: null }],
  ])('is entered again when an operator changes %s', async (_, patch) => {
    const rig = await catalogRig();
    await rig.upstreams.create(operator, { ...own, credential });
    const refused = rig.upstreams.update(operator, 'own', patch);
    await expect(refused).rejects.toMatchObject({ code: 'invalid_request', details: { field: 'credential' } });
    expect(rig.upstreams.get('own')).toMatchObject({ baseUrl: own.baseUrl, provider: 'simulator' });
    const entered = await rig.upstreams.update(operator, 'own', { ...patch, credential: `${credential}-new` });
    expect(entered.hasCredential).toBe(true);
    expect(await rig.upstreams.update(operator, 'own', { baseUrl: own.baseUrl, credential: null })).toMatchObject({
      hasCredential: false,
    });
  });

  test('is not asked for when the same address is sent again', async () => {
    const rig = await catalogRig();
    await rig.upstreams.create(operator, { ...own, credential });
    expect(
      await rig.upstreams.update(operator, 'own', { baseUrl: 'HTTP://127.0.0.1:8/v1', provider: 'simulator' }),
    ).toMatchObject({ hasCredential: true });
  });

  test('that was moved to another row does not open', async () => {
    const rig = await catalogRig();
    await rig.upstreams.create(operator, { ...own, credential });
    await rig.upstreams.create(operator, { ...own, name: 'evil', baseUrl: 'http://127.0.0.1:6/v1' });
    rig.raw.run(
      "UPDATE upstream SET (credential, credential_hint) = (SELECT credential, credential_hint FROM upstream WHERE name = 'own') WHERE name = 'evil'",
    );
    await expect(rig.reopen()).rejects.toThrow('does not open');
  });
});

describe('the master key', () => {
  test('is made when the first credential comes, for its owner alone', async () => {
    const rig = await catalogRig();
    const file = join(rig.dataFolder, 'master-key');
    await rig.upstreams.create(operator, own);
    expect(existsSync(file)).toBe(false);
    await rig.upstreams.update(operator, 'own', { credential });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(existsSync(`${file}.new`)).toBe(false);
  });

  test('of the environment leaves no file', async () => {
    const masterKey = newMasterKeyText(systemRandomBytes);
    const rig = await catalogRig({ masterKey });
    await rig.upstreams.create(operator, { ...own, credential });
    expect(existsSync(join(rig.dataFolder, 'master-key'))).toBe(false);
    expect((await rig.reopen()).catalog.upstreams().find(({ name }) => name === 'own')?.credential).toBe(credential);
  });

  test('that is missing or another one stops the start, in words', async () => {
    const rig = await catalogRig();
    await rig.upstreams.create(operator, { ...own, credential });
    const file = join(rig.dataFolder, 'master-key');
    const text = readFileSync(file, 'utf8');
    const other = newMasterKeyText(systemRandomBytes);
    await expect(rig.reopen({ masterKey: other })).rejects.toThrow(
      /upstream own was encrypted with master key \w{16}, and TOLLGATE_MASTER_KEY has key \w{16}/,
    );
    rmSync(file);
    await expect(rig.reopen()).rejects.toMatchObject({
      name: 'MasterKeyError',
      message: expect.stringContaining('there is none; set TOLLGATE_MASTER_KEY'),
    });
    expect(existsSync(file)).toBe(false);
    writeFileSync(file, 'rubbish');
    await expect(rig.reopen()).rejects.toThrow('base64 of 32 random bytes');
    await expect(rig.reopen({ masterKey: 'rubbish' })).rejects.toThrow('TOLLGATE_MASTER_KEY must be base64');
    writeFileSync(file, text);
    expect((await rig.reopen()).service.upstreams.get('own')?.hasCredential).toBe(true);
    expect((await rig.reopen({ masterKey: text.trim() })).service.upstreams.get('own')?.hasCredential).toBe(true);
  });

  test('is not needed while no credential is stored', async () => {
    const rig = await catalogRig();
    await rig.upstreams.create(operator, own);
    expect((await rig.reopen({ masterKey: newMasterKeyText(systemRandomBytes) })).warnings).toEqual([]);
  });
});

describe('the live catalog', () => {
  test('makes new objects for what changed and for nothing else', async () => {
    const rig = await rigWithModel();
    const before = rig.catalog.model('own/model');
    const declared = rig.catalog.model('declared/model');
    await rig.upstreams.create(operator, { ...own, name: 'other' });
    await rig.prices.create(operator, 'own/model', { ...usd(2n), perCallNano: 0n, validFrom: rig.time.now + 1_000 });
    expect(rig.catalog.model('own/model')).toBe(before);
    await rig.models.update(operator, 'own/model', { contextTokens: 2_000 });
    const wider = rig.catalog.model('own/model');
    expect(wider).not.toBe(before);
    expect(wider?.offers[0]).toBe(before?.offers[0]);
    await rig.upstreams.update(operator, 'own', { weight: 1 });
    const after = rig.catalog.model('own/model');
    expect(after?.offers[0]).not.toBe(before?.offers[0]);
    expect([before?.offers[0]?.upstream.weight, after?.offers[0]?.upstream.weight]).toEqual([100, 1]);
    expect(rig.catalog.model('declared/model')).toBe(declared);
  });

  test('stays as it was when the write fails', async () => {
    const rig = await rigWithModel();
    rig.time.now += 1;
    rig.raw.run("CREATE TRIGGER full BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'disk full'); END");
    const before = rig.catalog.model('own/model');
    await expect(rig.upstreams.update(operator, 'own', { enabled: false })).rejects.toThrow('disk full');
    await expect(rig.models.update(operator, 'own/model', { enabled: false })).rejects.toThrow('disk full');
    await expect(rig.prices.create(operator, 'own/model', { ...usd(9n), perCallNano: 0n })).rejects.toThrow(
      'disk full',
    );
    expect(rig.catalog.model('own/model')).toBe(before);
    expect(rig.upstreams.get('own')?.enabled).toBe(true);
    rig.raw.run('DROP TRIGGER full');
    expect((await rig.reopen()).service.models.get('own/model')).toEqual(rig.models.get('own/model'));
    expect(await rig.upstreams.update(operator, 'own', { enabled: false })).toMatchObject({ enabled: false });
  });

  test('of many changes at once has them all', async () => {
    const rig = await catalogRig();
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => rig.upstreams.create(operator, { ...own, name: `u${index}` })),
    );
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        rig.upstreams.update(operator, 'u1', index % 2 === 0 ? { weight: index } : { priority: index }),
      ),
    );
    expect(rig.upstreams.get('u1')).toMatchObject({ weight: 18, priority: 19 });
    expect(rig.upstreams.list()).toHaveLength(21);
    expect((await rig.reopen()).service.upstreams.list()).toEqual(rig.upstreams.list());
  });
});
