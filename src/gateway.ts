// The composition root: a resolved config and what surrounds it become a gateway that answers requests. Everything is
// handed in here and nowhere else; what is not needed by most requests is made when it is first asked for.

import type { DeclaredAt } from './core/declared-at.ts';
import { newId } from './core/ids.ts';
import { deadlines as defaultDeadlines } from './core/bounds.ts';
import type { Log } from './core/log.ts';
import { systemRandomBytes } from './core/secrets.ts';
import { noLines } from './config/config-lines.ts';
import type { ResolvedConfig } from './config/resolve.ts';
import { openAccounts, type Accounts } from './domain/accounts/open-accounts.ts';
import type { ConfigDesk } from './domain/applied-config/config-desk.ts';
import type { Catalog } from './domain/catalog/catalog.ts';
import { openCatalog } from './domain/catalog/open-catalog.ts';
import { openEmbeddedLedger } from './domain/ledger/embedded-ledger.ts';
import { MovableLedger } from './domain/ledger/movable-ledger.ts';
import { Measures } from './domain/measures/measures.ts';
import { openTerms, type Terms } from './domain/terms/terms-service.ts';
import { createTermsStore } from './domain/terms/terms-store.ts';
import type { DocumentedApps } from './http/openapi/documents.ts';
import type { Faces } from './http/server.ts';
import { createTokenCounter } from './pipeline/count-tokens.ts';
import { createRunningRequests, type RunningRequests } from './pipeline/running.ts';
import { createHttp1Transport } from './pipeline/transport/http1-transport.ts';
import { openStoredReplies } from './domain/stored-replies/stored-replies.ts';
import { openNouns } from './store/nouns.ts';
import { prepareUpgrade } from './store/upgrade.ts';
import { createFaces } from './gateway-faces.ts';
import { createLiveControls } from './gateway-controls.ts';
import { createConfigDesk, type RunningDesk } from './gateway-reload.ts';
import { declaredAccounts, pipelineServices } from './gateway-services.ts';
import type { ConfigFile, GatewaySettings } from './gateway-settings.ts';

export type { ConfigFile, GatewaySettings } from './gateway-settings.ts';

export interface Gateway {
  readonly faces: Faces;
  /** The applications that describe themselves in OpenAPI. */
  describedApps(): Promise<DocumentedApps>;
  readonly accounts: Accounts;
  readonly ledger: MovableLedger;
  readonly running: RunningRequests;
  readonly catalog: Catalog;
  readonly terms: Terms;
  readonly config: ConfigDesk;
  /** Resolves when nothing is being reloaded, and what this start changed in the config is written down. */
  settled(): Promise<void>;
  /** Refuses reloads until what it resolves with is called; see `RunningDesk`. */
  holdConfig(): Promise<() => void>;
  /** Refuses new requests, lets the running ones end, writes everything, and lets go of the data folder. */
  close(): Promise<void>;
}

export async function createGateway(settings: GatewaySettings): Promise<Gateway> {
  const { resolved, clock, log, dataFolder } = settings;
  const startedAt = clock.now();
  const ids = settings.newId ?? newId;
  const live: { catalog?: Catalog } = {};
  const measures = new Measures({
    isModel: (name) => live.catalog?.model(name) !== undefined,
    isUpstream: (name) => live.catalog?.upstreams().some((upstream) => upstream.name === name) === true,
    monotonicMs: () => clock.monotonicMs(),
  });
  const openLedger = (adopted: ReadonlySet<string> | undefined) =>
    openEmbeddedLedger({
      folder: dataFolder,
      clock,
      newId: ids,
      warn: (message) => log.warn('ledger', { message }),
      beforeOpening: () =>
        prepareUpgrade(dataFolder, settings.version, startedAt, (message) => log.warn('upgrade', { message })),
      onSynced: (bytes, tookMs) => measures.journalSynced(bytes, tookMs),
      ...(adopted === undefined ? {} : { adopted }),
      ...(settings.journalFiles === undefined ? {} : { files: settings.journalFiles }),
    });
  const ledger = new MovableLedger(await openLedger(settings.adopted), openLedger);
  const nouns = openNouns(dataFolder);
  let desk: RunningDesk | undefined;
  const declaredAt: DeclaredAt = async (noun, name) => desk?.declaredAt(noun, name);
  const guardSecret = settings.guardSecret ?? (() => {});
  try {
    const accounts = await openAccounts({
      file: nouns,
      ledger,
      clock,
      newId: ids,
      randomBytes: settings.randomBytes ?? systemRandomBytes,
      config: declaredAccounts(resolved),
      declaredAt,
    });
    for (const warning of accounts.warnings) log.warn('accounts', { message: warning });
    const openedCatalog = await openCatalog({
      file: nouns,
      resolved,
      dataFolder,
      clock,
      newId: ids,
      randomBytes: settings.randomBytes ?? systemRandomBytes,
      masterKey: settings.masterKey,
      guardSecret,
      declaredAt,
      groupExists: (name) => accounts.directory.group(name) !== undefined,
    });
    const { catalog } = openedCatalog;
    for (const warning of openedCatalog.warnings) log.warn('catalog', { message: warning });
    live.catalog = catalog;
    settings.telemetry?.start({ catalog, measures });
    const terms = await openTerms(resolved.terms, { store: createTermsStore(nouns), clock, newId: ids });
    const transport =
      settings.transport ??
      createHttp1Transport({ clock, onDefect: (reason) => log.error('defect', { detail: String(reason) }) });
    const deadlines = settings.deadlines ?? defaultDeadlines;
    const running = createRunningRequests(clock, deadlines, settings.connections);
    const tokens = createTokenCounter({ warn: (message) => log.warn('tokens', { message }) });
    const storedReplies = openStoredReplies(nouns, clock, (message, error) =>
      log.error('stored-replies', { message, ...(error === undefined ? {} : { detail: String(error) }) }),
    );
    const parts = { ids, ledger, accounts, catalog, terms, transport, deadlines, tokens, measures, storedReplies };
    const reloadable = pipelineServices(settings, parts);
    const controls = createLiveControls(resolved);
    desk = createConfigDesk({
      first: resolved,
      file: settings.configFile ?? compiledIn(resolved),
      version: settings.version,
      clock,
      log,
      guardSecret,
      nouns,
      accounts,
      catalog: openedCatalog,
      terms,
      others: [reloadable, controls],
      stopping: () => running.stopping,
    });
    const { faces, describedApps, closeReaders } = createFaces(settings, reloadable.services, running, {
      startedAt,
      accounts,
      ledger,
      terms,
      ids,
      catalog: openedCatalog.service,
      controls: controls.registry,
      config: desk,
      nouns,
      measures,
    });
    const recording = recordSoon(desk, log);
    return {
      faces,
      describedApps,
      accounts,
      ledger,
      running,
      catalog,
      terms,
      config: desk,
      settled: () => recording.settled(),
      holdConfig: desk.hold,
      async close() {
        await running.drain();
        await recording.settled();
        transport.close();
        tokens.close();
        const told = settings.telemetry?.close();
        await closeReaders();
        await ledger.shutDown();
        await storedReplies.close();
        await nouns.close();
        await told;
      },
    };
  } catch (error) {
    await ledger.shutDown();
    await nouns.close();
    throw error;
  }
}

const compiledIn = (resolved: ResolvedConfig): ConfigFile => {
  const reading = {
    ok: true,
    resolved,
    origin: { kind: 'compiled-in' },
    simulated: [],
    lines: async () => noLines,
  } as const;
  return { ...reading, read: async () => reading };
};

/** A start answers first; what its config changed is written down a moment later, or when it ends before that. */
const RECORD_AFTER_MS = 250;

function recordSoon(desk: RunningDesk, log: Log) {
  const record = () =>
    desk
      .recordStart()
      .catch((error: unknown) => log.error('config', { message: 'not recorded', detail: String(error) }));
  const timer = setTimeout(() => void record(), RECORD_AFTER_MS);
  return {
    async settled() {
      clearTimeout(timer);
      await record();
      await desk.settled();
    },
  };
}
