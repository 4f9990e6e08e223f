// Replaces parts of a body without copying the rest: the unchanged bytes go on as they are, in pieces.

import type { BodyEdit } from '../plugin/protocol.ts';

const encoder = new TextEncoder();

/** The pieces of the changed body, in order; none is empty. The pieces share the body's memory. */
export function rewriteBody(body: Uint8Array, edits: readonly BodyEdit[]): readonly Uint8Array[] {
  const sorted =
    edits.length < 2
      ? edits
      : edits.toSorted((a, b) => a.span.start - b.span.start || a.span.end - b.span.end);
  const pieces: Uint8Array[] = [];
  let done = 0;
  for (const { span, text } of sorted) {
    if (span.start < done || span.end < span.start || span.end > body.length) {
      throw new RangeError('edits of a body overlap or lie outside of it');
    }
    if (span.start > done) pieces.push(body.subarray(done, span.start));
    if (text !== '') pieces.push(encoder.encode(text));
    done = span.end;
  }
  if (done < body.length) pieces.push(body.subarray(done));
  return pieces;
}
