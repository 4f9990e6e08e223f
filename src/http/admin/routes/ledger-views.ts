// What the ledger's routes take and answer: amounts as text, both legs of every movement, and for trial balances
// whether they add up.

import { Type } from '@sinclair/typebox';
import type { Nano } from '../../../core/money.ts';
import type { Balance } from '../../../domain/ledger/ledger.ts';
import type { TrialBalanceRow } from '../../../domain/ledger/movement-reader.ts';
import type { Movement } from '../../../domain/ledger/records.ts';
import { currencyCode, idText, nanoText, positiveNanoText, reasonText, strict, textOf } from '../schemas.ts';

const referenceText = Type.String({
  minLength: 1,
  maxLength: 200,
  description: 'What it refers to outside: an invoice, a payment, a ticket.',
});
const processorText = Type.String({
  pattern: '^[a-z][a-z0-9-]{0,39}$',
  description: 'Who took or paid out the money, in kebab-case: `bank-transfer`.',
  examples: ['bank-transfer'],
});

export const topUpBody = strict({
  amountNano: positiveNanoText,
  currency: currencyCode,
  source: Type.Union([Type.Literal('cash'), Type.Literal('promotion')], {
    description: '`cash`: money that came in through `processor`. `promotion`: given by the house.',
  }),
  processor: Type.Optional(processorText),
  reason: reasonText,
  reference: Type.Optional(referenceText),
});

export const adjustmentBody = strict({
  amountNano: Type.String({
    pattern: '^-?[1-9][0-9]{0,18}$',
    description: 'Nano-units that the account gains, or, below zero, loses. A decimal string.',
    examples: ['-250000000'],
  }),
  currency: currencyCode,
  against: Type.Union(
    [Type.Literal('revenue'), Type.Literal('promotion'), Type.Literal('loss'), Type.Literal('suspense')],
    {
      description: 'The house address on the other side. `suspense` while its place is not known.',
    },
  ),
  reason: reasonText,
  reference: Type.Optional(referenceText),
});

export const refundBody = strict({
  topUp: idText('mov'),
  amountNano: positiveNanoText,
  currency: currencyCode,
  reason: reasonText,
});

export const movementSchema = strict(
  {
    id: Type.String(),
    kind: Type.String({ description: '`top-up`, `refund`, `adjustment`, `charges` or `upstream-costs`.' }),
    at: Type.String(),
    entries: Type.Array(strict({ address: Type.String(), currency: Type.String(), amountNano: nanoText })),
    reason: Type.String(),
    actor: Type.String({ description: '`operator:<key id>` or `system`.' }),
    reference: Type.Union([Type.String(), Type.Null()]),
    idempotencyKey: Type.Union([Type.String(), Type.Null()]),
  },
  { title: 'Movement', description: 'A ledger movement: immutable, its entries sum to zero by currency.' },
);

export const balanceSchema = strict(
  {
    accountId: Type.String(),
    currency: Type.String(),
    postedNano: nanoText,
    heldNano: nanoText,
    overdraftNano: nanoText,
    availableNano: nanoText,
  },
  { title: 'Balance', description: 'Posted less held plus overdraft is what is available.' },
);

export const trialBalanceSchema = strict(
  {
    balanced: Type.Boolean({
      description: 'True when the entries of every currency sum to zero, as they always should.',
    }),
    rows: Type.Array(
      strict({
        address: Type.String(),
        currency: Type.String(),
        amountNano: Type.String(),
        entries: Type.Integer(),
      }),
    ),
  },
  { title: 'TrialBalance' },
);

export const movementView = (movement: Movement) => ({
  id: movement.id,
  kind: movement.kind,
  at: textOf(movement.at),
  entries: movement.entries.map(({ address, currency, amountNano }) => ({
    address,
    currency,
    amountNano: amountNano.toString(),
  })),
  reason: movement.reason,
  actor: movement.actor,
  reference: movement.reference ?? null,
  idempotencyKey: movement.idempotencyKey ?? null,
});

export const balanceView = (balance: Balance) => ({
  accountId: balance.accountId,
  currency: balance.currency,
  postedNano: balance.postedNano.toString(),
  heldNano: balance.heldNano.toString(),
  overdraftNano: balance.overdraftNano.toString(),
  availableNano: balance.availableNano.toString(),
});

export function trialBalanceView(rows: readonly TrialBalanceRow[]) {
  const sums = new Map<string, Nano>();
  for (const { currency, amountNano } of rows) sums.set(currency, (sums.get(currency) ?? 0n) + amountNano);
  return {
    balanced: [...sums.values()].every((sum) => sum === 0n),
    rows: rows.map(({ address, currency, amountNano, entries }) => ({
      address,
      currency,
      amountNano: amountNano.toString(),
      entries,
    })),
  };
}
