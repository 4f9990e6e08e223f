// Standard output and standard error for what a command says at its start. Making such a stream takes milliseconds and
// memory, which a start has better use for; what cannot be written at once goes there all the same.

import { writeSync } from 'node:fs';

interface Stream {
  write(text: string | Uint8Array): unknown;
}

/**
 * Writes to the file itself at first, and by its stream from `quickBytes` on: a reader who has stopped reading must not
 * stop a process that serves. Once something went to the stream, the rest follows: written past it, it would come
 * before what waits in it.
 */
export function quickWriter(file: number, stream: () => Stream, quickBytes: number): (text: string) => void {
  let quickLeft = quickBytes;
  return (text) => {
    let rest = Buffer.from(text);
    if (rest.length > quickLeft) quickLeft = 0;
    try {
      while (quickLeft > 0 && rest.length > 0) {
        const written = writeSync(file, rest);
        rest = rest.subarray(written);
        quickLeft -= written;
      }
    } catch {
      // A pipe that is full or closed: the stream waits for its reader, or bears that there is none.
      quickLeft = 0;
    }
    if (rest.length > 0) stream().write(rest);
  };
}

/** What a pipe takes whole where nobody has read of it yet: more lines than a start has. */
const ERROR_QUICK_BYTES = 4_096;

/** A command's output is what it is for: it waits for its reader, who may be a pager. */
export const print = quickWriter(1, () => process.stdout, Number.POSITIVE_INFINITY);
export const printError = quickWriter(2, () => process.stderr, ERROR_QUICK_BYTES);
