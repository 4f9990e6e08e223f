// Why a drop-in is not taken: one line that says what is wrong and what to do. Thrown inside this folder and turned
// into a value at its edge.

export class DropInRefused extends Error {}

/** Anything that was thrown as one line, bounded: a stack or a diff of a test is not for a log. */
export function oneLine(error: unknown, lengthMax = 400): string {
  const text = error instanceof Error ? error.message : String(error);
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > lengthMax ? `${line.slice(0, lengthMax)} ...` : line;
}
