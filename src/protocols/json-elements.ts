// Where the values of a JSON list stand in a body, so that one can be changed and the others go on as they came.

import { bounds } from '../core/bounds.ts';
import { JsonCursor } from '../core/json-cursor.ts';
import type { Span } from '../plugin/protocol.ts';

const cursor = new JsonCursor({ depth: bounds.requestDepth, keys: bounds.requestKeys });

/** The values of a list inside a body that `scanBody` has passed; none for a value that is no list. */
export function elementsOf(body: Uint8Array, list: Span): readonly Span[] {
  const elements: Span[] = [];
  if (body[list.start] !== 0x5b) return elements;
  cursor.reset(body, list.start + 1, list.end);
  while (cursor.next() !== 0x5d) {
    const start = cursor.position;
    if (!cursor.value()) break;
    elements.push({ start, end: cursor.position });
    if (cursor.next() !== 0x2c) break;
    cursor.position++;
  }
  return elements;
}
