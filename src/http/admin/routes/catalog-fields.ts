// Fields that upstreams, models and prices have in common: their schemas, how they are read and how they are shown.
// Rates are decimal strings: a number of JSON could be a fraction, and lose digits.

import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import type { ConfigLines } from '../../../config/config-lines.ts';
import type { DeclaredNoun } from '../../../core/declared-at.ts';
import { parseNano } from '../../../core/money.ts';
import type { Cost } from '../../../domain/catalog/admin-catalog.ts';
import { catalogBounds } from '../../../domain/catalog/catalog-bounds.ts';
import { ratesShown } from '../../../domain/catalog/price-rates.ts';
import { operations } from '../../../plugin/operations.ts';
import type { Operation } from '../../../plugin/operations.ts';
import { usageParts } from '../../../plugin/usage.ts';
import type { UsagePart } from '../../../plugin/usage.ts';
import { currencyCode, invalid, strict } from '../schemas.ts';
import { orNull } from './account-fields.ts';

export const sourceField = Type.Union([Type.Literal('config'), Type.Literal('admin')], {
  description: '`config`: declared in the config file, read-only here.',
});

export const declaredAtField = orNull(
  Type.String({
    description: 'Where the config declares it, file and line; null for one of an operator, or where nobody can tell.',
    examples: ['gateway.config.ts:42'],
  }),
);

/** Where the config says something; found when first asked for. */
export type FindLines = () => Promise<ConfigLines>;

export const declaredAtOf = (
  lines: ConfigLines,
  noun: DeclaredNoun,
  { name, source }: { readonly name: string; readonly source: 'config' | 'admin' },
): string | null => (source === 'config' ? (lines.placeOf(noun, name) ?? null) : null);

/** For paths: what does not exist and what cannot exist answer alike. */
export const upstreamNameParameter = Type.String({ maxLength: 64, description: 'Name of an upstream.' });
export const modelNameParameter = Type.String({
  maxLength: 256,
  description: 'Name of a model, URL-encoded: `sim/echo` is `sim%2Fecho`.',
});

export const operationField = Type.Unsafe<Operation>(
  Type.Union(operations.map((operation) => Type.Literal(operation))),
);

export const tokensField = (minimum: number, description: string) =>
  Type.Integer({ minimum, maximum: catalogBounds.tokensMax, description });

const rateText = Type.String({
  pattern: '^(?:0|[1-9][0-9]{0,15})$',
  description: 'Micro-units of currency per million, as a decimal string: `2500000` is 2.50 per million tokens.',
  examples: ['2500000'],
});
const ratesByPart = Object.fromEntries(usageParts.map((part) => [part, rateText])) as Record<
  UsagePart,
  typeof rateText
>;
export const ratesField = Type.Partial(
  strict(ratesByPart, {
    title: 'Rates',
    description: 'Rates by part of the usage. 0 is free; a part left out has no price.',
  }),
);

export const perCallField = Type.String({
  pattern: '^(?:0|[1-9][0-9]{0,15})$',
  description: 'Nano-units (10^-9) of currency for each request, as a decimal string.',
  examples: ['0'],
});

export const costInput = strict({
  currency: currencyCode,
  rates: ratesField,
  perCallNano: Type.Optional(perCallField),
});
export const costView = strict({ currency: Type.String(), rates: ratesField, perCallNano: perCallField });

/** Reads a price that passed its schema; what is too large for the domain is refused there, by name. */
export function readCost(cost: Static<typeof costInput>, prefix: string): Cost {
  const rates: Partial<Record<UsagePart, bigint>> = {};
  for (const part of usageParts) {
    const text = cost.rates[part];
    if (text !== undefined) rates[part] = readWhole(`${prefix}rates.${part}`, text);
  }
  return { currency: cost.currency, rates, perCallNano: readWhole(`${prefix}perCallNano`, cost.perCallNano ?? '0') };
}

function readWhole(field: string, text: string): bigint {
  const whole = parseNano(text);
  if (whole === undefined || whole < 0n)
    throw invalid(field, 'must be a whole number of at least 0, as a decimal string');
  return whole;
}

export const costShown = (cost: Cost): Static<typeof costView> => ({
  currency: cost.currency,
  rates: ratesShown(cost.rates),
  perCallNano: cost.perCallNano.toString(),
});
