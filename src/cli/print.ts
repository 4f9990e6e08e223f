// Standard output for what a command prints once. Making its stream takes milliseconds, which a start has better use
// for; what cannot be written at once goes there all the same.

import { writeSync } from 'node:fs';

const STANDARD_OUTPUT = 1;

export function print(text: string): void {
  let rest = Buffer.from(text);
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(STANDARD_OUTPUT, rest));
  } catch {
    // A pipe that is full or closed: the stream waits for its reader, or bears that there is none.
    process.stdout.write(rest);
  }
}
