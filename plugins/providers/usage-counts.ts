// Counts out of a vendor's usage block, whatever it holds: a quantity, or zero and a flag that says what was odd.
// Nothing is ever negative, fractional or thrown.

export type Block = Readonly<Record<string, unknown>>;

function isBlock(value: unknown): value is Block {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function asBlock(value: unknown): Block | undefined {
  return isBlock(value) ? value : undefined;
}

export function addFlag(flags: string[], flag: string): void {
  if (!flags.includes(flag)) flags.push(flag);
}

/**
 * A count as it stands; zero and a flag for whatever is none. 1e308 is an integer to JavaScript: it is too
 * large.
 */
export function readCount(value: unknown, flags: string[]): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) addFlag(flags, 'not-an-integer');
  else if (value < 0) addFlag(flags, 'negative');
  else if (value > Number.MAX_SAFE_INTEGER) addFlag(flags, 'too-large');
  else return value === 0 ? 0 : value; // also turns -0 into 0
  return 0;
}

/** A count that every block must have. */
export function requiredCount(value: unknown, flags: string[], missing: string): number {
  if (value !== undefined && value !== null) return readCount(value, flags);
  addFlag(flags, missing);
  return 0;
}

/** A count that honest vendors leave out or set to null. */
export function optionalCount(value: unknown, flags: string[]): number {
  return value === undefined || value === null ? 0 : readCount(value, flags);
}

/** `count`, but no more than what it is a part of. */
export function within(count: number, whole: number, flags: string[], flag: string): number {
  if (count <= whole) return count;
  addFlag(flags, flag);
  return whole;
}

export function checkTotal(total: unknown, sum: number, flags: string[]): void {
  if (total === undefined || total === null) return;
  const before = flags.length;
  const count = readCount(total, flags);
  if (flags.length === before && count !== sum) addFlag(flags, 'total-differs');
}
