// The catalog domain on a database in memory, with a config and a clock that tests hold in their hands.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'bun:test';
import { newId } from '../../../src/core/ids.ts';
import { systemRandomBytes } from '../../../src/core/secrets.ts';
import { resolveConfig, type ResolvedConfig } from '../../../src/config/resolve.ts';
import { openCatalog, type OpenCatalog } from '../../../src/domain/catalog/open-catalog.ts';
import {
  Type,
  defineGateway,
  defineProvider,
  named,
  type GatewayConfig,
  type UsagePart,
} from '../../../src/plugin/index.ts';
import { migrate } from '../../../src/store/migrate.ts';
import { accountsMigrations, type AccountsTables } from '../../../src/store/schema/accounts.ts';
import { adminCatalogMigration, catalogMigration, type CatalogTables } from '../../../src/store/schema/catalog.ts';
import { sqlFileOn } from '../../../src/store/sql-file.ts';
import { openSqlite } from '../../../src/store/sqlite.ts';
import { openAiCompatible, priority, requestPrice, simulator, tokenPrice, weighted } from '../../../plugins/index.ts';

export const operator = 'operator:opk_test';
export const credential = 'sk-a-credential-that-is-secret-9876';

/** A provider that reports what its options say, for prices that must cover it. */
const reporting = defineProvider({
  name: 'reporting',
  version: '1.0.0',
  summary: 'Reports the parts that it is told to',
  options: Type.Object(
    { parts: Type.Array(Type.String()), baseUrl: Type.Optional(Type.String()) },
    { additionalProperties: false },
  ),
  create: ({ parts, baseUrl }) => ({
    speaks: { chat: ['openai-chat'] },
    needsCredential: false,
    quirks: { usage: 'always', end: 'done' },
    onCancel: 'stops',
    ...(baseUrl === undefined ? {} : { defaultBaseUrl: baseUrl }),
    parts: () => parts.filter((part): part is UsagePart => part !== ''),
    address: () => ({ path: '/chat', query: '', headers: [] }),
    usage: () => undefined,
    classify: () => 'unavailable',
    models: [],
  }),
});

export const rates = { input: 100n, cacheRead: 10n, output: 400n };
export const usd = (input: bigint) => ({ currency: 'USD', rates: { ...rates, input } });

export const rigConfig = (more: Partial<GatewayConfig> = {}): GatewayConfig =>
  defineGateway({
    providers: [
      openAiCompatible(),
      simulator(),
      reporting({ parts: ['input', 'output'], baseUrl: 'https://plain.example/v1' }),
      named('audio', reporting({ parts: ['input', 'output', 'audioInput'] })),
    ],
    routing: [priority(), weighted()],
    billing: [tokenPrice(), requestPrice()],
    policies: [],
    upstreams: [{ name: 'declared', provider: 'simulator', baseUrl: 'http://127.0.0.1:9/v1', addresses: 'any' }],
    models: [
      {
        name: 'declared/model',
        contextTokens: 1_000,
        outputTokensMax: 100,
        price: usd(1n),
        offers: [{ upstream: 'declared' }],
      },
    ],
    ...more,
  });

export function resolved(config: GatewayConfig, environment: Readonly<Record<string, string>> = {}): ResolvedConfig {
  const result = resolveConfig(config, { secret: (name) => environment[name], preset: undefined });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.resolved;
}

export interface RigOptions {
  readonly config?: GatewayConfig;
  readonly masterKey?: string;
}

export async function catalogRig(options: RigOptions = {}) {
  const dataFolder = mkdtempSync(join(tmpdir(), 'tollgate-test-'));
  afterAll(() => rmSync(dataFolder, { recursive: true, force: true }));
  const raw = openSqlite({ path: ':memory:' });
  migrate(raw, [...accountsMigrations, catalogMigration, adminCatalogMigration]);
  const file = sqlFileOn<AccountsTables & CatalogTables>(raw);
  const database = await file.kysely();
  const time = { now: Date.UTC(2026, 0, 15, 12) };
  const guarded: string[] = [];
  const clock = { now: () => time.now, monotonicMs: () => time.now };
  const reopen = (again: RigOptions = {}): Promise<OpenCatalog> =>
    openCatalog({
      file,
      dataFolder,
      clock,
      newId,
      randomBytes: systemRandomBytes,
      resolved: resolved(again.config ?? options.config ?? rigConfig()),
      masterKey: again.masterKey ?? options.masterKey,
      groupExists: (name) => name === 'friends',
      declaredAt: async () => undefined,
      guardSecret: (secret) => void guarded.push(secret),
    });
  const { catalog, service, warnings } = await reopen();
  return { catalog, warnings, ...service, reopen, raw, database, time, clock, guarded, dataFolder };
}

export type CatalogRig = Awaited<ReturnType<typeof catalogRig>>;

/** With an upstream `own` and a model `own/model` on it, priced from now. */
export async function rigWithModel(options: RigOptions = {}) {
  const rig = await catalogRig(options);
  await rig.upstreams.create(operator, {
    name: 'own',
    provider: 'simulator',
    baseUrl: 'http://127.0.0.1:8/v1',
    addresses: 'any',
    credential,
  });
  await rig.models.create(operator, {
    name: 'own/model',
    contextTokens: 1_000,
    outputTokensMax: 100,
    offers: [{ upstream: 'own' }],
  });
  const price = await rig.prices.create(operator, 'own/model', { ...usd(1n), perCallNano: 0n });
  return { ...rig, price };
}
