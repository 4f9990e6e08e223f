// The neutral form of what an upstream answers: piece by piece for streams, and whole. See conversation.ts.

import type { Citation, JsonValue, MediaPart, NativePart, OutputPart, Signature } from './conversation.ts';

/** One token's probability, as OpenAI's chat and responses write it. */
export interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
  readonly bytes?: readonly number[] | null;
  readonly top: readonly Omit<TokenLogprob, 'top'>[];
}

/** Why a choice ended. */
export type StopKind =
  | 'end'
  | 'stop-sequence'
  | 'length'
  /** The model's context is full. */
  | 'context-window'
  | 'tool-calls'
  /** Cut by a filter of the vendor's. */
  | 'content-filter'
  /** The model, or a classifier before it, declined. */
  | 'refusal'
  /** A long turn was paused: send it back to go on (Anthropic's `pause_turn`). */
  | 'pause'
  | 'error';

export interface Stop {
  readonly kind: StopKind;
  /** The upstream's own word. */
  readonly native: string;
  /** Which stop sequence was met, where the upstream says. */
  readonly sequence?: string;
}

/** What a whole reply, or the start of a stream, says of itself. */
export interface ReplyHead {
  /** The upstream's id of the reply. */
  readonly id?: string;
  /** The upstream's own name of the model. */
  readonly model?: string;
  readonly serviceTier?: string;
}

/** What a block of output is, when it begins. Text, thinking, refusals and arguments follow as deltas. */
export type BlockHead =
  | { readonly kind: 'text' | 'thinking' | 'refusal'; readonly summary?: boolean }
  | {
      readonly kind: 'tool-call';
      /** Undefined where the upstream gave none: the host makes one and keeps to it. */
      readonly id: string | undefined;
      readonly name: string;
      readonly custom?: boolean;
      readonly itemId?: string;
    }
  /** Complete as it is: no deltas follow. */
  | { readonly kind: 'media'; readonly part: MediaPart }
  | { readonly kind: 'native'; readonly part: NativePart };

/** What is said of a block beside its text. */
export type Annotation =
  | { readonly kind: 'signature'; readonly signature: Signature }
  | { readonly kind: 'citation'; readonly citation: Citation }
  | { readonly kind: 'logprobs'; readonly tokens: readonly TokenLogprob[] };

/**
 * Takes what an upstream's reply says, in order. `choice` counts from 0. `block` is the reader's own number for a block
 * of that choice, unique within it, rising in the order of first appearance; the host orders and renumbers them.
 *
 * Readers may call `delta` for any block that has begun, in any order; `blockEnd` only where the protocol says so.
 * Whatever a reader leaves open is ended by the host. `usage` may come more than once: the last one counts.
 */
export interface ReplySink {
  head(head: ReplyHead): void;
  blockStart(choice: number, block: number, head: BlockHead): void;
  /** A piece of the block's text, thinking, refusal or arguments. */
  delta(choice: number, block: number, text: string): void;
  annotate(choice: number, block: number, annotation: Annotation): void;
  blockEnd(choice: number, block: number): void;
  stop(choice: number, stop: Stop): void;
  /** The upstream's usage block as parsed JSON, complete as far as known (merged where the protocol splits it). */
  usage(raw: JsonValue): void;
  /** What the reply had that the neutral form has no room for. */
  lost(loss: string): void;
  /** An error that the upstream reports after it began. */
  failed(error: UpstreamErrorText): void;
}

/** The words of an upstream's error, as far as its body says them. */
export interface UpstreamErrorText {
  readonly message: string;
  /** The vendor's own type or status word. */
  readonly type?: string;
  readonly code?: string;
  readonly param?: string;
}

/** A whole reply, gathered from what a reader said. */
export interface ConversationReply {
  readonly head: ReplyHead;
  readonly choices: readonly ReplyChoice[];
}

export interface ReplyChoice {
  readonly parts: readonly OutputPart[];
  /** Of kind `end` where the upstream said nothing. */
  readonly stop: Stop;
  readonly logprobs: readonly TokenLogprob[];
}
