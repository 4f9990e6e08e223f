// Text for the tokenizer in slices: its work on one long run of letters grows with the square of the run, so that no
// run may be longer than a slice. All slices together then take time in proportion to the text, whatever stands in it.
//
// A cut takes a token apart or changes nothing: the sum is an upper bound, as the whole count would be. (Merging is
// greedy, so that a cut could spare a token in a rare spot; the caller's margin is far more than that.)

/** Also at most that many characters. */
export const SLICE_BYTES_MAX = 256;

// A byte order mark in the text is text.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Once the time is up, each byte of the rest is taken for a token. */
export function countInSlices(
  body: Uint8Array, tokensIn: (text: string) => number, timeIsUp: () => boolean = () => false,
): number {
  let tokens = 0;
  for (let start = 0; start < body.length;) {
    if (timeIsUp()) return tokens + body.length - start;
    const end = sliceEnd(body, start);
    tokens += tokensIn(decoder.decode(body.subarray(start, end)));
    start = end;
  }
  return tokens;
}

/** Between two characters; a byte that no character has before it is cut anywhere. */
function sliceEnd(body: Uint8Array, start: number): number {
  const most = start + SLICE_BYTES_MAX;
  if (most >= body.length) return body.length;
  let end = most;
  while (end > most - 3 && ((body[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return ((body[end] ?? 0) & 0xc0) === 0x80 ? most : end;
}
