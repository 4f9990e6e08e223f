// A usage record as operators see it: nulls where nothing is known, amounts as text, and beside the charge the
// figure that its lines and multipliers come to.

import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import type { Attempt, Outcome, UsageRecord } from '../../../domain/ledger/records.ts';
import type { StoredUsage } from '../../../domain/usage/usage-reader.ts';
import { totalOf } from '../../../plugin/billing.ts';
import type { ChargeLine } from '../../../plugin/billing.ts';
import { nanoText, strict, textOf } from '../schemas.ts';

const outcomes = [
  'finished',
  'client-left',
  'upstream-failed',
  'upstream-refused',
  'broken-off',
  'empty',
  'timed-out',
  'money-out',
  'shut-down',
  'recovered',
] as const satisfies readonly Outcome[];

export const outcomeSchema = Type.Unsafe<Outcome>(Type.Union(outcomes.map((outcome) => Type.Literal(outcome))));
const text = Type.String();
const orNull = <T extends typeof text | ReturnType<typeof Type.Number>>(schema: T) => Type.Union([schema, Type.Null()]);
const quantities = Type.Record(Type.String(), Type.Integer(), {
  description: 'Quantities by part of usage; an absent part is zero.',
});

const summaryProperties = {
  requestId: text,
  accountId: text,
  apiKeyId: text,
  userId: orNull(text),
  group: orNull(text),
  admittedAt: text,
  endedAt: text,
  firstByteMs: orNull(Type.Number()),
  operation: text,
  protocol: text,
  model: text,
  stream: Type.Boolean(),
  status: Type.Integer(),
  outcome: outcomeSchema,
  upstream: orNull(text),
  usage: quantities,
  usageSource: Type.String({ description: '`upstream`: reported; `estimated`: counted by us; `none`.' }),
  flags: Type.Array(text),
  currency: text,
  heldNano: nanoText,
  chargeNano: nanoText,
  lossNano: nanoText,
  movementId: orNull(text),
};

const attemptSchema = strict({
  upstream: text,
  provider: text,
  model: text,
  startedAt: text,
  durationMs: Type.Number(),
  status: orNull(Type.Number()),
  fault: orNull(text),
  costNano: Type.Union([nanoText, Type.Null()]),
  costCurrency: orNull(text),
});

const lineSchema = Type.Union([
  strict({
    kind: Type.Literal('quantity'),
    part: text,
    quantity: Type.Integer(),
    ratePerMillion: Type.String({ description: 'Micro-units of currency per million pieces.' }),
    amountPico: Type.String({ description: 'quantity times rate, in 10^-12 units, before multipliers.' }),
  }),
  strict({ kind: Type.Literal('per-call'), amountNano: nanoText }),
]);

export const usageSummary = strict(summaryProperties, {
  title: 'UsageSummary',
  description: 'One request, as it was charged.',
});
export const usageDetail = strict(
  {
    ...summaryProperties,
    address: text,
    country: text,
    usageText: Type.Union([text, Type.Null()], { description: "The upstream's own usage block." }),
    charge: strict({
      priceVersionId: text,
      rule: text,
      currency: text,
      rates: Type.Record(Type.String(), Type.String(), { description: 'Micro-units per million pieces, by part.' }),
      perCallNano: nanoText,
      multipliers: Type.Array(
        strict({ of: text, ppm: Type.Integer({ description: 'Parts per million: 1000000 is one.' }) }),
      ),
      lines: Type.Array(lineSchema),
      recomputedNano: Type.String({
        description: 'The lines times the multipliers, rounded once, upward: what the charge comes to.',
      }),
    }),
    attempts: Type.Array(attemptSchema),
  },
  { title: 'UsageDetail', description: 'One request, with everything that its charge is made of.' },
);

export const summaryView = ({ record, movementId }: StoredUsage): Static<typeof usageSummary> => ({
  requestId: record.requestId,
  accountId: record.accountId,
  apiKeyId: record.apiKeyId,
  userId: record.userId ?? null,
  group: record.group ?? null,
  admittedAt: textOf(record.admittedAt),
  endedAt: textOf(record.endedAt),
  firstByteMs: record.firstByteMs ?? null,
  operation: record.operation,
  protocol: record.protocol,
  model: record.model,
  stream: record.stream,
  status: record.status,
  outcome: record.outcome,
  upstream: record.upstream ?? null,
  usage: { ...record.usage },
  usageSource: record.usageSource,
  flags: [...record.flags],
  currency: record.terms.currency,
  heldNano: record.heldNano.toString(),
  chargeNano: record.chargeNano.toString(),
  lossNano: record.lossNano.toString(),
  movementId: movementId ?? null,
});

const attemptView = (attempt: Attempt): Static<typeof attemptSchema> => ({
  upstream: attempt.upstream,
  provider: attempt.provider,
  model: attempt.model,
  startedAt: textOf(attempt.startedAt),
  durationMs: attempt.durationMs,
  status: attempt.status ?? null,
  fault: attempt.fault ?? null,
  costNano: attempt.costNano?.toString() ?? null,
  costCurrency: attempt.costCurrency ?? null,
});

function lineView(line: ChargeLine): Static<typeof lineSchema> {
  switch (line.kind) {
    case 'quantity':
      return {
        kind: 'quantity',
        part: line.part,
        quantity: line.quantity,
        ratePerMillion: line.rate.toString(),
        amountPico: (BigInt(line.quantity) * line.rate).toString(),
      };
    case 'per-call':
      return { kind: 'per-call', amountNano: line.amountNano.toString() };
  }
}

const chargeView = ({ terms, lines }: UsageRecord): Static<typeof usageDetail>['charge'] => ({
  priceVersionId: terms.priceVersionId,
  rule: terms.rule,
  currency: terms.currency,
  rates: Object.fromEntries(Object.entries(terms.rates).map(([part, rate]) => [part, rate.toString()])),
  perCallNano: terms.perCallNano.toString(),
  multipliers: terms.multipliers.map(({ of, ppm }) => ({ of, ppm })),
  lines: lines.map(lineView),
  recomputedNano: totalOf(
    lines,
    terms.multipliers.map(({ ppm }) => ppm),
  ).toString(),
});

export const detailView = (stored: StoredUsage): Static<typeof usageDetail> => ({
  ...summaryView(stored),
  address: stored.record.address,
  country: stored.record.country,
  usageText: stored.record.usageText ?? null,
  charge: chargeView(stored.record),
  attempts: stored.record.attempts.map(attemptView),
});
