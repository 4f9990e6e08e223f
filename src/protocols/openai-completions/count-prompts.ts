// How many prompts a legacy completion has: a string, a list of strings, a list of tokens, or a list of lists
// of tokens.

import { bounds } from '../../core/bounds.ts';
import { JsonCursor } from '../../core/json-cursor.ts';
import { invalid } from '../../core/json-scan.ts';
import type { Span } from '../../plugin/protocol.ts';

const cursor = new JsonCursor({ depth: bounds.requestDepth, keys: bounds.requestKeys });

/** At least 1. A list of numbers alone is one prompt; of any other list each element is one. */
export function countPrompts(body: Uint8Array, span: Span | undefined): number {
  if (span === undefined || body[span.start] !== 0x5b) return 1;
  cursor.reset(body, span.start + 1, span.end);
  if (cursor.next() === 0x5d) return 1;
  let elements = 0;
  let numbers = 0;
  for (;;) {
    const first = cursor.next();
    if (first === 0x2d || (first >= 0x30 && first <= 0x39)) numbers++;
    if (!cursor.value()) throw invalid('prompt', 'must be a string, or a list of strings or tokens');
    elements++;
    const after = cursor.next();
    cursor.position++;
    if (after === 0x5d) return numbers === elements ? 1 : elements;
    if (after !== 0x2c) throw invalid('prompt', 'must be a string, or a list of strings or tokens');
  }
}
