// Schemas that several admin resources share. Strict: TypeBox's own types, no coercion, no unknown fields.
// Amounts are decimal strings of nano-units, times are ISO 8601 in UTC; both are checked again when they are
// read.

import { Type } from '@sinclair/typebox';
import type { TObject, TProperties, TString } from '@sinclair/typebox';
import { bounds } from '../../core/bounds.ts';
import type { EpochMs } from '../../core/clock.ts';
import { TollgateError } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import type { Id, IdPrefix } from '../../core/ids.ts';
import { parseNano } from '../../core/money.ts';
import type { Nano } from '../../core/money.ts';

/**
 * An object that refuses, and never answers with, fields that it does not name. One with a `title` of one word
 * becomes a component of the generated document.
 */
export const strict = <P extends TProperties>(
  properties: P,
  options: { readonly title?: string; readonly description?: string } = {},
): TObject<P> => Type.Object(properties, { additionalProperties: false, ...options });

export const nanoText = Type.String({
  pattern: '^(?:0|-?[1-9][0-9]{0,18})$',
  description: 'Amount in nano-units (10^-9) of the currency, as a decimal string.',
  examples: ['7500000'],
});

export const positiveNanoText = Type.String({
  pattern: '^[1-9][0-9]{0,18}$',
  description:
    'Amount in nano-units (10^-9) of the currency, above zero, as a decimal string: `5000000000` is 5 units.',
  examples: ['5000000000'],
});

export const currencyCode = Type.String({
  pattern: '^[A-Z]{3}$',
  description: 'ISO 4217 code in capitals.',
  examples: ['USD'],
});

export const reasonText = Type.String({
  minLength: 1,
  maxLength: bounds.textLength,
  pattern: '\\S',
  description: 'Why, in words that will be understood in a year.',
});

export const timeText = Type.String({
  maxLength: 30,
  pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(?:\\.\\d{1,3})?Z$',
  description: 'A time in UTC, ISO 8601: `2026-01-31T12:00:00Z`.',
  examples: ['2026-01-31T12:00:00Z'],
});

export const idText = (prefix: IdPrefix): TString =>
  Type.String({
    maxLength: 64,
    pattern: `^${prefix}_[0-9a-z-]{1,60}$`,
    description: `Identifier that begins with \`${prefix}_\`.`,
  });

export const textOf = (at: EpochMs): string => new Date(at).toISOString();

/** Reads an identifier out of a path or query. Throws `not_found` for one that cannot exist. */
export function pathId<P extends IdPrefix>(prefix: P, text: string, noun: string): Id<P> {
  if (isId(prefix, text)) return text;
  throw notFound(noun);
}

export const notFound = (noun: string): TollgateError =>
  new TollgateError('not_found', { message: `There is no such ${noun}; check its identifier.` });

export const invalid = (field: string, rule: string): TollgateError =>
  new TollgateError('invalid_request', { message: `${field}: ${rule}.`, field });

/** Reads an amount that passed its schema; text beyond 64 bits still fits a pattern of digits. */
export function readNano(field: string, text: string, absoluteMax: Nano): Nano {
  const amount = parseNano(text);
  if (amount === undefined || amount > absoluteMax || amount < -absoluteMax) {
    throw invalid(field, `must be at most ${absoluteMax} nano-units either way; split a larger movement`);
  }
  return amount;
}

/** Reads a time that passed its schema; the 31st of February fits a pattern too. */
export function readTime(field: string, text: string | undefined): EpochMs | undefined {
  if (text === undefined) return undefined;
  const at = Date.parse(text);
  if (Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== text.slice(0, 10))
    throw invalid(field, 'is not a date of the calendar');
  return at;
}
