// Tells an event stream from what an upstream sends in its place: a page, or one JSON value.

/** Looks at the first byte that is no white space or byte order mark; undefined while there is none. */
export function beginsStream(chunk: Uint8Array): boolean | undefined {
  for (const byte of chunk) {
    if (byte <= 0x20 || byte === 0xef || byte === 0xbb || byte === 0xbf) continue;
    // Neither of the two begins like a field or a comment.
    return byte !== 0x3c && byte !== 0x7b && byte !== 0x5b && byte !== 0x22;
  }
  return undefined;
}
