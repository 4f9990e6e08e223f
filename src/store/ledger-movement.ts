// Movements as the store keeps them, and their hash chain. A movement's hash covers the one before it, everything it
// says, and the whole text of each usage record that it sums up: no row can change unseen.

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

export function movementHash(previousHash: string, movement: StoredMovement, usageDetails: Iterable<string>): string {
  const hasher = new Bun.CryptoHasher('sha256');
  hasher.update(JSON.stringify([
    previousHash, movement.position, movement.id, movement.kind, movement.at, movement.reason, movement.actor,
    movement.reference ?? null, movement.idempotencyKey ?? null, movement.inputSha256 ?? null,
    movement.entries.map((entry) => [entry.address, entry.currency, entry.amountNano.toString()]),
  ]));
  for (const detail of usageDetails) {
    // No JSON text holds a line feed, so no two lists of records have the same bytes.
    hasher.update('\n');
    hasher.update(detail);
  }
  return hasher.digest('hex');
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
