// Reads a Gemini stream that comes as one JSON array, as it does without `alt=sse`. Its elements go on as they are; its
// closing bracket is the terminal event: nobody makes it up, but behind an error.

import { closesArray } from '../../core/array-splitter.ts';
import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import type { EventView } from '../../core/sse.ts';
import type { Verdict } from '../relay-tap.ts';
import { errorJson } from './error-body.ts';
import { GeminiTap, shortEndJson } from './tap.ts';

const encoder = new TextEncoder();
const closing = '\n]';

export class GeminiArrayTap extends GeminiTap {
  private begun = false;
  private finished = false;

  /** An error of the upstream's that has gone out ends the array, too. */
  override held(): Uint8Array {
    return !this.complete && this.fault === 'error-event' ? encoder.encode(closing) : super.held();
  }

  override errorEvent(code: ErrorCode, details: ErrorDetails, requestId: string): Uint8Array {
    return this.lastElement(errorJson(code, details, requestId));
  }

  override shortEnd(): Uint8Array {
    return this.lastElement(shortEndJson);
  }

  /** An array that ends without any reason to finish is one that was cut. */
  protected override judge(view: EventView): Verdict {
    if (this.fault === 'not-a-stream') return 'drop';
    if (closesArray(view)) return this.finished || this.fault === 'error-event' ? 'terminal' : 'drop';
    const verdict = super.judge(view);
    if (verdict === 'drop') return 'drop';
    if (verdict === 'hold') this.finished = true;
    this.begun = true;
    return 'relay';
  }

  /** One such element, and the client can read nothing of all the array. */
  protected override unreadable(): Verdict {
    this.fault = 'not-a-stream';
    return 'drop';
  }

  private lastElement(json: string): Uint8Array {
    return encoder.encode(`${this.begun ? '\n,\r\n' : '['}${json}${closing}`);
  }
}
