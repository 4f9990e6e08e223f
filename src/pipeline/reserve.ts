// reserve: limits, budgets, then a hold for the most that the request can cost. From here on it must be closed.
//
// Input is bounded, not counted: a token is at least one byte. Only when that bound does not fit the balance is it
// counted. A limit that the client set is never changed: what cannot be paid for is refused, and the refusal says
// what could.

import { TollgateError } from '../core/errors.ts';
import { formatNano } from '../core/money.ts';
import type { BudgetCap, HoldOutcome } from '../domain/ledger/ledger.ts';
import type { Hold } from '../domain/ledger/records.ts';
import type { PriceTerms } from '../plugin/prices.ts';
import type { UsageParts } from '../plugin/usage.ts';
import type { Admitted, Reserved, TakenLimits } from './exchange.ts';
import type { LimitOutcome, PipelineServices } from './services.ts';

/** Waits only where the ledger does, or where tokens must be counted. */
export function reserve(services: PipelineServices, admitted: Admitted): Reserved | Promise<Reserved> {
  if (!services.ledger.available) throw moneyUnavailable();
  const bound = usageBound(services, admitted);
  const limits = services.takeLimits(admitted, (bound.input ?? 0) + (bound.output ?? 0));
  if (!limits.taken) throw limitReached(limits);
  try {
    const hold = holdFor(services, admitted, bound);
    const outcome = services.ledger.placeHold(hold, budgetsOf(services, admitted), durabilityOf(admitted));
    if (!(outcome instanceof Promise) && outcome.placed) {
      return { ...admitted, hold, bound, limits };
    }
    return reserveLater(services, admitted, bound, hold, outcome, limits);
  } catch (error) {
    limits.release(0);
    throw error;
  }
}

async function reserveLater(
  services: PipelineServices,
  admitted: Admitted,
  bound: UsageParts,
  hold: Hold,
  placing: HoldOutcome | Promise<HoldOutcome>,
  limits: TakenLimits,
): Promise<Reserved> {
  try {
    const outcome = await placing;
    const held = outcome.placed ? { hold, bound } : await holdCounted(services, admitted, bound, outcome);
    return { ...admitted, ...held, limits };
  } catch (error) {
    limits.release(0);
    throw error;
  }
}

/** A stream's first byte may come at any moment; a whole reply's hold is written only if it takes long. */
const durabilityOf = ({ facts }: Admitted) => (facts.stream ? 'now' : 'later');

export function limitReached({
  limit,
  scope,
  capacity,
  retryAfterSeconds,
}: Extract<LimitOutcome, { taken: false }>): TollgateError {
  const tooMany = limit === 'concurrency' ? 'requests at once' : `${limit} in a minute`;
  return new TollgateError(limit === 'concurrency' ? 'concurrency_limited' : 'rate_limited', {
    message: `Too many ${tooMany} for this ${scope}: the limit is ${capacity}.`,
    retryAfterSeconds,
  });
}

/** The most usage that the request can cause; for a stream, the part that is held at first. */
function usageBound(services: PipelineServices, admitted: Admitted): UsageParts {
  const { facts, model } = admitted;
  const input = Math.min(facts.inputBound ?? model.contextTokens, model.contextTokens);
  if (admitted.protocol.operation === 'embeddings') return { input };
  const perChoice = Math.min(facts.outputLimit ?? model.outputTokensMax, model.outputTokensMax);
  const whole = perChoice * facts.choices;
  return { input, output: facts.stream ? Math.min(whole, services.streamHoldTokens * facts.choices) : whole };
}

/** Pinned terms are values that many requests share: so are these. */
const priceTerms = new WeakMap<Hold['terms'], PriceTerms>();

export function priceTermsOf(terms: Hold['terms']): PriceTerms {
  let known = priceTerms.get(terms);
  if (known !== undefined) return known;
  const { priceVersionId, currency, rates, perCallNano } = terms;
  const multipliersPpm = Object.freeze(terms.multipliers.map((multiplier) => multiplier.ppm));
  // A rule that changed them would change what others are charged, too.
  known = Object.freeze({ priceVersionId, currency, rates: Object.freeze(rates), perCallNano, multipliersPpm });
  priceTerms.set(terms, known);
  return known;
}

type Held = Pick<Reserved, 'hold' | 'bound'>;

/** The bound by bytes does not fit. Count, and ask once more; but text says nothing of what it refers to. */
async function holdCounted(
  services: PipelineServices,
  admitted: Admitted,
  bound: UsageParts,
  outcome: HoldOutcome & { placed: false },
): Promise<Held> {
  if (outcome.because === 'currency' || outcome.because === 'unavailable') throw refusal(admitted, outcome, undefined);
  const countable = admitted.facts.inputBound !== undefined;
  const counted = countable
    ? { ...bound, input: await services.tokens.count(admitted.body.bytes, bound.input ?? 0) }
    : bound;
  if ((counted.input ?? 0) < (bound.input ?? 0)) {
    const hold = holdFor(services, admitted, counted);
    const budgets = budgetsOf(services, admitted);
    const second = await services.ledger.placeHold(hold, budgets, durabilityOf(admitted));
    if (second.placed) return { hold, bound: counted };
  }
  throw refusal(admitted, outcome, largestLimit(admitted, counted, outcome));
}

function holdFor(services: PipelineServices, admitted: Admitted, usage: UsageParts): Hold {
  return {
    requestId: admitted.requestId,
    accountId: admitted.account.id,
    apiKeyId: admitted.apiKey.id,
    amountNano: admitted.model.rule.estimate(priceTermsOf(admitted.terms), usage).totalNano,
    terms: admitted.terms,
    placedAt: admitted.admittedAt,
    expiresAt: admitted.admittedAt + services.deadlines.totalMs + services.deadlines.drainMs,
    operation: admitted.protocol.operation,
    model: admitted.model.name,
    protocol: admitted.protocol.name,
    stream: admitted.facts.stream,
    userId: admitted.apiKey.userId,
    group: admitted.group?.name,
    address: admitted.address,
    country: admitted.country,
  };
}

const noBudgets: readonly BudgetCap[] = [];

function budgetsOf({ accounts }: PipelineServices, { apiKey, account }: Admitted): readonly BudgetCap[] {
  if (apiKey.budgets.length === 0 && account.budgets.length === 0) return noBudgets;
  // A key that is replaced does not get its budget anew.
  const together = apiKey.budgets.length === 0 ? undefined : accounts.rotationOf(apiKey.id);
  return [
    ...apiKey.budgets.map((budget): BudgetCap => ({ scope: 'key', scopeId: apiKey.id, together, ...budget })),
    ...account.budgets.map((budget): BudgetCap => ({ scope: 'account', scopeId: account.id, ...budget })),
  ];
}

/** What `"max_completion_tokens":16384,` is as input, at most. */
const LIMIT_TEXT_TOKENS = 16;

/** The largest output limit per choice that the money would carry, found by bisection over the rule's own estimate. */
function largestLimit(admitted: Admitted, counted: UsageParts, outcome: HoldOutcome): number | undefined {
  if (outcome.placed || (outcome.because !== 'balance' && outcome.because !== 'budget')) return undefined;
  const affordable = outcome.because === 'balance' ? outcome.availableNano : outcome.remainingNano;
  const terms = priceTermsOf(admitted.terms);
  const { choices } = admitted.facts;
  // The limit that is named must fit once it stands in the request, where its own text is input.
  const input = Math.min((counted.input ?? 0) + LIMIT_TEXT_TOKENS, admitted.model.contextTokens);
  const costs = (output: number) => admitted.model.rule.estimate(terms, { input, output: output * choices }).totalNano;
  let low = 0;
  let high = Math.ceil((counted.output ?? 0) / choices);
  if (high === 0 || costs(1) > affordable) return undefined;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (costs(middle) <= affordable) low = middle;
    else high = middle - 1;
  }
  return low;
}

const moneyUnavailable = () =>
  new TollgateError('money_unavailable', {
    message: 'Charges cannot be recorded at the moment, so no paid call is admitted. Try again later.',
  });

function refusal(
  admitted: Admitted,
  outcome: HoldOutcome & { placed: false },
  limit: number | undefined,
): TollgateError {
  const limitField = admitted.protocol.outputLimitField;
  const remedy = limit === undefined ? '' : ` With ${limitField} of at most ${limit} it would fit.`;
  const money = (amount: bigint) => formatNano(amount < 0n ? 0n : amount, admitted.terms.currency);
  switch (outcome.because) {
    case 'balance':
      return new TollgateError('insufficient_balance', {
        message: `The balance does not carry this request: ${money(outcome.availableNano)} are available. Top up the account.${remedy}`,
      });
    case 'budget':
      return new TollgateError('budget_exhausted', {
        message:
          `The ${outcome.budget.window} budget of this ${outcome.budget.scope} does not carry this request: ` +
          `${money(outcome.remainingNano)} are left of ${money(outcome.budget.capNano)}.${remedy}`,
      });
    case 'currency':
      return new TollgateError('insufficient_balance', {
        message: `This model is priced in ${outcome.currency}, and the account has no balance in that currency.`,
      });
    case 'unavailable':
      return moneyUnavailable();
  }
}
