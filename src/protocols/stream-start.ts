// Tells an event stream from what an upstream sends in its place: a page, or one JSON value.

/** Whether JSON begins as an array does; undefined where the chunk has nothing but white space. */
export function beginsArray(chunk: Uint8Array): boolean | undefined {
  const first = chunk.find((byte) => byte > 0x20);
  return first === undefined ? undefined : first === 0x5b;
}

export class StreamStart {
  private seen = false;

  /** Looks at the first byte of a body that is no white space or byte order mark, and at nothing behind it. */
  isOfAnother(chunk: Uint8Array): boolean {
    if (this.seen) return false;
    for (const byte of chunk) {
      if (byte <= 0x20 || byte === 0xef || byte === 0xbb || byte === 0xbf) continue;
      this.seen = true;
      // Neither of the two begins like a field or a comment.
      return byte === 0x3c || byte === 0x7b || byte === 0x5b || byte === 0x22;
    }
    return false;
  }
}
