// Records as JSON text: what the journal carries and the store keeps. Amounts are decimal text, absent fields are left
// out. The writers run once or twice for each request: a plain object through JSON.stringify is as fast as text put
// together by hand, which the engine would have to flatten, and five times as fast as a replacer.

import { parseNano, type Nano } from '../../core/money.ts';
import type { ChargeLine } from '../../plugin/billing.ts';
import { operations, protocolNames, type Operation, type ProtocolName } from '../../plugin/operations.ts';
import type { Rates } from '../../plugin/prices.ts';
import { usageParts, type UsageParts } from '../../plugin/usage.ts';
import { isId, type Id, type IdPrefix } from '../../core/ids.ts';
import {
  fieldsOf, flagOf, integerOf, listOf, nanoOf, numberOf, optionalNanoOf, optionalNumberOf, optionalTextOf, parseFields,
  StoredFieldError, textOf, type Fields,
} from '../../store/json-fields.ts';
import type { EntryRow } from '../../store/schema/ledger.ts';
import { outcomes } from './charge-table.ts';
import type {
  Attempt, Hold, LedgerAddress, LedgerEntry, Movement, MovementKind, PinnedTerms, UsageRecord,
} from './records.ts';
import type { Closing } from './ledger.ts';

/** Decimal text; a number's is made faster than a bigint's, and is the same up to 2^53. */
function amountText(amount: bigint): string {
  const number = Number(amount);
  return Number.isSafeInteger(number) ? `${number}` : `${amount}`;
}

/** Terms are values: a hold and its closing carry the same, and so may all requests of a price version. */
const plainTerms = new WeakMap<PinnedTerms, object>();

function termsFields(terms: PinnedTerms): object {
  const known = plainTerms.get(terms);
  if (known !== undefined) return known;
  const rates: Record<string, string> = {};
  for (const part of usageParts) {
    const rate = terms.rates[part];
    if (rate !== undefined) rates[part] = amountText(rate);
  }
  const { priceVersionId, rule, currency, multipliers } = terms;
  const fields = { currency, priceVersionId, rule, rates, perCallNano: amountText(terms.perCallNano), multipliers };
  plainTerms.set(terms, fields);
  return fields;
}

function lineFields(line: ChargeLine): object {
  return line.kind === 'quantity'
    ? { kind: line.kind, part: line.part, quantity: line.quantity, rate: amountText(line.rate) }
    : { kind: line.kind, amountNano: amountText(line.amountNano) };
}

function attemptFields(attempt: Attempt): object {
  return {
    upstream: attempt.upstream, provider: attempt.provider, model: attempt.model, startedAt: attempt.startedAt,
    durationMs: attempt.durationMs, status: attempt.status, fault: attempt.fault,
    costNano: attempt.costNano === undefined ? undefined : amountText(attempt.costNano),
    costCurrency: attempt.costCurrency,
  };
}

/** `amountNano` with the extensions so far. */
export function holdJson(hold: Hold, amountNano: Nano = hold.amountNano): string {
  return JSON.stringify({
    requestId: hold.requestId, accountId: hold.accountId, apiKeyId: hold.apiKeyId, amountNano: amountText(amountNano),
    terms: termsFields(hold.terms), placedAt: hold.placedAt, expiresAt: hold.expiresAt,
    operation: hold.operation, model: hold.model, protocol: hold.protocol, stream: hold.stream, userId: hold.userId,
    group: hold.group, address: hold.address, country: hold.country,
  });
}

/** What the loader needs stands first, in the order in which `usage-scan.ts` reads it. */
export function usageRecordJson(closing: Closing, heldNano: Nano, lossNano: Nano): string {
  return JSON.stringify({
    requestId: closing.requestId, accountId: closing.accountId, apiKeyId: closing.apiKeyId,
    admittedAt: closing.admittedAt, endedAt: closing.endedAt, model: closing.model, stream: closing.stream,
    status: closing.status, outcome: closing.outcome, heldNano: amountText(heldNano),
    chargeNano: amountText(closing.chargeNano), lossNano: amountText(lossNano), upstream: closing.upstream,
    attempts: closing.attempts.map(attemptFields), usage: closing.usage, terms: termsFields(closing.terms),
    userId: closing.userId, group: closing.group, firstByteMs: closing.firstByteMs, operation: closing.operation,
    protocol: closing.protocol, usageSource: closing.usageSource, flags: closing.flags, usageText: closing.usageText,
    lines: closing.lines.map(lineFields), address: closing.address, country: closing.country,
  });
}

/** Bigints as decimal text; JSON.stringify leaves undefined fields out. Not on the request path. */
export function recordJson(record: unknown): string {
  return JSON.stringify(record, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));
}

// Readers. Each throws StoredFieldError naming the field.

function idOf<P extends IdPrefix>(fields: Fields, name: string, prefix: P): Id<P> {
  const text = textOf(fields, name);
  if (!isId(prefix, text)) throw new StoredFieldError(name, `an identifier ${prefix}_…`);
  return text;
}

function oneOf<T extends string>(fields: Fields, name: string, allowed: readonly T[]): T {
  const text = textOf(fields, name);
  const found = allowed.find((value) => value === text);
  if (found === undefined) throw new StoredFieldError(name, `one of ${allowed.join(', ')}`);
  return found;
}

function readRates(fields: Fields): Rates {
  const rates: Partial<Record<(typeof usageParts)[number], bigint>> = {};
  for (const part of usageParts) {
    const rate = optionalTextOf(fields, part);
    if (rate === undefined) continue;
    if (!/^\d{1,40}$/.test(rate)) throw new StoredFieldError(`rates.${part}`, 'a price as decimal text');
    rates[part] = BigInt(rate);
  }
  return rates;
}

function readUsage(fields: Fields): UsageParts {
  const usage: Partial<Record<(typeof usageParts)[number], number>> = {};
  for (const part of usageParts) if (fields[part] !== undefined) usage[part] = integerOf(fields, part);
  return usage;
}

function readTerms(fields: Fields): PinnedTerms {
  return {
    priceVersionId: idOf(fields, 'priceVersionId', 'prc'), rule: textOf(fields, 'rule'),
    currency: textOf(fields, 'currency'),
    rates: readRates(fieldsOf(fields['rates'], 'rates')), perCallNano: nanoOf(fields, 'perCallNano'),
    multipliers: listOf(fields, 'multipliers').map((item) => {
      const multiplier = fieldsOf(item, 'a multiplier');
      return { of: textOf(multiplier, 'of'), ppm: numberOf(multiplier, 'ppm') };
    }),
  };
}

function readLine(item: unknown): ChargeLine {
  const line = fieldsOf(item, 'a charge line');
  if (line['kind'] === 'per-call') return { kind: 'per-call', amountNano: nanoOf(line, 'amountNano') };
  const rate = textOf(line, 'rate');
  if (line['kind'] !== 'quantity' || !/^\d{1,40}$/.test(rate)) throw new StoredFieldError('lines', 'charge lines');
  return {
    kind: 'quantity', part: oneOf(line, 'part', usageParts), quantity: integerOf(line, 'quantity'), rate: BigInt(rate),
  };
}

function readAttempt(item: unknown): Attempt {
  const attempt = fieldsOf(item, 'an attempt');
  return {
    upstream: textOf(attempt, 'upstream'), provider: textOf(attempt, 'provider'), model: textOf(attempt, 'model'),
    startedAt: integerOf(attempt, 'startedAt'), durationMs: numberOf(attempt, 'durationMs'),
    status: optionalNumberOf(attempt, 'status'), fault: optionalTextOf(attempt, 'fault'),
    costNano: optionalNanoOf(attempt, 'costNano'), costCurrency: optionalTextOf(attempt, 'costCurrency'),
  };
}

/** What a hold of before holds said so is taken to have spoken. */
const usualProtocol: Readonly<Record<Operation, ProtocolName>> = {
  chat: 'openai-chat', completions: 'openai-completions', embeddings: 'openai-embeddings',
};

export function readHold(json: string): Hold {
  const fields = parseFields(json);
  const operation = oneOf(fields, 'operation', operations);
  return {
    requestId: idOf(fields, 'requestId', 'req'), accountId: idOf(fields, 'accountId', 'acc'),
    apiKeyId: idOf(fields, 'apiKeyId', 'key'), amountNano: nanoOf(fields, 'amountNano'),
    terms: readTerms(fieldsOf(fields['terms'], 'terms')), placedAt: integerOf(fields, 'placedAt'),
    expiresAt: integerOf(fields, 'expiresAt'), operation, model: textOf(fields, 'model'),
    protocol: fields['protocol'] === undefined ? usualProtocol[operation] : oneOf(fields, 'protocol', protocolNames),
    stream: fields['stream'] === undefined ? false : flagOf(fields, 'stream'),
    userId: fields['userId'] === undefined ? undefined : idOf(fields, 'userId', 'usr'),
    group: optionalTextOf(fields, 'group'), address: optionalTextOf(fields, 'address') ?? '',
    country: optionalTextOf(fields, 'country') ?? '',
  };
}

export function readUsageRecord(json: string): UsageRecord {
  const fields = parseFields(json);
  return {
    requestId: idOf(fields, 'requestId', 'req'), accountId: idOf(fields, 'accountId', 'acc'),
    apiKeyId: idOf(fields, 'apiKeyId', 'key'),
    userId: fields['userId'] === undefined ? undefined : idOf(fields, 'userId', 'usr'),
    group: optionalTextOf(fields, 'group'),
    admittedAt: integerOf(fields, 'admittedAt'), endedAt: integerOf(fields, 'endedAt'),
    firstByteMs: optionalNumberOf(fields, 'firstByteMs'), operation: oneOf(fields, 'operation', operations),
    protocol: oneOf(fields, 'protocol', protocolNames), model: textOf(fields, 'model'),
    stream: flagOf(fields, 'stream'),
    status: integerOf(fields, 'status'), outcome: oneOf(fields, 'outcome', outcomes),
    upstream: optionalTextOf(fields, 'upstream'),
    attempts: listOf(fields, 'attempts').map(readAttempt), usage: readUsage(fieldsOf(fields['usage'], 'usage')),
    usageSource: oneOf(fields, 'usageSource', ['upstream', 'estimated', 'none']),
    flags: listOf(fields, 'flags').map((flag) => textOf({ flag }, 'flag')),
    usageText: optionalTextOf(fields, 'usageText'),
    terms: readTerms(fieldsOf(fields['terms'], 'terms')), lines: listOf(fields, 'lines').map(readLine),
    heldNano: nanoOf(fields, 'heldNano'), chargeNano: nanoOf(fields, 'chargeNano'),
    lossNano: nanoOf(fields, 'lossNano'),
    address: textOf(fields, 'address'), country: textOf(fields, 'country'),
  };
}

export const movementKinds: readonly MovementKind[] = ['charges', 'upstream-costs', 'top-up', 'refund', 'adjustment'];

const ADDRESS = /^(?:account|house)\/[^\s/\p{C}][^\s\p{C}]{0,199}$/u;

export function isLedgerAddress(text: string): text is LedgerAddress {
  return ADDRESS.test(text);
}

/** A row of the store as a movement. */
export function readMovement(row: {
  readonly id: string; readonly kind: string; readonly at: bigint; readonly reason: string; readonly actor: string;
  readonly reference: string | null; readonly idempotency_key: string | null; readonly input_sha256: string | null;
}, entries: readonly LedgerEntry[]): Movement {
  return {
    id: idOf({ id: row.id }, 'id', 'mov'), kind: oneOf({ kind: row.kind }, 'kind', movementKinds), at: Number(row.at),
    entries, reason: row.reason, actor: row.actor, reference: row.reference ?? undefined,
    idempotencyKey: row.idempotency_key ?? undefined, inputSha256: row.input_sha256 ?? undefined,
  };
}

export function readEntry(row: Pick<EntryRow, 'address' | 'currency' | 'amount_nano'>): LedgerEntry {
  if (!isLedgerAddress(row.address)) throw new StoredFieldError('address', 'a ledger address');
  return { address: row.address, currency: row.currency, amountNano: row.amount_nano };
}

/** For sums that may exceed 64 bits and are stored as text. */
export function readSum(text: string): bigint {
  const amount = parseNano(text);
  if (amount !== undefined) return amount;
  if (!/^-?\d{1,60}$/.test(text)) throw new StoredFieldError('a sum', 'decimal text');
  return BigInt(text);
}
