// Another config for a gateway that runs. Everything that can fail is done first: reading, resolving, and what each
// domain makes of it. Then one transaction writes it with its audit event, and one synchronous turn puts it in force. A
// request keeps what it was admitted with.

import type { Clock, EpochMs } from './core/clock.ts';
import { TollgateError } from './core/errors.ts';
import type { Log } from './core/log.ts';
import { noLines, placedProblems } from './config/config-lines.ts';
import type { ConfigReading } from './config/config-reading.ts';
import { ConfigProblemsError, type ConfigProblem, type ResolvedConfig } from './config/resolve.ts';
import { createTurns } from './domain/accounts/accounts-context.ts';
import type { Accounts } from './domain/accounts/open-accounts.ts';
import { lastApplied, rememberApplied } from './domain/applied-config/applied-config-store.ts';
import { configChanges, type ConfigChange } from './domain/applied-config/config-changes.ts';
import type { ConfigDesk, ConfigState, ReloadOutcome } from './domain/applied-config/config-desk.ts';
import { configFacts, factsSha256, type ConfigFacts } from './domain/applied-config/config-facts.ts';
import { changeText } from './domain/audit/audit.ts';
import type { OpenCatalog } from './domain/catalog/open-catalog.ts';
import type { ReloadableTerms } from './domain/terms/terms-service.ts';
import type { NounTables } from './store/nouns.ts';
import type { SqlFile } from './store/sql-file.ts';
import { declaredAccounts } from './gateway-services.ts';
import type { ConfigFile } from './gateway-settings.ts';

export interface ReloadParts {
  readonly first: ResolvedConfig;
  readonly file: ConfigFile;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly guardSecret: (secret: string) => void;
  readonly nouns: SqlFile<NounTables>;
  readonly accounts: Accounts;
  readonly catalog: OpenCatalog;
  readonly terms: ReloadableTerms;
  /** What else a config decides. Each throws ConfigProblemsError. */
  readonly others: readonly { prepare(resolved: ResolvedConfig): { publish(): void } }[];
  readonly stopping: () => boolean;
}

export interface RunningDesk extends ConfigDesk {
  /** Says in the audit what the config of this start changed since the last run. Once, after the start. */
  recordStart(): Promise<void>;
  /** Resolves when nothing is being reloaded or recorded. */
  settled(): Promise<void>;
  /**
   * Resolves when nothing is being reloaded; reloads are refused until what it resolves with is called. For a handover:
   * the process that takes over reads the config before it does, and would undo what is reloaded here meanwhile.
   */
  hold(): Promise<() => void>;
}

/** Changes that an audit event lists; the facts have them all. */
const CHANGES_IN_EVENT_MAX = 100;

type Usable = Extract<ConfigReading, { ok: true }>;

export function createConfigDesk(parts: ReloadParts): RunningDesk {
  const { clock, log, nouns } = parts;
  const turn = createTurns();
  const before = lastApplied(nouns);
  let reading: Omit<Usable, 'ok'> = { ...parts.file, resolved: parts.first };
  let generation = before?.generation ?? 1;
  let appliedAt = clock.now();
  let facts: ConfigFacts | undefined;
  let lastFailure: ConfigState['lastFailure'];
  let held = false;

  // Made when first asked for: a start does not need them.
  const currentFacts = () => (facts ??= factsOf(reading, parts.version));
  const state = (): ConfigState => ({
    origin: reading.origin,
    sha256: factsSha256(currentFacts()),
    generation,
    appliedAt,
    preset: reading.resolved.preset,
    remarks: reading.resolved.remarks,
    lastFailure,
  });

  const reloadNow = async (actor: string): Promise<ReloadOutcome> => {
    requireRunning(parts);
    if (held) throw handingOver();
    const next = await parts.file.read();
    if (!next.ok) throw new ConfigProblemsError(next.problems);
    if (next.resolved.refusals.length > 0) {
      throw new ConfigProblemsError(placedProblems(next.resolved.refusals, await next.lines()));
    }
    const nextFacts = await placed(next, async () => factsOf(next, parts.version));
    const changes = configChanges(currentFacts(), nextFacts);
    if (changes.length === 0) return { changes, state: state() };
    for (const { secret } of next.resolved.upstreams) if (secret !== undefined) parts.guardSecret(secret);
    const at = clock.now();
    // Operators' changes wait: they are decided on what is declared.
    await parts.accounts.turn(() =>
      parts.catalog.turn(async () => {
        const prepared = await placed(next, async () => prepareAll(parts, next.resolved));
        requireRunning(parts);
        const entry = auditEntry('config.reload', actor, at, currentFacts(), nextFacts, changes);
        const remember = rememberApplied({ generation: generation + 1, at, facts: nextFacts }, currentFacts(), entry);
        await nouns.transaction(async (transaction) => {
          for (const { write } of prepared.written) await write(transaction);
          await remember(transaction);
        });
        // From here on nothing waits and nothing may fail.
        for (const { publish } of prepared.all) publish();
        reading = next;
        facts = nextFacts;
        generation += 1;
        appliedAt = at;
        for (const warning of prepared.warnings) log.warn('config', { message: warning });
      }),
    );
    for (const { path, message } of next.resolved.remarks) log.info('config', { path, message });
    return { changes, state: state() };
  };

  const recordNow = async (): Promise<void> => {
    const now = currentFacts();
    const changes = configChanges(before?.facts ?? {}, now);
    if (before !== undefined && changes.length === 0) return;
    const next = before === undefined ? generation : generation + 1;
    const entry = auditEntry('config.start', 'start', appliedAt, before?.facts, now, changes);
    await nouns.transaction(rememberApplied({ generation: next, at: appliedAt, facts: now }, before?.facts, entry));
    generation = next;
  };

  // Whoever comes first writes down what the start changed, so that a reload never hides it.
  let recorded: Promise<void> | undefined;
  const recordStart = () => {
    recorded ??= turn(recordNow).catch((error: unknown) => {
      // Tried again by the next who asks: a full disk is emptied some day.
      recorded = undefined;
      throw error;
    });
    return recorded;
  };

  return {
    state,
    generation: () => generation,
    recordStart,
    settled: () => turn(async () => {}),
    async hold() {
      held = true;
      await turn(async () => {});
      return () => void (held = false);
    },
    async reload(actor) {
      await recordStart();
      return turn(async () => {
        try {
          const outcome = await reloadNow(actor);
          lastFailure = undefined;
          log.info('config', { actor, message: 'reloaded', changes: outcome.changes.length });
          return { ...outcome, state: state() };
        } catch (error) {
          if (!(error instanceof ConfigProblemsError)) throw error;
          lastFailure = { at: clock.now(), actor, problems: error.problems };
          log.warn('config', { actor, message: 'not reloaded, nothing was changed', problems: error.message });
          throw error;
        }
      });
    },
    inForce: () => reading.resolved,
    lines: () => reading.lines(),
    declaredAt: async (noun, name) => (await reading.lines()).placeOf(noun, name),
  };
}

function requireRunning({ stopping }: ReloadParts): void {
  if (!stopping()) return;
  throw new TollgateError('shutting_down', {
    message: 'The gateway is shutting down; its config is not read again.',
    retryAfterSeconds: 1,
  });
}

const handingOver = () =>
  new TollgateError('shutting_down', {
    message: 'Another process is about to take over and has read the config already. Reload again in a moment.',
    retryAfterSeconds: 1,
  });

/** All or nothing: what throws here has changed nothing. */
function prepareAll({ accounts, catalog, terms, others }: ReloadParts, resolved: ResolvedConfig) {
  const ofTerms = terms.prepare(resolved.terms);
  const ofCatalog = catalog.prepare(resolved);
  const ofAccounts = accounts.prepare(declaredAccounts(resolved));
  const rest = others.map((other) => other.prepare(resolved));
  return {
    written: [ofTerms, ofCatalog],
    all: [ofTerms, ofCatalog, ofAccounts, ...rest],
    warnings: [...ofCatalog.warnings, ...ofAccounts.warnings],
  };
}

/** Whatever was thrown as problems of the config, with the places that they have in it. */
async function placed<T>({ lines }: Pick<Usable, 'lines'>, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const problems = problemsOf(error);
    if (problems === undefined) throw error;
    throw new ConfigProblemsError(placedProblems(problems, await lines().catch(() => noLines)));
  }
}

function problemsOf(error: unknown): readonly ConfigProblem[] | undefined {
  if (error instanceof ConfigProblemsError) return error.problems;
  if (!(error instanceof Error) || error.name !== 'TermsDocumentsError') return undefined;
  return error.message.split('\n').map((message) => ({ path: 'terms', message }));
}

/** What a reading says, as facts. A compiled-in config is as its executable is. */
export const factsOf = (
  { resolved, origin, simulated }: Pick<Usable, 'resolved' | 'origin' | 'simulated'>,
  version: string,
): ConfigFacts =>
  configFacts(resolved, {
    simulated,
    sources: origin.kind === 'file' ? origin.files : [{ path: 'compiled in', sha256: `version ${version}` }],
  });

function auditEntry(
  action: string,
  actor: string,
  at: EpochMs,
  before: ConfigFacts | undefined,
  after: ConfigFacts,
  changes: readonly ConfigChange[],
) {
  const sha256 = factsSha256(after);
  return {
    at,
    actor,
    action,
    target: `config/${sha256}`,
    change: changeText({
      before: before === undefined ? null : factsSha256(before),
      after: sha256,
      changes: changes.slice(0, CHANGES_IN_EVENT_MAX),
      ...(changes.length > CHANGES_IN_EVENT_MAX && { moreChanges: changes.length - CHANGES_IN_EVENT_MAX }),
    }),
  };
}
