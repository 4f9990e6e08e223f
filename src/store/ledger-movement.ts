// Movements as the store keeps them, and their hash chain. A movement's hash covers the one before it, everything it
// says, and, by their own hash, the whole texts of the usage records of its batch: no row can change unseen.

import type { Nano } from '../core/money.ts';
import { fieldsOf, integerOf, listOf, nanoOf, optionalTextOf, textOf, type Fields } from './json-fields.ts';

export interface StoredEntry {
  readonly address: string;
  readonly currency: string;
  readonly amountNano: Nano;
}

export interface StoredMovement {
  readonly position: number;
  readonly id: string;
  readonly kind: string;
  readonly at: number;
  readonly reason: string;
  readonly actor: string;
  readonly reference: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly inputSha256: string | undefined;
  readonly entries: readonly StoredEntry[];
}

/** `usageSha256`: of all usage records of its batch, if it sums up some of them. */
export function movementHash(previousHash: string, movement: StoredMovement, usageSha256: string | undefined): string {
  return new Bun.CryptoHasher('sha256').update(JSON.stringify([
    previousHash, movement.position, movement.id, movement.kind, movement.at, movement.reason, movement.actor,
    movement.reference ?? null, movement.idempotencyKey ?? null, movement.inputSha256 ?? null,
    movement.entries.map((entry) => [entry.address, entry.currency, entry.amountNano.toString()]), usageSha256 ?? null,
  ])).digest('hex');
}

export function readStoredMovement(fields: Fields, position: number): StoredMovement {
  return {
    position, id: textOf(fields, 'id'), kind: textOf(fields, 'kind'), at: integerOf(fields, 'at'),
    reason: textOf(fields, 'reason'), actor: textOf(fields, 'actor'), reference: optionalTextOf(fields, 'reference'),
    idempotencyKey: optionalTextOf(fields, 'idempotencyKey'), inputSha256: optionalTextOf(fields, 'inputSha256'),
    entries: listOf(fields, 'entries').map((entry) => {
      const leg = fieldsOf(entry, 'an entry');
      return {
        address: textOf(leg, 'address'), currency: textOf(leg, 'currency'), amountNano: nanoOf(leg, 'amountNano'),
      };
    }),
  };
}
