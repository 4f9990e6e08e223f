// Text out of bytes without a view in between: the first view of an array makes the engine give it a buffer of its own,
// which costs more than the text does.

const { toString } = Buffer.prototype;

/** The text of bytes[start, end), read as UTF-8: what is not UTF-8 becomes U+FFFD, a byte order mark stays. */
export const textBetween = (bytes: Uint8Array, start: number, end: number): string =>
  toString.call(bytes, 'utf8', start, end);
