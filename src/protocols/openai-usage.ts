// A usage block from its bytes: parsed alone, bounded, and kept as text for the usage record.

import { bounds } from '../core/bounds.ts';

/** How much of the block's own text is kept on the usage record. */
const usageTextBytes = 4 * 1024;

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export interface UsageBlock {
  readonly usage: unknown;
  readonly usageText: string | undefined;
}

/** Nothing is read from a block that is no JSON or that is larger than any honest one. */
export function usageOf(bytes: Uint8Array | undefined): UsageBlock {
  if (bytes === undefined || bytes.length > bounds.heldEventBytes)
    return { usage: undefined, usageText: undefined };
  const text = decoder.decode(bytes);
  try {
    const usage: unknown = JSON.parse(text);
    const usageText = bytes.length <= usageTextBytes ? text : cut(bytes);
    return { usage, usageText };
  } catch {
    return { usage: undefined, usageText: undefined };
  }
}

/** The head of a large block, cut between characters. */
function cut(bytes: Uint8Array): string {
  let end = usageTextBytes;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return decoder.decode(bytes.subarray(0, end));
}
