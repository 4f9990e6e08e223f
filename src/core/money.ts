// Money is integer. Prices are micro-units of currency per million tokens, which is the same number as
// pico-units per token; amounts are nano-units. A charge is computed in pico and rounded once, upward.

/** Amount in 10^-9 units of a currency, signed, within 64 bits. */
export type Nano = bigint;
/** Amount in 10^-12 units of a currency. */
export type Pico = bigint;
/** Price in 10^-6 units of currency per million of its quantity = pico-units per piece. */
export type MicroPerMillion = bigint;
/** A factor in parts per million: 1_000_000 is one. */
export type Ppm = number;
/** ISO 4217 code in capitals. */
export type Currency = string;

export const NANO_MAX: Nano = 2n ** 63n - 1n;
export const NANO_MIN: Nano = -(2n ** 63n);
export const NANO_PER_UNIT = 1_000_000_000n;
export const PPM_ONE: Ppm = 1_000_000;

const PPM_ONE_BIG = 1_000_000n;
const PICO_PER_NANO = 1_000n;
const PICO_BELOW_NANO = PICO_PER_NANO - 1n;

export class MoneyRangeError extends RangeError {
  constructor(what: string) {
    super(`${what} does not fit into 64 bits of nano-units`);
  }
}

/** Returns `amount`; throws MoneyRangeError outside signed 64 bits. Every sum that is stored passes here. */
export function checkedNano(amount: Nano, what = 'amount'): Nano {
  if (amount > NANO_MAX || amount < NANO_MIN) throw new MoneyRangeError(what);
  return amount;
}

/** Smallest integer that is at least numerator / denominator. Both must be >= 0, the denominator > 0. */
export function divideUp(numerator: bigint, denominator: bigint): bigint {
  return (numerator + denominator - 1n) / denominator;
}

/**
 * Pico times each multiplier, exactly, then rounded once, upward, to nano.
 * No factor is rounded on the way: two multipliers give the same result in either order.
 */
export function roundUpToNano(pico: Pico, multipliersPpm: readonly Ppm[]): Nano {
  if (multipliersPpm.length === 0) return (pico + PICO_BELOW_NANO) / PICO_PER_NANO;
  let numerator = pico;
  let denominator = PICO_PER_NANO;
  for (const ppm of multipliersPpm) {
    if (ppm === PPM_ONE) continue;
    numerator *= BigInt(ppm);
    denominator *= PPM_ONE_BIG;
  }
  return divideUp(numerator, denominator);
}

/** Decimal digits, an optional minus, no leading zeros, at most 19 digits: how amounts stand in JSON. */
const NANO_TEXT = /^(?:0|-?[1-9]\d{0,18})$/;

/** Reads an amount from JSON. `undefined` if it is not a decimal integer string within 64 bits. */
export function parseNano(text: string): Nano | undefined {
  if (!NANO_TEXT.test(text)) return undefined;
  const amount = BigInt(text);
  return amount > NANO_MAX || amount < NANO_MIN ? undefined : amount;
}

/** For people, never for computing: `1.25 USD`, all nine decimals kept but trailing zeros. */
export function formatNano(amount: Nano, currency: Currency): string {
  const negative = amount < 0n;
  const absolute = negative ? -amount : amount;
  const fraction = (absolute % NANO_PER_UNIT).toString().padStart(9, '0').replace(/0+$/, '');
  const whole = (absolute / NANO_PER_UNIT).toString();
  return `${negative ? '-' : ''}${whole}${fraction ? `.${fraction}` : ''} ${currency}`;
}
