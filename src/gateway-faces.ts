// The faces of a gateway: the applications that answer requests, each made when it is first asked for.

import type { EpochMs } from './core/clock.ts';
import { systemRandomBytes } from './core/secrets.ts';
import { pluginFacts } from './config/plugin-facts.ts';
import type { CatalogService } from './domain/catalog/open-catalog.ts';
import type { ConfigDesk } from './domain/applied-config/config-desk.ts';
import { createOperatorKeysService } from './domain/operators/operator-keys-service.ts';
import type { ControlRegistry } from './domain/terms/clause-matrix.ts';
import type { Readers } from './http/admin/open-readers.ts';
import { fixedPaths, servedCall } from './http/proxy/served-paths.ts';
import type { ServedCall } from './http/proxy/served-paths.ts';
import type { DocumentedApps } from './http/openapi/documents.ts';
import type { Faces } from './http/server.ts';
import { createStoredReplyRelay } from './pipeline/stored-replies.ts';
import { createTokenCounts } from './pipeline/token-counts.ts';
import { createModelList } from './pipeline/model-list.ts';
import { createPipeline } from './pipeline/pipeline.ts';
import type { createRunningRequests } from './pipeline/running.ts';
import type { PipelineServices } from './pipeline/services.ts';
import type { NounTables } from './store/nouns.ts';
import type { SqlFile } from './store/sql-file.ts';
import type { Parts } from './gateway-services.ts';
import type { GatewaySettings } from './gateway-settings.ts';

type Running = ReturnType<typeof createRunningRequests>;

export interface GatewayFaces {
  readonly faces: Faces;
  /** The applications that describe themselves in OpenAPI. */
  describedApps(): Promise<DocumentedApps>;
  closeReaders(): Promise<void>;
}

export function createFaces(
  settings: GatewaySettings,
  services: PipelineServices,
  running: Running,
  parts: Pick<Parts, 'accounts' | 'ledger' | 'terms' | 'ids' | 'measures'> & {
    readonly startedAt: EpochMs;
    readonly catalog: CatalogService;
    readonly controls: ControlRegistry;
    readonly config: ConfigDesk;
    readonly nouns: SqlFile<NounTables>;
  },
): GatewayFaces {
  const { peerOf } = settings;
  const pipeline = createPipeline(services, running);
  const countTokens = createTokenCounts(services);
  const answerTo = ({ protocol, line, does }: ServedCall) =>
    does === 'count'
      ? (request: Request, peer: string) => countTokens(request, protocol, peer, line)
      : (request: Request, peer: string) => pipeline.serve(request, protocol, peer, line);
  const fixed = new Map([...fixedPaths].map(([path, call]) => [path, answerTo(call)] as const));
  const served = (path: string, query: string) => {
    const known = fixed.get(path);
    if (known !== undefined) return known;
    const call = servedCall(path, query);
    return call === undefined ? undefined : answerTo(call);
  };
  const client = once(async () => {
    const { proxyRoutes } = await import('./http/proxy/proxy-routes.ts');
    const models = createModelList(services);
    const proxy = proxyRoutes({ served, models, storedReplies: createStoredReplyRelay(services), peerOf });
    return (request: Request) => proxy.handle(request);
  });
  const addressOf = (request: Request) => services.clientAddress(peerOf(request), request.headers);
  const operators = createOperatorKeysService({
    file: parts.nouns,
    clock: settings.clock,
    newId: parts.ids,
    randomBytes: settings.randomBytes ?? systemRandomBytes,
  });
  // The key of the start comes first: whatever the store says, it works.
  const operatorKeys = { find: (sha256: string) => settings.operatorKeys.find(sha256) ?? operators.find(sha256) };
  const metrics = once(async () => {
    const { createMetricsFace } = await import('./http/metrics/metrics-face.ts');
    const { startedAt, ledger, measures } = parts;
    return createMetricsFace(
      {
        ledger,
        measures,
        running,
        startedAt,
        health: services.health,
        version: settings.version,
        upstreams: () => services.catalog.upstreams().map(({ name }) => name),
        configGeneration: () => parts.config.generation(),
        spansDropped: () => settings.telemetry?.spansDropped() ?? [],
      },
      { operatorKeys, clock: services.clock, addressOf },
    );
  });
  const open = once(async () => {
    const { publicHealthRoutes } = await import('./http/health.ts');
    const health = publicHealthRoutes({
      moneyAvailable: () => parts.ledger.available,
      shuttingDown: () => running.stopping,
      metrics: (request) => metrics().then((answer) => answer(request)),
    });
    return (request: Request) => health.handle(request);
  });
  const { controls } = parts;
  let opened: Promise<Readers> | undefined;
  const readers = once(async () => {
    const { openReaders } = await import('./http/admin/open-readers.ts');
    return openReaders({
      dataFolder: settings.dataFolder,
      nouns: parts.nouns,
      ledger: parts.ledger,
      clock: services.clock,
      version: settings.version,
    });
  });
  const admin = once(async () => {
    const { createAdminFace } = await import('./http/admin/create-admin-face.ts');
    opened = readers();
    return createAdminFace({
      ...(await opened),
      mayBeQuiet: settings.connections.mayBeQuiet,
      version: settings.version,
      operatorKeys,
      operators,
      services,
      running,
      addressOf,
      plugins: () => pluginFacts(parts.config.inForce()),
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
      servedBy: served,
      public: open,
      admin: async () => (await admin()).face,
      terms: async () => (await terms()).face,
    },
    describedApps: async () => {
      const { app, options } = await admin();
      return { admin: app, terms: (await terms()).app, options: options() };
    },
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
