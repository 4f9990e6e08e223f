// What the simulator's replies look like in one protocol: how events are framed, how errors and usage are worded.

import type { UsageCounts } from '../answer.ts';

/** Numbers as a fault would have them: JSON text, whatever it says. */
export type Quantity = string | number;

export interface Form {
  /** An event of a stream around its JSON. */
  event(json: string): string;
  /** An error's body. `code` is OpenAI's word or number for it. */
  error(status: number, message: string, type: string, code: string | number | null, param?: string | null): string;
  /** An error inside a stream. */
  errorEvent(message: string): string;
  honestUsage(usage: UsageCounts): string;
  /** A usage block with these totals; `cached` and `reasoning` only where they are given. */
  usage(prompt: Quantity, completion: Quantity, total: Quantity, cached?: Quantity, reasoning?: Quantity): string;
}
