// Movements of this process that the store may not have yet: found by id and by idempotency key until it has them.

import type { MovementId } from '../../core/ids.ts';
import type { Movement } from './records.ts';

export interface RecentMovement {
  readonly movement: Movement;
  /** Of its journal record; 0 for one that the store has. */
  readonly sequence: number;
}

export class RecentMovements {
  /** In the order of their records. */
  readonly #byId = new Map<MovementId, RecentMovement>();
  readonly #byKey = new Map<string, RecentMovement>();

  remember(recent: RecentMovement): void {
    const { id, idempotencyKey } = recent.movement;
    this.#byId.set(id, recent);
    if (idempotencyKey !== undefined) this.#byKey.set(idempotencyKey, recent);
  }

  byId(id: MovementId): Movement | undefined {
    return this.#byId.get(id)?.movement;
  }

  byKey(idempotencyKey: string): RecentMovement | undefined {
    return this.#byKey.get(idempotencyKey);
  }

  /** The store has everything up to that record. */
  forget(sequence: number): void {
    for (const [id, recent] of this.#byId) {
      if (recent.sequence > sequence) return;
      this.#byId.delete(id);
      if (recent.movement.idempotencyKey !== undefined) this.#byKey.delete(recent.movement.idempotencyKey);
    }
  }
}
