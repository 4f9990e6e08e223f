// The composition root: a resolved config and what surrounds it become a gateway that answers requests. Everything is
// handed in here and nowhere else; what is not needed by most requests is made when it is first asked for.

import { newId, type IdSource } from './core/ids.ts';
import { deadlines as defaultDeadlines, type Deadlines } from './core/bounds.ts';
import type { Chance, Clock, EpochMs } from './core/clock.ts';
import type { Log } from './core/log.ts';
import { systemRandomBytes, type RandomBytes } from './core/secrets.ts';
import { parseRanges } from './core/addresses.ts';
import type { ResolvedConfig } from './config.ts';
import { noLimits } from './domain/accounts/accounts.ts';
import { openAccounts, type Accounts } from './domain/accounts/open-accounts.ts';
import type { Catalog } from './domain/catalog/catalog.ts';
import { openCatalog, type CatalogService } from './domain/catalog/open-catalog.ts';
import { clientAddress } from './domain/compliance/client-address.ts';
import { createCompliance } from './domain/compliance/compliance.ts';
import { createCountrySource } from './domain/compliance/country.ts';
import { createJudge } from './domain/compliance/judge.ts';
import { openEmbeddedLedger, type EmbeddedLedger } from './domain/ledger/embedded-ledger.ts';
import { createLimiter } from './domain/limits/limiter.ts';
import { createControlRegistry, policyControls } from './domain/terms/clause-matrix.ts';
import { builtInControls } from './domain/terms/controls.ts';
import { openTerms, type Terms } from './domain/terms/terms-service.ts';
import { createTermsStore } from './domain/terms/terms-store.ts';
import { createUpstreamHealth } from './domain/upstreams/health.ts';
import { createRetryBudget } from './domain/upstreams/retry-budget.ts';
import type { OperatorKeys } from './http/admin/guard.ts';
import type { Readers } from './http/admin/open-readers.ts';
import { servedPaths } from './http/proxy/served-paths.ts';
import type { DocumentedApps } from './http/openapi/documents.ts';
import type { Faces } from './http/server.ts';
import { createTokenCounter, type TokenCounter } from './pipeline/count-tokens.ts';
import { createModelList } from './pipeline/model-list.ts';
import { createPipeline } from './pipeline/pipeline.ts';
import { createRunningRequests, type IdleConnections } from './pipeline/running.ts';
import type { PipelineServices } from './pipeline/services.ts';
import { createSlowBodies } from './pipeline/slow-bodies.ts';
import { createHttp1Transport } from './pipeline/transport/http1-transport.ts';
import type { UpstreamTransport } from './pipeline/transport/transport.ts';
import type { JournalFiles } from './store/journal-files.ts';
import { openNouns, type NounTables } from './store/nouns.ts';
import type { SqlFile } from './store/sql-file.ts';

export interface GatewaySettings {
  readonly resolved: ResolvedConfig;
  readonly dataFolder: string;
  readonly version: string;
  readonly operatorKeys: OperatorKeys;
  /** The address that clients know, without a trailing slash; for links. */
  readonly publicUrl: () => string;
  /** Ranges from the command line, besides those of the config. */
  readonly trustedProxies: readonly string[];
  readonly clock: Clock;
  readonly chance: Chance;
  readonly log: Log;
  /** The socket peer of a request that the server is handling. */
  readonly peerOf: (request: Request) => string;
  /** Which connections the server may let be quiet. */
  readonly connections: IdleConnections;
  /** Seals the credentials that operators enter: base64 of 32 bytes. Without it a file of the data folder holds one. */
  readonly masterKey?: string | undefined;
  /** Told of every secret that becomes live while the gateway runs, so that no log prints it. */
  readonly guardSecret?: (secret: string) => void;
  readonly newId?: IdSource;
  readonly randomBytes?: RandomBytes;
  readonly deadlines?: Deadlines;
  readonly transport?: UpstreamTransport;
  readonly streamHoldTokens?: number;
  /** The disk as the money journal sees it; for tests. */
  readonly journalFiles?: JournalFiles;
}

export interface Gateway {
  readonly faces: Faces;
  /** The applications that describe themselves in OpenAPI. */
  describedApps(): Promise<DocumentedApps>;
  readonly accounts: Accounts;
  readonly ledger: EmbeddedLedger;
  readonly catalog: Catalog;
  readonly terms: Terms;
  /** Refuses new requests, lets the running ones end, writes everything, and lets go of the data folder. */
  close(): Promise<void>;
}

const STREAM_HOLD_TOKENS = 4_096;

export async function createGateway(settings: GatewaySettings): Promise<Gateway> {
  const { resolved, clock, log, dataFolder } = settings;
  const startedAt = clock.now();
  const ids = settings.newId ?? newId;
  const ledger = await openEmbeddedLedger({
    folder: dataFolder,
    clock,
    newId: ids,
    warn: (message) => log.warn('ledger', { message }),
    ...(settings.journalFiles === undefined ? {} : { files: settings.journalFiles }),
  });
  const nouns = openNouns(dataFolder);
  try {
    const accounts = await openAccounts({
      file: nouns,
      ledger,
      clock,
      newId: ids,
      randomBytes: settings.randomBytes ?? systemRandomBytes,
      configGroups: resolved.config.groups ?? [],
      currency: resolved.currency,
    });
    for (const warning of accounts.warnings) log.warn('accounts', { message: warning });
    const {
      catalog,
      service: catalogService,
      warnings,
    } = await openCatalog({
      file: nouns,
      resolved,
      dataFolder,
      clock,
      newId: ids,
      randomBytes: settings.randomBytes ?? systemRandomBytes,
      masterKey: settings.masterKey,
      guardSecret: settings.guardSecret ?? (() => {}),
      groupExists: (name) => accounts.directory.group(name) !== undefined,
    });
    for (const warning of warnings) log.warn('catalog', { message: warning });
    const terms = await openTerms(resolved.terms, { store: createTermsStore(nouns), clock, newId: ids });
    const transport =
      settings.transport ??
      createHttp1Transport({ clock, onDefect: (reason) => log.error('defect', { detail: String(reason) }) });
    const deadlines = settings.deadlines ?? defaultDeadlines;
    const running = createRunningRequests(clock, deadlines, settings.connections);
    const tokens = createTokenCounter({ warn: (message) => log.warn('tokens', { message }) });
    const parts = { ids, ledger, accounts, catalog, terms, transport, deadlines, tokens };
    const services = pipelineServices(settings, parts);
    const { faces, describedApps, closeReaders } = createFaces(settings, services, running, {
      startedAt,
      accounts,
      ledger,
      terms,
      ids,
      catalog: catalogService,
      nouns,
    });
    return {
      faces,
      describedApps,
      accounts,
      ledger,
      catalog,
      terms,
      async close() {
        await running.drain();
        transport.close();
        tokens.close();
        await closeReaders();
        await ledger.shutDown();
        await nouns.close();
      },
    };
  } catch (error) {
    await ledger.shutDown();
    await nouns.close();
    throw error;
  }
}

interface Parts {
  readonly ids: IdSource;
  readonly ledger: EmbeddedLedger;
  readonly accounts: Accounts;
  readonly catalog: Catalog;
  readonly terms: Terms;
  readonly transport: UpstreamTransport;
  readonly deadlines: Deadlines;
  readonly tokens: TokenCounter;
}

function pipelineServices(settings: GatewaySettings, parts: Parts): PipelineServices {
  const { resolved, clock, log, chance } = settings;
  const trusted = [...(resolved.config.proxy?.trusted ?? []), ...settings.trustedProxies];
  const isTrusted = trusted.length === 0 ? () => false : parseRanges(trusted);
  const header = resolved.config.proxy?.header ?? 'x-forwarded-for';
  const judge = createJudge(
    resolved.policies.map(({ name, plugin }) => ({ name, policy: plugin })),
    (fault) =>
      log.error('policy-fault', {
        policy: fault.policy,
        gate: fault.gate,
        because: fault.because,
        detail: fault.detail,
      }),
  );
  const country = createCountrySource(resolved.config.country ?? { kind: 'none' }, {
    clock,
    isTrusted,
    onBrokenFile: (message) => log.warn('country-database', { message }),
  });
  const limiter = createLimiter({ clock, addressLimits: { ...noLimits, ...resolved.config.addressLimits } });
  const rangesOf = rememberedRanges();
  return {
    clock,
    chance,
    log,
    newId: parts.ids,
    deadlines: parts.deadlines,
    accounts: parts.accounts.directory,
    catalog: parts.catalog,
    ledger: parts.ledger,
    compliance: createCompliance(judge, country, parts.terms),
    health: createUpstreamHealth(clock),
    retryBudget: createRetryBudget(clock),
    transport: parts.transport,
    tokens: parts.tokens,
    slowBodies: createSlowBodies(clock),
    clientAddress:
      trusted.length === 0 ? (peer) => peer : (peer, headers) => clientAddress(peer, headers, { header, isTrusted }),
    addressIn: (ranges, address) => rangesOf(ranges)(address),
    takeLimits: (authenticated, tokens) => limiter.take(authenticated, tokens),
    absolute: (path) => `${settings.publicUrl()}${path}`,
    streamHoldTokens: settings.streamHoldTokens ?? STREAM_HOLD_TOKENS,
  };
}

/** Address lists of keys are values of the directory: each is compiled once, and forgotten with its key. */
function rememberedRanges(): (ranges: readonly string[]) => (address: string) => boolean {
  const compiled = new WeakMap<readonly string[], (address: string) => boolean>();
  return (ranges) => {
    let matcher = compiled.get(ranges);
    if (matcher === undefined) compiled.set(ranges, (matcher = parseRanges(ranges)));
    return matcher;
  };
}

type Running = ReturnType<typeof createRunningRequests>;

function createFaces(
  settings: GatewaySettings,
  services: PipelineServices,
  running: Running,
  parts: Pick<Parts, 'accounts' | 'ledger' | 'terms' | 'ids'> & {
    readonly startedAt: EpochMs;
    readonly catalog: CatalogService;
    readonly nouns: SqlFile<NounTables>;
  },
): Pick<Gateway, 'faces' | 'describedApps'> & { closeReaders(): Promise<void> } {
  const { peerOf } = settings;
  const pipeline = createPipeline(services, running);
  const client = once(async () => {
    const { proxyRoutes } = await import('./http/proxy/proxy-routes.ts');
    const proxy = proxyRoutes({ pipeline, models: createModelList(services), peerOf });
    return (request: Request) => proxy.handle(request);
  });
  const served = new Map(
    [...servedPaths].map(
      ([path, protocol]) =>
        [path, (request: Request, peer: string) => pipeline.serve(request, protocol, peer)] as const,
    ),
  );
  const open = once(async () => {
    const { publicHealthRoutes } = await import('./http/health.ts');
    const health = publicHealthRoutes({
      moneyAvailable: () => parts.ledger.available,
      shuttingDown: () => running.stopping,
    });
    return (request: Request) => health.handle(request);
  });
  const controls = createControlRegistry();
  controls.registerControls(builtInControls);
  controls.registerControls(
    policyControls(settings.resolved.policies.map(({ name, plugin }) => ({ name, policy: plugin }))),
  );
  const addressOf = (request: Request) => services.clientAddress(peerOf(request), request.headers);
  let opened: Promise<Readers> | undefined;
  const readers = once(async () => {
    const { openReaders } = await import('./http/admin/open-readers.ts');
    return openReaders({
      dataFolder: settings.dataFolder,
      nouns: parts.nouns,
      settled: () => parts.ledger.settled(),
    });
  });
  const admin = once(async () => {
    const { createAdminFace } = await import('./http/admin/create-admin-face.ts');
    opened = readers();
    return createAdminFace({
      ...(await opened),
      version: settings.version,
      operatorKeys: settings.operatorKeys,
      services,
      running,
      controls,
      addressOf,
      ...parts,
    });
  });
  const terms = once(async () => {
    const { createTermsFace } = await import('./http/terms/create-terms-face.ts');
    return createTermsFace({
      services,
      controls,
      addressOf,
      peerOf,
      terms: parts.terms,
      newId: parts.ids,
      log: settings.log,
    });
  });
  return {
    faces: {
      client,
      servedBy: (path) => served.get(path),
      public: open,
      admin: async () => (await admin()).face,
      terms: async () => (await terms()).face,
    },
    describedApps: async () => ({ admin: (await admin()).app, terms: (await terms()).app }),
    closeReaders: async () => {
      const found = await opened?.catch(() => undefined);
      await found?.close();
    },
  };
}

/** Made at the first call; all callers share the one. What could not be made is tried again by the next caller. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    if (made !== undefined) return made;
    const making = make();
    made = making;
    making.catch(() => (made = undefined));
    return making;
  };
}
