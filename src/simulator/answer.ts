// What the simulator would answer honestly, in a form that faults can deviate from: the reply's parts, not
// yet bytes.

import type { Form } from './forms/form.ts';
import type { Timing } from './wire.ts';

export interface UsageCounts {
  readonly prompt: number;
  readonly completion: number;
  readonly cached: number;
  readonly reasoning: number;
}

/** One event of a stream. `done` is not among them: framing adds it. */
export interface Frame {
  /**
   * `open` begins, `content` a piece of text or of a tool call, `finish` the reason, `usage` the
   * counts.
   */
  readonly kind: 'open' | 'content' | 'finish' | 'usage';
  readonly json: string;
}

/** `honest`: as counted. `absent`: leave it out. Otherwise the JSON text that stands in its place. */
export type UsageText = 'honest' | 'absent' | { readonly json: string };

export interface Answer {
  /** Whether the request asked for a stream. */
  readonly stream: boolean;
  /** Whether the stream is to report usage. */
  readonly wantsUsage: boolean;
  readonly timing: Timing;
  readonly usage: UsageCounts;
  /** How this protocol frames events and words errors. */
  readonly form: Form;
  /** The complete reply as JSON. */
  body(usage?: UsageText): string;
  /** The events of a stream, made one by one. Empty for an operation without streams. */
  frames(usage?: UsageText): Generator<Frame, void, undefined>;
  /** The text of the event that ends a stream; empty where the protocol has none. */
  done(usage?: UsageText): string;
  /** One more content event with this text, for faults that add some. */
  contentFrame(text: string): string;
}

/** The usage's JSON; undefined where there is to be none. */
export function usageJson(choice: UsageText, honest: () => string): string | undefined {
  if (choice === 'absent') return undefined;
  return choice === 'honest' ? honest() : choice.json;
}
