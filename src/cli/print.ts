// Standard output for what a command prints once. Making its stream takes milliseconds, which a start has better use
// for; what cannot be written at once goes there all the same.

import { writeSync } from 'node:fs';

const STANDARD_OUTPUT = 1;

/** Once something went there, the rest follows: written past the stream, it would come before what waits in it. */
let byStream = false;

export function print(text: string): void {
  let rest = Buffer.from(text);
  try {
    while (!byStream && rest.length > 0) rest = rest.subarray(writeSync(STANDARD_OUTPUT, rest));
  } catch {
    // A pipe that is full or closed: the stream waits for its reader, or bears that there is none.
    byStream = true;
  }
  if (rest.length > 0) process.stdout.write(rest);
}
