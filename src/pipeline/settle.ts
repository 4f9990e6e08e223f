// charge and settle: the lines by the pinned terms, and the one usage record. Runs once for every reserved request;
// when its promise resolves, the charge is durable. A retry cannot charge twice: attempts are only listed here.

import { TollgateError } from '../core/errors.ts';
import { checkedNano, NANO_MAX, roundUpToNano } from '../core/money.ts';
import { chargedFor } from '../domain/ledger/charge-table.ts';
import type { Offer } from '../domain/catalog/catalog.ts';
import type { Closing } from '../domain/ledger/ledger.ts';
import type { Attempt, Outcome } from '../domain/ledger/records.ts';
import type { Charge } from '../plugin/billing.ts';
import type { ReplyReading } from '../plugin/protocol.ts';
import type { UsageParts } from '../plugin/usage.ts';
import { usageParts } from '../plugin/usage.ts';
import type { AttemptRecord } from './attempt-result.ts';
import type { Reserved } from './exchange.ts';
import { estimate, estimatedOutput, meter } from './meter.ts';
import type { Metered } from './meter.ts';
import { priceTermsOf } from './reserve.ts';
import type { PipelineServices } from './services.ts';

export interface Served {
  readonly offer: Offer;
  readonly reading: ReplyReading;
  /** What of the request the upstream was not told. */
  readonly losses: readonly string[];
}

/** Everything that is known when a request ends. */
export interface Ending {
  readonly outcome: Outcome;
  readonly status: number;
  readonly attempts: readonly AttemptRecord[];
  /** The attempt that served, or was serving when it ended. */
  readonly served: Served | undefined;
  /** From admission to the client's first byte. */
  readonly firstByteMs: number | undefined;
}

const nothing: Metered = { usage: {}, source: 'none', flags: [], suspicious: false };
const noCharge: Charge = { lines: [], totalNano: 0n };
const noMultipliers: readonly number[] = [];

/**
 * What the request took from its limits is given back at once, whatever happens; its charge is durable when the promise
 * resolves. Rejects where it could not be made durable, and where the billing rule could not tell it.
 */
export function settle(services: PipelineServices, request: Reserved, ending: Ending): Promise<unknown> {
  let metered = nothing;
  try {
    if (ending.served !== undefined) metered = meteredOf(services, request, ending.outcome, ending.served);
    if (metered.suspicious && ending.served !== undefined && ending.outcome === 'finished') {
      services.health.marked(ending.served.offer.upstream, 'usage');
    }
    const closing = closingOf(services, request, ending, metered);
    const booked = services.ledger.close(closing);
    keepReply(services, request, ending);
    services.watch.settled(closing, services.clock.monotonicMs() - request.startedMs, request.request);
    return closing.flags.includes(CHARGE_FAILED) ? booked.then(refuseUncharged) : booked;
  } finally {
    request.limits.release(tokensOf(metered.usage));
  }
}

/** The upstream keeps the reply: whose it is, so that nobody else can ask for it. */
function keepReply({ storedReplies, clock }: PipelineServices, request: Reserved, { served }: Ending): void {
  if (request.facts.keeps !== true || served?.reading.id === undefined) return;
  storedReplies.keep({
    id: served.reading.id,
    accountId: request.account.id,
    upstreamId: served.offer.upstream.id,
    model: request.model.name,
    createdAt: clock.now(),
  });
}

/** On the record of a call whose billing rule failed: what it cost is the house's loss. */
const CHARGE_FAILED = 'charge-failed';

/** The hold is closed and the record is durable; but nobody is given for nothing what a broken rule cannot price. */
function refuseUncharged(): never {
  throw new TollgateError('internal_error', {
    message: 'What this call costs could not be worked out, so its reply is not given and nothing is charged.',
  });
}

function closingOf(services: PipelineServices, request: Reserved, ending: Ending, metered: Metered): Closing {
  const charge = owes(ending, metered) ? chargeOf(services, request, metered) : noCharge;
  return {
    requestId: request.requestId,
    accountId: request.account.id,
    apiKeyId: request.apiKey.id,
    userId: request.apiKey.userId,
    group: request.group?.name,
    admittedAt: request.admittedAt,
    endedAt: services.clock.now(),
    firstByteMs: ending.firstByteMs,
    operation: request.protocol.operation,
    protocol: request.protocol.name,
    model: request.model.name,
    stream: request.facts.stream,
    status: ending.status,
    outcome: ending.outcome,
    upstream: ending.served?.offer.upstream.name,
    attempts: withCosts(ending, metered.usage),
    usage: metered.usage,
    usageSource: metered.source,
    flags: flagsOf(metered.flags, ending.served, charge === undefined),
    usageText: ending.served?.reading.usageText,
    terms: request.terms,
    lines: charge?.lines ?? [],
    chargeNano: charge?.totalNano ?? 0n,
    address: request.address,
    country: request.country,
  };
}

/** What was odd about the usage, and what a translation could not carry, either way. */
function flagsOf(flags: readonly string[], served: Served | undefined, uncharged: boolean): readonly string[] {
  const replyLosses = served?.reading.losses;
  if (!uncharged && replyLosses === undefined && (served === undefined || served.losses.length === 0)) return flags;
  const lost = new Set([...(served?.losses ?? []), ...(replyLosses ?? [])]);
  return [...flags, ...[...lost].map((loss) => `lost:${loss}`), ...(uncharged ? [CHARGE_FAILED] : [])];
}

/**
 * Undefined where the rule throws or says what no ledger can hold: the house's loss, since the hold must not stay
 * open.
 */
function chargeOf(services: PipelineServices, request: Reserved, metered: Metered): Charge | undefined {
  try {
    const charge = request.model.rule.charge(priceTermsOf(request.terms), metered.usage);
    checkedNano(charge.totalNano, 'charge');
    if (charge.totalNano >= 0n) return charge;
    services.log.error('plugin-fault', {
      plugin: request.terms.rule,
      request: request.requestId,
      detail: 'the charge is negative',
    });
  } catch (error) {
    services.log.error('plugin-fault', {
      plugin: request.terms.rule,
      request: request.requestId,
      detail: String(error),
    });
  }
  return undefined;
}

function owes(ending: Ending, metered: Metered): boolean {
  if (metered.source === 'none' || ending.served === undefined) return false;
  return chargedFor(ending.outcome, metered.source === 'upstream', ending.served.reading.contentBytes > 0) !== 'none';
}

/** A client that left, or a stream that was cut, has usage even where the upstream had no chance to report it. */
function meteredOf(
  services: PipelineServices,
  request: Reserved,
  outcome: Outcome,
  served: Served,
): Metered {
  const { offer, reading } = served;
  if (reading.usage !== undefined || outcome === 'finished' || outcome === 'empty') {
    try {
      return meter(request, offer, reading);
    } catch (error) {
      services.log.error('plugin-fault', {
        plugin: offer.upstream.providerName,
        request: request.requestId,
        detail: String(error),
      });
    }
  }
  return {
    usage: estimate(request, estimatedOutput(request, reading)),
    source: 'estimated',
    flags: ['usage-missing'],
    suspicious: false,
  };
}

/** What we owe the upstream for an attempt: nothing where it failed before output, unknown where it has no price. */
function withCosts({ attempts, served }: Ending, usage: UsageParts): readonly Attempt[] {
  const costed: Attempt[] = [];
  for (let index = 0; index < attempts.length; index += 1) {
    const attempt = attempts[index];
    if (attempt === undefined) continue;
    const last = index === attempts.length - 1;
    costed.push(last && served !== undefined ? withCost(attempt, served.offer.cost, usage) : withoutCost(attempt));
  }
  return costed;
}

const withoutCost = (attempt: AttemptRecord): Attempt => ({ ...attempt, costNano: 0n, costCurrency: undefined });

function withCost(attempt: AttemptRecord, cost: Offer['cost'], usage: UsageParts): Attempt {
  if (cost === undefined) return { ...attempt, costNano: undefined, costCurrency: undefined };
  let pico = 0n;
  for (const part of usageParts) {
    const quantity = usage[part];
    if (quantity === undefined) continue;
    const rate = cost.rates[part] ?? (part === 'reasoning' ? cost.rates.output : undefined);
    if (rate !== undefined) pico += BigInt(quantity) * rate;
  }
  const byQuantity = roundUpToNano(pico, noMultipliers);
  const costNano = cost.perCallNano === 0n ? byQuantity : byQuantity + cost.perCallNano;
  // No ledger can hold it, so it cannot be what we owe.
  if (costNano > NANO_MAX) return { ...attempt, costNano: undefined, costCurrency: undefined };
  return { ...attempt, costNano, costCurrency: cost.currency };
}

function tokensOf(usage: UsageParts): number {
  let tokens = 0;
  for (const part of usageParts) {
    if (part !== 'calls' && part !== 'seconds' && part !== 'toolCalls') tokens += usage[part] ?? 0;
  }
  return tokens;
}
