// A usage block from its bytes: parsed alone, bounded, and kept as text for the usage record.

import { bounds } from '../core/bounds.ts';
import { textBetween } from '../core/byte-text.ts';

/** How much of the block's own text is kept on the usage record. */
const usageTextBytes = 4 * 1024;

export interface UsageBlock {
  readonly usage: unknown;
  readonly usageText: string | undefined;
}

const nothing: UsageBlock = { usage: undefined, usageText: undefined };

/**
 * The block that stands in bytes[start, end), if there are any and `start` is not -1. Nothing is read from one that is
 * no JSON or that is larger than any honest one.
 */
export function usageOf(bytes: Uint8Array | undefined, start = 0, end = bytes?.length ?? 0): UsageBlock {
  if (bytes === undefined || start < 0 || end - start > bounds.heldEventBytes) return nothing;
  const text = textBetween(bytes, start, end);
  try {
    const usage: unknown = JSON.parse(text);
    return { usage, usageText: end - start <= usageTextBytes ? text : cut(bytes, start) };
  } catch {
    return nothing;
  }
}

/** The head of a large block, cut between characters. */
function cut(bytes: Uint8Array, start: number): string {
  let end = start + usageTextBytes;
  while (end > start && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return textBetween(bytes, start, end);
}
