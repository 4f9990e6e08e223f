// Keeps the list of what a translation could not carry, and refuses what must not be left out.

import { TollgateError } from '../../core/errors.ts';
import type { Carriage } from '../../plugin/codec.ts';
import type { Conversation } from '../../plugin/conversation.ts';
import type { ProtocolName } from '../../plugin/operations.ts';

/** Losses that are listed by name; a request with more has them, too, but the list ends here. */
const lossesMax = 64;
const lossLength = 96;

export class LossList implements Carriage {
  readonly #names = new Set<string>();
  readonly #target: ProtocolName;

  constructor(target: ProtocolName) {
    this.#target = target;
  }

  get names(): readonly string[] {
    return [...this.#names];
  }

  lost(loss: string): void {
    // It goes into a header and a record: field names come from the client.
    const safe = loss.replace(/[^\w.:[\]-]/g, '_').slice(0, lossLength);
    if (this.#names.size < lossesMax) this.#names.add(safe);
  }

  refuse(field: string, why: string): never {
    throw new TollgateError('invalid_request', {
      message: `${field}: ${why} The upstream of this model speaks ${this.#target}.`,
      field,
    });
  }
}

/** Fields without a neutral form: refused where they change the meaning, listed otherwise. */
export function carryUnmapped({ unmapped }: Conversation, carriage: Carriage): void {
  for (const { path, weight } of unmapped) {
    if (weight === 'meaning') carriage.refuse(path, 'cannot be carried to another protocol; leave it out.');
    carriage.lost(`field:${path}`);
  }
}
