// A part of a read, handed on. Short parts are copied, long ones are views of the read.

/**
 * Up to this size the runtime keeps an array's bytes beside it. A view would first move them into a buffer of
 * their own, with a finaliser, which costs several times as much as the copy, and again when it is collected.
 */
const COPIED_BYTES_MAX = 1_000;

export const EMPTY = new Uint8Array(0);

/** What stands in bytes[first, end), for the sink to keep. */
export function contentOf(bytes: Buffer, first: number, end: number): Uint8Array {
  if (end === first) return EMPTY;
  if (end - first > COPIED_BYTES_MAX) return bytes.subarray(first, end);
  const content = new Uint8Array(end - first);
  bytes.copy(content, 0, first, end);
  return content;
}
