// Opens the catalog at start: the config's prices become versions, what operators made is read and its credentials are
// opened; then the live value, which requests read, and the services, which change it.

import type { Clock } from '../../core/clock.ts';
import { MasterKeyError, sealedWith, unseal } from '../../core/envelope.ts';
import type { IdSource } from '../../core/ids.ts';
import type { RandomBytes } from '../../core/secrets.ts';
import type { ResolvedConfig } from '../../config/resolve.ts';
import type { CatalogFile } from '../../store/schema/catalog.ts';
import { createTurns } from '../accounts/accounts-context.ts';
import type { AdminUpstream } from './admin-catalog.ts';
import type { Catalog } from './catalog.ts';
import type { CatalogContext, LiveCatalog } from './catalog-context.ts';
import { declaredCatalog, declaredPrices, declaredTimelines } from './config-catalog.ts';
import { masterKeyVariable, openMasterKeys, type MasterKeys } from './master-key.ts';
import { createModelsService, type ModelsService } from './models-service.ts';
import { createModelsStore } from './models-store.ts';
import { createPriceStore } from './price-store.ts';
import { priceInForce } from './price-timeline.ts';
import { createPricesService, type PricesService } from './prices-service.ts';
import { createSnapshotBuilder, pluginsByName } from './snapshot.ts';
import type { CatalogRows, CatalogSnapshot } from './snapshot.ts';
import { createUpstreamsService, credentialPlace, type UpstreamsService } from './upstreams-service.ts';
import { createUpstreamsStore } from './upstreams-store.ts';

export interface CatalogOptions {
  readonly file: CatalogFile;
  readonly resolved: ResolvedConfig;
  readonly dataFolder: string;
  /** Base64 of 32 bytes; without it a file of the data folder holds the key, and is made at first need. */
  readonly masterKey: string | undefined;
  readonly clock: Clock;
  readonly newId: IdSource;
  readonly randomBytes: RandomBytes;
  readonly groupExists: (name: string) => boolean;
  /** Told of every credential that becomes live, so that no log prints it. */
  readonly guardSecret: (secret: string) => void;
}

export interface CatalogService {
  readonly upstreams: UpstreamsService;
  readonly models: ModelsService;
  readonly prices: PricesService;
}

export interface OpenCatalog {
  /** Always the newest; what it returns stays as it is. */
  readonly catalog: Catalog;
  readonly service: CatalogService;
  /** What an operator should know: rows that serve nothing, and why. For the log. */
  readonly warnings: readonly string[];
}

/** Throws MasterKeyError when credentials are stored and their key is missing or another one. */
export async function openCatalog(options: CatalogOptions): Promise<OpenCatalog> {
  const { file, resolved, clock } = options;
  const now = clock.now();
  const prices = createPriceStore(file);
  const upstreams = createUpstreamsStore(file);
  const models = createModelsStore(file);
  const storedUpstreams = upstreams.all();
  const masterKeys = openMasterKeys(options.dataFolder, options.masterKey, options.randomBytes);
  requireMasterKey(masterKeys, storedUpstreams);
  await prices.declare(declaredPrices(resolved), now);
  await upstreams.rememberDeclared(
    resolved.config.upstreams.map(({ name }) => name),
    now,
  );
  const versions = prices.open();
  const declared = declaredCatalog(resolved, now);
  const plugins = {
    providers: pluginsByName(resolved.providers),
    billing: pluginsByName(resolved.billing),
    routing: pluginsByName(resolved.routing),
  };
  const build = createSnapshotBuilder({
    declared,
    plugins,
    declaredTimelines: declaredTimelines(resolved, versions),
    credentialOf: credentialReader(masterKeys, options.guardSecret),
  });
  const rows: CatalogRows = {
    upstreams: byName(storedUpstreams),
    models: byName(models.all()),
    prices: Map.groupBy(
      versions.filter(({ source }) => source === 'admin'),
      ({ model }) => model,
    ),
  };
  const { live, catalog } = createLive(rows, (next) => build(next, clock.now()));
  const context: CatalogContext = {
    declared,
    plugins,
    live,
    upstreams,
    models,
    prices,
    masterKeys,
    clock,
    defaults: { rule: resolved.defaults.rule ?? '', strategy: resolved.defaults.strategy ?? '' },
    newId: options.newId,
    randomBytes: options.randomBytes,
    groupExists: options.groupExists,
    turn: createTurns(),
  };
  return {
    catalog,
    service: {
      upstreams: createUpstreamsService(context),
      models: createModelsService(context),
      prices: createPricesService(context),
    },
    warnings: [
      ...[...live.snapshot.upstreamProblems].map(([name, problem]) => `upstream ${name}: ${problem}`),
      ...[...live.snapshot.modelProblems].map(([name, problem]) => `model ${name}: ${problem}`),
    ],
  };
}

const byName = <T extends { readonly name: string }>(list: readonly T[]): ReadonlyMap<string, T> =>
  new Map(list.map((item) => [item.name, item]));

/** The one place where the catalog changes: an assignment. */
function createLive(first: CatalogRows, build: (rows: CatalogRows) => CatalogSnapshot) {
  let rows = first;
  let snapshot = build(first);
  const live: LiveCatalog = {
    get rows() {
      return rows;
    },
    get snapshot() {
      return snapshot;
    },
    prepare(changes) {
      const nextRows = { ...rows, ...changes };
      const next = build(nextRows);
      return {
        snapshot: next,
        publish() {
          rows = nextRows;
          snapshot = next;
        },
      };
    },
  };
  const catalog: Catalog = {
    model: (name) => snapshot.models.get(name),
    models: () => snapshot.modelList,
    priceAt: (model, at) => priceInForce(snapshot.timelines.get(model), at),
    upstreams: () => [...snapshot.upstreams.values()],
  };
  return { live, catalog };
}

/** Says at once what would otherwise be seen request by request: that no stored credential can be read. */
function requireMasterKey({ known, source }: MasterKeys, upstreams: readonly AdminUpstream[]): void {
  for (const { name, credential } of upstreams) {
    if (credential === undefined) continue;
    const keyId = sealedWith(credential.sealed) ?? 'unknown';
    if (known?.id === keyId) continue;
    const found = known === undefined ? 'there is none' : `${source} has key ${known.id}`;
    throw new MasterKeyError(
      `the credential of upstream ${name} was encrypted with master key ${keyId}, and ${found}; ` +
        `set ${masterKeyVariable}, or put the file master-key back into the data folder`,
    );
  }
}

function credentialReader(masterKeys: MasterKeys, guardSecret: (secret: string) => void) {
  return ({ id, credential }: AdminUpstream): string | undefined => {
    if (credential === undefined) return undefined;
    const secret = unseal(masterKeys.need(), credentialPlace(id), credential.sealed);
    guardSecret(secret);
    return secret;
  };
}
