// Reads the charging vectors into values, so that every rule and every later implementation is held to the
// same numbers.

import type { PriceTerms, Rates, UsagePart, UsageParts } from 'tollgate/plugin';
import file from './charges.json';

export interface ChargeVector {
  readonly id: string;
  readonly terms: PriceTerms;
  readonly usage: UsageParts;
  readonly expectedNano: bigint;
}

interface VectorRow {
  readonly id: string;
  readonly priceMicroUsdPerMillion: Readonly<Partial<Record<UsagePart, string>>>;
  readonly usage: UsageParts;
  readonly multipliersPpm: readonly number[];
  readonly perCallNanoUsd: string;
  readonly expectedChargeNanoUsd: string;
}

const rows: readonly VectorRow[] = file.vectors;

function ratesOf(row: VectorRow): Rates {
  return Object.fromEntries(
    Object.entries(row.priceMicroUsdPerMillion).map(([part, rate]) => [part, BigInt(rate)]),
  );
}

export const chargeVectors: readonly ChargeVector[] = rows.map((row) => ({
  id: row.id,
  terms: {
    priceVersionId: `prc_${row.id}`,
    currency: 'USD',
    rates: ratesOf(row),
    perCallNano: BigInt(row.perCallNanoUsd),
    multipliersPpm: row.multipliersPpm,
  },
  usage: row.usage,
  expectedNano: BigInt(row.expectedChargeNanoUsd),
}));
