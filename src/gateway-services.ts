// What the pipeline is handed: everything that one request needs, put together from the parts of a gateway. What a
// config decides is one value that another config replaces; the pipeline reads it where it asks.

import { ConfigProblemsError, type ResolvedConfig } from './config/resolve.ts';
import type { IdSource } from './core/ids.ts';
import type { Deadlines } from './core/bounds.ts';
import { parseRanges } from './core/addresses.ts';
import { noLimits, type Limits } from './domain/accounts/accounts.ts';
import type { Accounts, DeclaredAccounts } from './domain/accounts/open-accounts.ts';
import type { Catalog } from './domain/catalog/catalog.ts';
import { clientAddress } from './domain/compliance/client-address.ts';
import { createCompliance } from './domain/compliance/compliance.ts';
import { createCountrySource, type CountrySource } from './domain/compliance/country.ts';
import { createJudge, type Judge } from './domain/compliance/judge.ts';
import type { MovableLedger } from './domain/ledger/movable-ledger.ts';
import { createLimiter } from './domain/limits/limiter.ts';
import type { Measures } from './domain/measures/measures.ts';
import type { StoredReplies } from './domain/stored-replies/stored-replies.ts';
import type { Terms } from './domain/terms/terms-service.ts';
import { createUpstreamHealth } from './domain/upstreams/health.ts';
import { createRetryBudget } from './domain/upstreams/retry-budget.ts';
import type { TokenCounter } from './pipeline/count-tokens.ts';
import { watchTogether } from './pipeline/request-watch.ts';
import type { PipelineServices } from './pipeline/services.ts';
import { createSlowBodies } from './pipeline/slow-bodies.ts';
import type { CountrySourceConfig } from './plugin/gateway.ts';
import type { UpstreamTransport } from './pipeline/transport/transport.ts';
import type { GatewaySettings } from './gateway-settings.ts';

const STREAM_HOLD_TOKENS = 4_096;

export interface Parts {
  readonly ids: IdSource;
  readonly ledger: MovableLedger;
  readonly accounts: Accounts;
  readonly catalog: Catalog;
  readonly terms: Terms;
  readonly transport: UpstreamTransport;
  readonly deadlines: Deadlines;
  readonly tokens: TokenCounter;
  readonly storedReplies: StoredReplies;
  readonly measures: Measures;
}

export interface ReloadableServices {
  readonly services: PipelineServices;
  /** What another config decides. Throws ConfigProblemsError; nothing is different until it is published. */
  prepare(resolved: ResolvedConfig): { publish(): void };
}

export function pipelineServices(settings: GatewaySettings, parts: Parts): ReloadableServices {
  const { clock, chance, log, telemetry } = settings;
  const { measures } = parts;
  const create = (resolved: ResolvedConfig, before?: Deciding) => deciding(settings, measures, resolved, before);
  let current = create(settings.resolved);
  const deciders = {
    get judge() {
      return current.judge;
    },
    get country() {
      return current.country;
    },
  };
  const limiter = createLimiter({ clock, addressLimits: current.addressLimits });
  const health = createUpstreamHealth(clock);
  const rangesOf = rememberedRanges();
  return {
    services: {
      clock,
      chance,
      log,
      newId: parts.ids,
      deadlines: parts.deadlines,
      accounts: parts.accounts.directory,
      catalog: parts.catalog,
      ledger: parts.ledger,
      compliance: createCompliance(deciders, parts.terms),
      health,
      retryBudget: createRetryBudget(clock),
      transport: parts.transport,
      tokens: parts.tokens,
      slowBodies: createSlowBodies(clock),
      storedReplies: parts.storedReplies,
      traceparentFor: telemetry?.traceparentFor,
      watch: watchTogether(
        [measures, ...(telemetry === undefined ? [] : [telemetry]), ...(settings.watches ?? [])],
        (error) => log.error('defect', { detail: String(error) }),
      ),
      clientAddress: (peer, headers) => current.clientAddress(peer, headers),
      addressIn: (ranges, address) => rangesOf(ranges)(address),
      takeLimits(authenticated, tokens) {
        const outcome = limiter.take(authenticated, tokens);
        if (!outcome.taken) measures.limitRefusals.count(outcome.limit, outcome.scope);
        return outcome;
      },
      absolute: (path) => `${settings.publicUrl()}${path}`,
      streamHoldTokens: settings.streamHoldTokens ?? STREAM_HOLD_TOKENS,
    },
    prepare(resolved) {
      const next = create(resolved, current);
      return {
        publish() {
          current = next;
          limiter.limitAddresses(next.addressLimits);
          health.keep(new Set(parts.catalog.upstreams().map(({ name }) => name)));
        },
      };
    },
  };
}

/** Everything that a request asks and that one config decides, as values that are replaced together. */
interface Deciding {
  readonly judge: Judge;
  readonly country: CountrySource;
  readonly countryConfig: CountrySourceConfig;
  readonly clientAddress: PipelineServices['clientAddress'];
  readonly addressLimits: Limits;
}

function deciding(
  settings: GatewaySettings,
  measures: Measures,
  resolved: ResolvedConfig,
  before: Deciding | undefined,
): Deciding {
  const { clock, log } = settings;
  const { config, policies } = resolved;
  const trusted = [...(config.proxy?.trusted ?? []), ...settings.trustedProxies];
  const isTrusted = trusted.length === 0 ? () => false : orProblem('proxy.trusted', () => parseRanges(trusted));
  const header = config.proxy?.header ?? 'x-forwarded-for';
  const countryConfig = config.country ?? { kind: 'none' };
  const countryServices = {
    clock,
    isTrusted,
    onBrokenFile: (message: string) => log.warn('country-database', { message }),
  };
  const judge = createJudge(
    policies.map(({ name, plugin }) => ({ name, policy: plugin })),
    ({ policy, gate, because, detail }) => {
      measures.policyFaults.count(policy, because);
      log.error('policy-fault', { policy, gate, because, detail });
    },
    undefined,
    (policy, clause) => measures.policyDenials.count(policy, clause),
  );
  return {
    judge,
    countryConfig,
    // A database is large and looks after its own file: the same one is not read again.
    country:
      before !== undefined && countryConfig.kind === 'mmdb' && Bun.deepEquals(countryConfig, before.countryConfig)
        ? before.country
        : orProblem('country', () => createCountrySource(countryConfig, countryServices)),
    clientAddress:
      trusted.length === 0 ? (peer) => peer : (peer, headers) => clientAddress(peer, headers, { header, isTrusted }),
    addressLimits: { ...noLimits, ...config.addressLimits },
  };
}

function orProblem<T>(path: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new ConfigProblemsError([{ path, message: message.replace(`${path}: `, '') }]);
  }
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

/** What a config says about accounts. */
export const declaredAccounts = ({ config, currency }: ResolvedConfig): DeclaredAccounts => ({
  groups: config.groups ?? [],
  currency,
});
