// Rates as they are stored: JSON of part to decimal string, in the order of the parts: equal rates are equal text.

import { parseNano } from '../../core/money.ts';
import type { Rates } from '../../plugin/prices.ts';
import { usageParts } from '../../plugin/usage.ts';
import type { UsagePart } from '../../plugin/usage.ts';

/** A row that the code could not have written: the file was changed by other hands. */
export class CorruptRowError extends Error {
  constructor(table: string, key: string, column: string) {
    super(`row ${key} of table ${table} has a ${column} that Tollgate never writes; restore a backup`);
  }
}

/** Part to decimal string, for JSON. */
export function ratesShown(rates: Rates): Partial<Record<UsagePart, string>> {
  const shown: Partial<Record<UsagePart, string>> = {};
  for (const part of usageParts) {
    const rate = rates[part];
    if (rate !== undefined) shown[part] = rate.toString();
  }
  return shown;
}

export const ratesText = (rates: Rates): string => JSON.stringify(ratesShown(rates));

/** Fails closed: a rate that cannot be read must not become free. */
export function ratesOf(text: string, table: string, key: string): Rates {
  const stored: unknown = JSON.parse(text);
  if (typeof stored !== 'object' || stored === null) throw new CorruptRowError(table, key, 'rates');
  const rates: Partial<Record<UsagePart, bigint>> = {};
  const values = new Map<string, unknown>(Object.entries(stored));
  for (const part of usageParts) {
    const value = values.get(part);
    if (value === undefined) continue;
    const rate = typeof value === 'string' ? parseNano(value) : undefined;
    if (rate === undefined || rate < 0n) throw new CorruptRowError(table, key, `rates.${part}`);
    rates[part] = rate;
  }
  return rates;
}
