// What the store needs to know of a usage record: the columns to query by and the amounts to book. The record itself
// is kept as the text that the journal carried; `verify` compares both.

import type { Nano } from '../core/money.ts';
import type { Exact } from './exact-sum.ts';
import {
  fieldsOf, flagOf, integerOf, listOf, nanoOf, optionalNanoOf, optionalTextOf, parseFields, textOf, type Fields,
} from './json-fields.ts';

export interface UsageFacts {
  readonly requestId: string;
  readonly accountId: string;
  readonly apiKeyId: string;
  readonly admittedAt: number;
  readonly endedAt: number;
  readonly model: string;
  readonly upstream: string | undefined;
  readonly stream: boolean;
  readonly status: number;
  readonly outcome: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly currency: string;
  readonly heldNano: Exact;
  readonly chargeNano: Exact;
  readonly lossNano: Exact;
  readonly costs: readonly UpstreamCost[];
}

/** As `readUsageFacts` gives them. */
export interface ParsedFacts extends UsageFacts {
  readonly heldNano: Nano;
  readonly chargeNano: Nano;
  readonly lossNano: Nano;
  readonly costs: readonly (UpstreamCost & { readonly costNano: Nano })[];
}

/** What we owe an upstream for one attempt; attempts of unknown or no cost are left out. */
export interface UpstreamCost {
  readonly upstream: string;
  readonly currency: string;
  readonly costNano: Exact;
}

const inputParts = ['input', 'cacheRead', 'cacheWrite5m', 'cacheWrite1h', 'imageInput', 'audioInput'];
const outputParts = ['output', 'reasoning', 'imageOutput', 'audioOutput'];

export const isInputPart = (part: string): boolean => inputParts.includes(part);
export const isOutputPart = (part: string): boolean => outputParts.includes(part);

function sumOf(usage: Fields, parts: readonly string[]): number {
  let sum = 0;
  for (const part of parts) if (usage[part] !== undefined) sum += integerOf(usage, part);
  return Math.min(sum, Number.MAX_SAFE_INTEGER);
}

function costsOf(fields: Fields): ParsedFacts['costs'] {
  const costs: ParsedFacts['costs'][number][] = [];
  for (const item of listOf(fields, 'attempts')) {
    const attempt = fieldsOf(item, 'an attempt');
    const costNano = optionalNanoOf(attempt, 'costNano');
    const currency = optionalTextOf(attempt, 'costCurrency');
    if (costNano === undefined || currency === undefined || costNano <= 0n) continue;
    costs.push({ upstream: textOf(attempt, 'upstream'), currency, costNano });
  }
  return costs;
}

/** Any usage record. Throws StoredFieldError naming the field. `scanUsageFacts` is quicker with the common ones. */
export function readUsageFacts(detail: string): ParsedFacts {
  const fields = parseFields(detail);
  const usage = fieldsOf(fields['usage'], 'usage');
  return {
    requestId: textOf(fields, 'requestId'), accountId: textOf(fields, 'accountId'),
    apiKeyId: textOf(fields, 'apiKeyId'),
    admittedAt: integerOf(fields, 'admittedAt'), endedAt: integerOf(fields, 'endedAt'),
    model: textOf(fields, 'model'), upstream: optionalTextOf(fields, 'upstream'),
    stream: flagOf(fields, 'stream'), status: integerOf(fields, 'status'), outcome: textOf(fields, 'outcome'),
    inputTokens: sumOf(usage, inputParts), outputTokens: sumOf(usage, outputParts),
    currency: textOf(fieldsOf(fields['terms'], 'terms'), 'currency'), heldNano: nanoOf(fields, 'heldNano'),
    chargeNano: nanoOf(fields, 'chargeNano'), lossNano: nanoOf(fields, 'lossNano'), costs: costsOf(fields),
  };
}
