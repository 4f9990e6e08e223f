// Paying back top-ups. Invariant: the refunds of one top-up never add up to more than it. They take turns in this
// process, because the sum of those before has to be read first; the ledger holds the balance rule by itself.

import { bounds } from '../../../core/bounds.ts';
import { TollgateError } from '../../../core/errors.ts';
import type { AccountId, MovementId } from '../../../core/ids.ts';
import type { Currency, Nano } from '../../../core/money.ts';
import type { Ledger, MovementRequest } from '../../../domain/ledger/ledger.ts';
import type { MovementReader } from '../../../domain/ledger/movement-reader.ts';
import type { LedgerAddress, LedgerEntry, Movement } from '../../../domain/ledger/records.ts';
import { invalid, pathId } from '../schemas.ts';

export interface RefundServices {
  readonly ledger: Pick<Ledger, 'movement' | 'settled'>;
  readonly movements: MovementReader;
}

export interface RefundAsked {
  readonly accountId: AccountId;
  readonly topUp: string;
  readonly amountNano: Nano;
  readonly currency: Currency;
  readonly reason: string;
  readonly by: Pick<MovementRequest, 'actor' | 'idempotencyKey' | 'inputSha256'>;
}

/** Runs `book` with the refund's movement, after every refund before it has been booked or refused. */
export type RefundInTurn = <Booked>(
  asked: RefundAsked,
  book: (request: MovementRequest) => Promise<Booked>,
) => Promise<Booked>;

export function refundsInTurn(services: RefundServices): RefundInTurn {
  let last: Promise<unknown> = Promise.resolve();
  return (asked, book) => {
    const turn = last.then(async () => await book(await refundRequest(services, asked)));
    last = turn.catch(() => {});
    return turn;
  };
}

async function refundRequest({ ledger, movements }: RefundServices, asked: RefundAsked): Promise<MovementRequest> {
  const topUpId = pathId('mov', asked.topUp, 'top-up');
  const topUp = await ledger.movement(topUpId);
  const { paid, from } = topUpOf(topUp, asked.accountId);
  await ledger.settled();
  const refunded = await refundedOf(movements, asked, topUpId);
  const left = paid.amountNano - refunded;
  if (asked.amountNano > left) {
    throw new TollgateError('conflict', {
      message: `amountNano: ${left} nano-units of this top-up are left to refund; send at most that.`,
      field: 'amountNano',
    });
  }
  return {
    kind: 'refund',
    entries: [
      { address: paid.address, currency: asked.currency, amountNano: -asked.amountNano },
      { address: from, currency: asked.currency, amountNano: asked.amountNano },
    ],
    reason: asked.reason,
    reference: topUpId,
    ...asked.by,
  };
}

function topUpOf(
  movement: Movement | undefined,
  accountId: AccountId,
): { readonly paid: LedgerEntry; readonly from: LedgerAddress } {
  const paid = movement?.entries.find((entry) => entry.address === `account/${accountId}`);
  const from = movement?.entries.find((entry) => entry.address.startsWith('house/'));
  if (movement?.kind !== 'top-up' || paid === undefined || from === undefined)
    throw invalid('topUp', 'is not a top-up of this account');
  return { paid, from: from.address };
}

/** What was paid back before. The refund that this very request may have booked already is not counted. */
async function refundedOf(movements: MovementReader, asked: RefundAsked, topUpId: MovementId): Promise<Nano> {
  const address: LedgerAddress = `account/${asked.accountId}`;
  let refunded: Nano = 0n;
  let before: MovementId | undefined;
  for (;;) {
    const page = await movements.list({ address, kind: 'refund' }, bounds.pageSizeMax, before);
    for (const movement of page) {
      if (movement.reference !== topUpId) continue;
      if (asked.by.idempotencyKey !== undefined && movement.idempotencyKey === asked.by.idempotencyKey) continue;
      const entry = movement.entries.find((leg) => leg.address === address);
      refunded -= entry?.amountNano ?? 0n;
    }
    before = page.at(-1)?.id;
    if (page.length < bounds.pageSizeMax || before === undefined) return refunded;
  }
}
