// Opens the catalog at start: the config's prices become versions, what operators made is read and its credentials are
// opened; then the live value, which requests read, and the services, which change it. A later config goes that way.

import type { Clock, EpochMs } from '../../core/clock.ts';
import type { DeclaredAt } from '../../core/declared-at.ts';
import { MasterKeyError, sealedWith, unseal } from '../../core/envelope.ts';
import type { IdSource } from '../../core/ids.ts';
import type { RandomBytes } from '../../core/secrets.ts';
import type { ResolvedConfig } from '../../config/resolve.ts';
import type { CatalogFile } from '../../store/schema/catalog.ts';
import { createTurns, type Turns } from '../accounts/accounts-context.ts';
import type { AdminUpstream } from './admin-catalog.ts';
import type { Catalog } from './catalog.ts';
import type { CatalogContext, LiveCatalog, PreparedCatalog } from './catalog-context.ts';
import { declaredCatalog, declaredPrices, declaredTimelines } from './config-catalog.ts';
import { masterKeyVariable, openMasterKeys, type MasterKeys } from './master-key.ts';
import { createModelsService, type ModelsService } from './models-service.ts';
import { createModelsStore } from './models-store.ts';
import { createPriceStore, type CatalogWork, type PriceStore } from './price-store.ts';
import { priceInForce } from './price-timeline.ts';
import { createPricesService, type PricesService } from './prices-service.ts';
import { createSnapshotBuilder, pluginsByName } from './snapshot.ts';
import type { CatalogRows, CatalogSnapshot, SnapshotParts } from './snapshot.ts';
import { createUpstreamsService, credentialPlace, type UpstreamsService } from './upstreams-service.ts';
import { createUpstreamsStore, type UpstreamsStore } from './upstreams-store.ts';

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
  /** Where the config declares something, for refusals. */
  readonly declaredAt: DeclaredAt;
}

export interface CatalogService {
  readonly upstreams: UpstreamsService;
  readonly models: ModelsService;
  readonly prices: PricesService;
}

/** Another config's catalog, decided and built. Nothing is different until it is written, and then published. */
export interface PreparedDeclaration {
  /** Whether there is anything to write. */
  readonly isStored: boolean;
  /** In the transaction of the whole change. */
  readonly write: CatalogWork;
  /** The very next thing after the transaction, in one go with everything else that the config declares. */
  publish(): void;
  readonly warnings: readonly string[];
}

export interface OpenCatalog {
  /** Always the newest; what it returns stays as it is. */
  readonly catalog: Catalog;
  readonly service: CatalogService;
  /** What an operator should know: rows that serve nothing, and why. For the log. */
  readonly warnings: readonly string[];
  /** Builds the catalog of another config. To be called, written and published within one `turn`. */
  prepare(resolved: ResolvedConfig): PreparedDeclaration;
  /** Keeps changes by operators out while it runs. */
  readonly turn: Turns;
}

/** Throws MasterKeyError when credentials are stored and their key is missing or another one. */
export async function openCatalog(options: CatalogOptions): Promise<OpenCatalog> {
  const { file, resolved, clock } = options;
  const prices = createPriceStore(file);
  const upstreams = createUpstreamsStore(file);
  const models = createModelsStore(file);
  const storedUpstreams = upstreams.all();
  const masterKeys = openMasterKeys(options.dataFolder, options.masterKey, options.randomBytes);
  requireMasterKey(masterKeys, storedUpstreams);
  const credentialOf = credentialReader(masterKeys, options.guardSecret);
  const declare = (config: ResolvedConfig, before?: Declaration) =>
    declaration(config, clock.now(), { prices, upstreams, credentialOf }, before);
  const first = declare(resolved);
  if (first.isStored) await file.transaction(first.write);
  const rows: CatalogRows = {
    upstreams: byName(storedUpstreams),
    models: byName(models.all()),
    prices: Map.groupBy(
      prices.open().filter(({ source }) => source === 'admin'),
      ({ model }) => model,
    ),
  };
  let current = first;
  const { live, catalog } = createLive(rows, first.build, clock);
  const context: CatalogContext = {
    get declared() {
      return current.declared;
    },
    get plugins() {
      return current.plugins;
    },
    get defaults() {
      return current.defaults;
    },
    live,
    upstreams,
    models,
    prices,
    masterKeys,
    clock,
    newId: options.newId,
    randomBytes: options.randomBytes,
    groupExists: options.groupExists,
    declaredAt: options.declaredAt,
    turn: createTurns(),
  };
  return {
    catalog,
    service: {
      upstreams: createUpstreamsService(context),
      models: createModelsService(context),
      prices: createPricesService(context),
    },
    warnings: warningsOf(live.snapshot),
    turn: context.turn,
    prepare(config) {
      const next = declare(config, current);
      const prepared = live.prepareWith(next.build);
      return {
        isStored: next.isStored,
        write: next.write,
        publish() {
          current = next;
          prepared.publish();
        },
        warnings: warningsOf(prepared.snapshot),
      };
    },
  };
}

const warningsOf = ({ upstreamProblems, modelProblems }: CatalogSnapshot): readonly string[] => [
  ...[...upstreamProblems].map(([name, problem]) => `upstream ${name}: ${problem}`),
  ...[...modelProblems].map(([name, problem]) => `model ${name}: ${problem}`),
];

/** All that follows from one config. */
interface Declaration extends Pick<CatalogContext, 'declared' | 'plugins' | 'defaults'> {
  readonly build: BuildSnapshot;
  readonly isStored: boolean;
  readonly write: CatalogWork;
}

function declaration(
  resolved: ResolvedConfig,
  now: EpochMs,
  {
    prices,
    upstreams,
    credentialOf,
  }: {
    readonly prices: PriceStore;
    readonly upstreams: UpstreamsStore;
    readonly credentialOf: SnapshotParts['credentialOf'];
  },
  before: Declaration | undefined,
): Declaration {
  const plan = prices.plan(declaredPrices(resolved), now);
  const names = upstreams.undeclared(resolved.config.upstreams.map(({ name }) => name));
  const declared = declaredCatalog(resolved, now, before?.declared);
  const plugins = {
    providers: pluginsByName(resolved.providers),
    billing: pluginsByName(resolved.billing),
    routing: pluginsByName(resolved.routing),
  };
  return {
    declared,
    plugins,
    defaults: { rule: resolved.defaults.rule ?? '', strategy: resolved.defaults.strategy ?? '' },
    build: createSnapshotBuilder({
      declared,
      plugins,
      declaredTimelines: declaredTimelines(resolved, plan.versions),
      credentialOf,
    }),
    isStored: !plan.isEmpty || names.length > 0,
    async write(transaction) {
      await plan.write(transaction);
      await upstreams.rememberDeclared(transaction, names, now);
    },
  };
}

const byName = <T extends { readonly name: string }>(list: readonly T[]): ReadonlyMap<string, T> =>
  new Map(list.map((item) => [item.name, item]));

type BuildSnapshot = ReturnType<typeof createSnapshotBuilder>;

/** The one place where the catalog changes: an assignment. */
function createLive(first: CatalogRows, firstBuild: BuildSnapshot, clock: Clock) {
  let rows = first;
  let build = firstBuild;
  let snapshot = build(first, clock.now());
  const prepared = (nextRows: CatalogRows, nextBuild: BuildSnapshot): PreparedCatalog => {
    const next = nextBuild(nextRows, clock.now());
    return {
      snapshot: next,
      publish() {
        rows = nextRows;
        build = nextBuild;
        snapshot = next;
      },
    };
  };
  const live = {
    get rows() {
      return rows;
    },
    get snapshot() {
      return snapshot;
    },
    prepare: (changes: Partial<CatalogRows>) => prepared({ ...rows, ...changes }, build),
    /** The same rows beside what another config declares. */
    prepareWith: (nextBuild: BuildSnapshot) => prepared(rows, nextBuild),
  } satisfies LiveCatalog & Record<string, unknown>;
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
