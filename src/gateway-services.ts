// What the pipeline is handed: everything that one request needs, put together from the parts of a gateway.

import type { IdSource } from './core/ids.ts';
import type { Deadlines } from './core/bounds.ts';
import { parseRanges } from './core/addresses.ts';
import { noLimits } from './domain/accounts/accounts.ts';
import type { Accounts } from './domain/accounts/open-accounts.ts';
import type { Catalog } from './domain/catalog/catalog.ts';
import { clientAddress } from './domain/compliance/client-address.ts';
import { createCompliance } from './domain/compliance/compliance.ts';
import { createCountrySource } from './domain/compliance/country.ts';
import { createJudge } from './domain/compliance/judge.ts';
import type { EmbeddedLedger } from './domain/ledger/embedded-ledger.ts';
import { createLimiter } from './domain/limits/limiter.ts';
import type { Measures } from './domain/measures/measures.ts';
import type { Terms } from './domain/terms/terms-service.ts';
import { createUpstreamHealth } from './domain/upstreams/health.ts';
import { createRetryBudget } from './domain/upstreams/retry-budget.ts';
import type { TokenCounter } from './pipeline/count-tokens.ts';
import { watchTogether } from './pipeline/request-watch.ts';
import type { PipelineServices } from './pipeline/services.ts';
import { createSlowBodies } from './pipeline/slow-bodies.ts';
import type { UpstreamTransport } from './pipeline/transport/transport.ts';
import type { GatewaySettings } from './gateway-settings.ts';

const STREAM_HOLD_TOKENS = 4_096;

export interface Parts {
  readonly ids: IdSource;
  readonly ledger: EmbeddedLedger;
  readonly accounts: Accounts;
  readonly catalog: Catalog;
  readonly terms: Terms;
  readonly transport: UpstreamTransport;
  readonly deadlines: Deadlines;
  readonly tokens: TokenCounter;
  readonly measures: Measures;
}

export function pipelineServices(settings: GatewaySettings, parts: Parts): PipelineServices {
  const { resolved, clock, log, chance, telemetry } = settings;
  const { measures } = parts;
  const trusted = [...(resolved.config.proxy?.trusted ?? []), ...settings.trustedProxies];
  const isTrusted = trusted.length === 0 ? () => false : parseRanges(trusted);
  const header = resolved.config.proxy?.header ?? 'x-forwarded-for';
  const judge = createJudge(
    resolved.policies.map(({ name, plugin }) => ({ name, policy: plugin })),
    (fault) => {
      measures.policyFaults.count(fault.policy, fault.because);
      log.error('policy-fault', {
        policy: fault.policy,
        gate: fault.gate,
        because: fault.because,
        detail: fault.detail,
      });
    },
    undefined,
    (policy, clause) => measures.policyDenials.count(policy, clause),
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
    traceparentFor: telemetry?.traceparentFor,
    watch: watchTogether(
      [measures, ...(telemetry === undefined ? [] : [telemetry]), ...(settings.watches ?? [])],
      (error) => log.error('defect', { detail: String(error) }),
    ),
    clientAddress:
      trusted.length === 0 ? (peer) => peer : (peer, headers) => clientAddress(peer, headers, { header, isTrusted }),
    addressIn: (ranges, address) => rangesOf(ranges)(address),
    takeLimits(authenticated, tokens) {
      const outcome = limiter.take(authenticated, tokens);
      if (!outcome.taken) measures.limitRefusals.count(outcome.limit, outcome.scope);
      return outcome;
    },
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
