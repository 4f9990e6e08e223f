// Fields that accounts, groups and API keys have in common: their schemas, how they are read and how they are
// shown. In a patch, a field that is left out stays as it is, and null takes a limit, budget or list away.

import { Type } from '@sinclair/typebox';
import type { Static, TNull, TSchema, TUnion } from '@sinclair/typebox';
import { bounds } from '../../../core/bounds.ts';
import { NANO_MAX } from '../../../core/money.ts';
import type { Nano } from '../../../core/money.ts';
import { accountBounds } from '../../../domain/accounts/account-bounds.ts';
import type { Budget, Limits } from '../../../domain/accounts/accounts.ts';
import type { BudgetsPatch } from '../../../domain/accounts/changes.ts';
import { readNano, strict } from '../schemas.ts';

export const orNull = <S extends TSchema>(schema: S): TUnion<[S, TNull]> =>
  Type.Union(
    [schema, Type.Null()],
    schema.description === undefined ? {} : { description: schema.description },
  );

export const nameField = Type.String({
  minLength: 1,
  maxLength: bounds.nameLength,
  pattern: '\\S',
  description: `A name for people, 1 to ${bounds.nameLength} characters.`,
});

/** For paths and look-ups: what does not exist and what cannot exist answer alike. */
export const idParameter = Type.String({ maxLength: 64, description: 'Identifier, as the list shows it.' });

export const groupField = Type.String({
  minLength: 1,
  maxLength: accountBounds.groupNameLength,
  description: 'Name of a group.',
  examples: ['friends'],
});

export const amountField = Type.String({
  pattern: '^(?:0|[1-9][0-9]{0,18})$',
  description:
    "Nano-units (10^-9) of the account's currency, zero or more, as a decimal string: `5000000000` is 5.",
  examples: ['5000000000'],
});

const limit = (what: string, maximum: number) =>
  orNull(
    Type.Integer({
      minimum: 0,
      maximum,
      description: `${what}, 0 to ${maximum}. Zero refuses everything; null is no limit.`,
    }),
  );

const limitProperties = {
  requestsPerMinute: limit('Requests in any 60 seconds', accountBounds.requestsPerMinuteMax),
  tokensPerMinute: limit('Tokens, input and output, in any 60 seconds', accountBounds.tokensPerMinuteMax),
  concurrency: limit('Requests at the same time', accountBounds.concurrencyMax),
};
export const limitsPatch = Type.Partial(
  strict(limitProperties, { title: 'LimitsPatch', description: 'Limits. Those that are left out stay as they are.' }),
);
export const limitsView = strict(limitProperties, { title: 'Limits', description: 'Limits; null is no limit.' });

const budget = (window: string) =>
  orNull(
    strict(
      { capNano: amountField },
      { description: `Most that may be charged in ${window}; null is no budget.` },
    ),
  );

const budgetProperties = { day: budget('a UTC day'), month: budget('a UTC month'), total: budget('total') };
export const budgetsPatch = Type.Partial(
  strict(budgetProperties, { title: 'BudgetsPatch', description: 'Budgets. Those that are left out stay as they are.' }),
);
export const budgetsView = strict(budgetProperties, { title: 'Budgets', description: 'Budgets; null is no budget.' });

export function limitsShown(limits: Limits): Static<typeof limitsView> {
  return {
    requestsPerMinute: limits.requestsPerMinute ?? null,
    tokensPerMinute: limits.tokensPerMinute ?? null,
    concurrency: limits.concurrency ?? null,
  };
}

export function budgetsShown(budgets: readonly Budget[]): Static<typeof budgetsView> {
  const shown = (window: Budget['window']) => {
    const found = budgets.find((one) => one.window === window);
    return found === undefined ? null : { capNano: found.capNano.toString() };
  };
  return { day: shown('day'), month: shown('month'), total: shown('total') };
}

export function readBudgets(budgets: Static<typeof budgetsPatch> | undefined): BudgetsPatch | undefined {
  if (budgets === undefined) return undefined;
  const cap = (window: Budget['window']): Nano | null | undefined => {
    const given = budgets[window];
    return given === undefined || given === null
      ? given
      : readAmount(`budgets.${window}.capNano`, given.capNano);
  };
  return { day: cap('day'), month: cap('month'), total: cap('total') };
}

export function readAmount(field: string, text: string): Nano;
export function readAmount(field: string, text: string | undefined): Nano | undefined;
export function readAmount(field: string, text: string | undefined): Nano | undefined {
  return text === undefined ? undefined : readNano(field, text, NANO_MAX);
}
