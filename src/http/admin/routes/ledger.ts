// Money of accounts: top-ups, adjustments, refunds, and what was written down about them. Every movement names
// a reason and an operator; nothing here changes an entry. Idempotency keys go to the ledger, which keeps them
// with the movement.

import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { TollgateError } from '../../../core/errors.ts';
import type { AccountId } from '../../../core/ids.ts';
import type { Balance, Ledger, MovementRequest } from '../../../domain/ledger/ledger.ts';
import type { MovementReader } from '../../../domain/ledger/movement-reader.ts';
import type { LedgerAddress, LedgerEntry } from '../../../domain/ledger/records.ts';
import type { Nano } from '../../../core/money.ts';
import { actorOf } from '../actor.ts';
import { idempotencyKeyOf, inputSha256Of, mismatch } from '../idempotency.ts';
import { pageOf, pageQuery, pageSchema, readPage } from '../pages.ts';
import { refundsInTurn } from './refunds.ts';
import { invalid, notFound, pathId, readNano, readTime, strict, timeText } from '../schemas.ts';
import {
  adjustmentBody,
  balanceSchema,
  balanceView,
  movementSchema,
  movementView,
  refundBody,
  topUpBody,
  trialBalanceSchema,
  trialBalanceView,
} from './ledger-views.ts';

/** The part of the ledger that these routes speak to. */
export type PostingLedger = Pick<Ledger, 'balance' | 'post' | 'movement' | 'settled'>;

export interface LedgerRouteServices {
  readonly ledger: PostingLedger;
  readonly movements: MovementReader;
}

/** One movement by hand: a thousand million units. What is larger is more likely a slip of units than a payment. */
export const MOVEMENT_NANO_MAX: Nano = 10n ** 18n;

const accountParams = strict({ id: Type.String({ maxLength: 64 }) });
const tags = ['Ledger'];
const movementDetail = { tags, 'x-idempotency': 'own' };

/** The two legs of a movement between an account and the house. */
const legs = (
  accountId: AccountId,
  other: LedgerAddress,
  currency: string,
  amountNano: Nano,
): readonly LedgerEntry[] => [
  { address: `account/${accountId}`, currency, amountNano },
  { address: other, currency, amountNano: -amountNano },
];

async function balanceOf(ledger: PostingLedger, id: string): Promise<Balance> {
  const balance = await ledger.balance(pathId('acc', id, 'account'));
  if (balance === undefined) throw notFound('account');
  return balance;
}

async function accountInCurrency(ledger: PostingLedger, id: string, currency: string): Promise<Balance> {
  const balance = await balanceOf(ledger, id);
  if (balance.currency !== currency)
    throw invalid('currency', `this account's money is in ${balance.currency}; send the amount in it`);
  return balance;
}

async function post(ledger: PostingLedger, movement: MovementRequest, amountField = 'amountNano') {
  const result = await ledger.post(movement);
  if (result.posted) return { view: movementView(result.movement), replayed: result.replayed };
  switch (result.because) {
    case 'idempotency-mismatch':
      throw mismatch();
    case 'out-of-range':
      throw invalid(amountField, 'with it the balance would not fit into 64 bits of nano-units');
    case 'insufficient':
      throw new TollgateError('conflict', {
        message: `${amountField}: more than the account has available; send at most its \`availableNano\`.`,
        field: amountField,
      });
    case 'unavailable':
      throw new TollgateError('money_unavailable', {
        message: 'The ledger cannot write now; nothing was booked. Try again.',
        retryAfterSeconds: 5,
      });
    case 'unbalanced':
      throw new Error('a movement made by a route does not sum to zero');
  }
}

interface Answering {
  status?: number | string;
  headers: Record<string, unknown>;
}

function answer(set: Answering, { view, replayed }: Awaited<ReturnType<typeof post>>) {
  set.status = 201;
  if (replayed) set.headers['idempotency-replayed'] = 'true';
  return view;
}

/** Who asks and with which key: the part of a movement that the request itself gives. */
const askedBy = (request: Request) => ({
  actor: actorOf(request).name,
  idempotencyKey: idempotencyKeyOf(request.headers),
  inputSha256: inputSha256Of(request),
});

export function ledgerRoutes({ ledger, movements }: LedgerRouteServices) {
  const inTurn = refundsInTurn({ ledger, movements });
  return new Elysia({ name: 'admin-ledger', normalize: false })
    .post(
      '/accounts/:id/top-ups',
      async ({ params, body, request, set }) => {
        const { accountId } = await accountInCurrency(ledger, params.id, body.currency);
        if (body.source === 'promotion' && body.processor !== undefined)
          throw invalid('processor', 'only a top-up from `cash` has one; leave it out');
        const other: LedgerAddress =
          body.source === 'cash' ? `house/cash/${body.processor ?? 'manual'}` : 'house/promotion';
        return answer(
          set,
          await post(ledger, {
            kind: 'top-up',
            entries: legs(accountId, other, body.currency, readNano('amountNano', body.amountNano, MOVEMENT_NANO_MAX)),
            reason: body.reason,
            reference: body.reference,
            ...askedBy(request),
          }),
        );
      },
      {
        params: accountParams,
        body: topUpBody,
        response: { 201: movementSchema },
        detail: { ...movementDetail, operationId: 'topUpAccount', summary: 'Add money to an account' },
      },
    )
    .post(
      '/accounts/:id/adjustments',
      async ({ params, body, request, set }) => {
        const { accountId } = await accountInCurrency(ledger, params.id, body.currency);
        const other: LedgerAddress = body.against === 'loss' ? 'house/loss/adjustment' : `house/${body.against}`;
        return answer(
          set,
          await post(ledger, {
            kind: 'adjustment',
            entries: legs(accountId, other, body.currency, readNano('amountNano', body.amountNano, MOVEMENT_NANO_MAX)),
            reason: body.reason,
            reference: body.reference,
            ...askedBy(request),
          }),
        );
      },
      {
        params: accountParams,
        body: adjustmentBody,
        response: { 201: movementSchema },
        detail: {
          ...movementDetail,
          operationId: 'adjustAccount',
          summary: "Correct an account's balance by a new movement",
          description: 'Nothing that was booked is changed: a correction is a movement of its own, with its reason.',
        },
      },
    )
    .post(
      '/accounts/:id/refunds',
      async ({ params, body, request, set }) => {
        const { accountId } = await accountInCurrency(ledger, params.id, body.currency);
        const amountNano = readNano('amountNano', body.amountNano, MOVEMENT_NANO_MAX);
        const asked = {
          accountId,
          topUp: body.topUp,
          amountNano,
          currency: body.currency,
          reason: body.reason,
          by: askedBy(request),
        };
        return answer(set, await inTurn(asked, (movement) => post(ledger, movement)));
      },
      {
        params: accountParams,
        body: refundBody,
        response: { 201: movementSchema },
        detail: {
          ...movementDetail,
          operationId: 'refundTopUp',
          summary: 'Pay back a top-up, whole or in part',
          description:
            'Goes back to where the top-up came from. All refunds of a top-up together never exceed it, and never what the account has available.',
        },
      },
    )
    .get('/accounts/:id/balance', async ({ params }) => balanceView(await balanceOf(ledger, params.id)), {
      params: accountParams,
      response: { 200: balanceSchema },
      detail: { tags, operationId: 'getBalance', summary: 'Balance of an account' },
    })
    .get(
      '/accounts/:id/movements',
      async ({ params, query }) => {
        const { accountId } = await balanceOf(ledger, params.id);
        const { limit, before } = readPage('mov', query);
        const filter = {
          address: `account/${accountId}`,
          since: readTime('since', query.since),
          until: readTime('until', query.until),
        } as const;
        return pageOf(await movements.list(filter, limit + 1, before), limit, (movement) => movement.id, movementView);
      },
      {
        params: accountParams,
        query: strict({ ...pageQuery, since: Type.Optional(timeText), until: Type.Optional(timeText) }),
        response: { 200: pageSchema(movementSchema) },
        detail: { tags, operationId: 'listMovements', summary: 'Movements of an account, newest first' },
      },
    )
    .get('/ledger/trial-balance', async () => trialBalanceView(await movements.trialBalance()), {
      query: strict({}),
      response: { 200: trialBalanceSchema },
      detail: {
        tags,
        operationId: 'getTrialBalance',
        summary: 'Sums of all ledger entries, by house address and currency',
        description: 'All accounts stand in one row, `account/*`. Each currency sums to zero.',
      },
    });
}
