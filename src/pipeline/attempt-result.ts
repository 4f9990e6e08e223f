// How one try at one upstream may end, as the steps behind it see it.

import type { TollgateError } from '../core/errors.ts';
import type { Attempt } from '../domain/ledger/records.ts';
import type { ReplyReading } from '../plugin/protocol.ts';
import type { FaultClass } from '../plugin/provider.ts';
import type { StreamRelay } from './stream-relay.ts';

/** What is known of an attempt when it ends; its cost is added at settlement. */
export type AttemptRecord = Omit<Attempt, 'costNano' | 'costCurrency'>;

export type AttemptResult =
  | {
      readonly kind: 'reply';
      readonly record: AttemptRecord;
      /** What of the request the upstream was not told, because its protocol has no place for it. */
      readonly losses: readonly string[];
      readonly contentType: string;
      readonly body: Uint8Array;
      readonly reading: ReplyReading;
      readonly firstByteMs: number;
    }
  | {
      readonly kind: 'stream';
      readonly record: AttemptRecord;
      readonly losses: readonly string[];
      readonly contentType: string;
      readonly relay: StreamRelay;
      readonly firstByteMs: number;
    }
  /** The upstream says that the request itself is wrong: its answer goes to the client. */
  | {
      readonly kind: 'refused';
      readonly record: AttemptRecord;
      readonly contentType: string;
      readonly body: Uint8Array;
      /** The vendor's words, where its body is not in the form of the protocol. */
      readonly explanation: string | undefined;
    }
  | {
      readonly kind: 'failed';
      readonly record: AttemptRecord;
      /** `loop`: a gateway further on has seen this request before. */
      readonly fault: FaultClass | 'transport' | 'timeout' | 'loop';
      readonly retryAfterMs: number | undefined;
      /** The same upstream may be asked again: the request did not reach it, or it said that it is busy. */
      readonly again: boolean;
    }
  /** Nothing was sent: this upstream's protocol cannot say what the request means. Another's may. */
  | { readonly kind: 'unwritable'; readonly record: AttemptRecord; readonly error: TollgateError }
  | { readonly kind: 'client-left'; readonly record: AttemptRecord };

export interface RunningAttempt {
  readonly result: Promise<AttemptResult>;
  /** The client left, or we shut down, before any byte: hang up. */
  abandon(): void;
}
