// Accounts: those who pay. Their money is elsewhere, in the ledger; here are their names, limits, budgets and
// standing.

import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import type { Account } from '../../../domain/accounts/accounts.ts';
import type { AccountsService } from '../../../domain/accounts/accounts-service.ts';
import { actorOf } from '../actor.ts';
import { pageOf, pageQuery, pageSchema, readPage } from '../pages.ts';
import { currencyCode, notFound, pathId, strict, textOf } from '../schemas.ts';
import {
  amountField,
  budgetsPatch,
  budgetsShown,
  budgetsView,
  groupField,
  idParameter,
  limitsPatch,
  limitsShown,
  limitsView,
  nameField,
  orNull,
  readAmount,
  readBudgets,
} from './account-fields.ts';

export interface AccountRouteServices {
  readonly accounts: AccountsService;
}

const kindField = Type.Union([Type.Literal('person'), Type.Literal('company')], {
  description: 'Who the account is: `person` or `company`.',
});
const statusField = Type.Union([Type.Literal('active'), Type.Literal('suspended'), Type.Literal('closed')], {
  description:
    '`suspended` stops its API keys. `closed` is for good, follows `suspended`, needs a balance of zero.',
});
const overdraftField = Type.String({
  ...amountField,
  description:
    'How far below zero the balance may go, in nano-units (10^-9) of the currency, as a decimal string.',
});

const accountView = strict(
  {
    id: Type.String(),
    kind: kindField,
    name: Type.String(),
    currency: Type.String(),
    overdraftNano: overdraftField,
    status: statusField,
    group: orNull(
      Type.String({
        description: 'Group whose multiplier and limits apply to keys that name none of their own.',
      }),
    ),
    limits: limitsView,
    budgets: budgetsView,
    createdAt: Type.String({ description: 'Time in UTC, ISO 8601.' }),
  },
  { title: 'Account', description: 'An account: the party that pays.' },
);

const newAccount = strict({
  kind: kindField,
  name: nameField,
  currency: Type.Optional(currencyCode),
  overdraftNano: Type.Optional(overdraftField),
  group: Type.Optional(orNull(groupField)),
  limits: Type.Optional(limitsPatch),
  budgets: Type.Optional(budgetsPatch),
});

const accountPatch = strict({
  name: Type.Optional(nameField),
  status: Type.Optional(statusField),
  overdraftNano: Type.Optional(overdraftField),
  group: Type.Optional(orNull(groupField)),
  limits: Type.Optional(limitsPatch),
  budgets: Type.Optional(budgetsPatch),
});

const listQuery = strict({
  ...pageQuery,
  status: Type.Optional(statusField),
  group: Type.Optional(groupField),
});
const params = strict({ id: idParameter });
const tags = ['Accounts'];

const shown = (account: Account): Static<typeof accountView> => ({
  id: account.id,
  kind: account.kind,
  name: account.name,
  currency: account.currency,
  overdraftNano: account.overdraftNano.toString(),
  status: account.status,
  group: account.group ?? null,
  limits: limitsShown(account.limits),
  budgets: budgetsShown(account.budgets),
  createdAt: textOf(account.createdAt),
});

export function accountsRoutes({ accounts }: AccountRouteServices) {
  return new Elysia({ name: 'admin-accounts', normalize: false })
    .get(
      '/accounts',
      async ({ query }) => {
        const { limit, before } = readPage('acc', query);
        const rows = await accounts.list({
          limit: limit + 1,
          before,
          status: query.status,
          group: query.group,
        });
        return pageOf(rows, limit, (account) => account.id, shown);
      },
      {
        query: listQuery,
        response: { 200: pageSchema(accountView) },
        detail: {
          tags,
          operationId: 'listAccounts',
          summary: 'Accounts, newest first',
          description: 'All filters hold together.',
        },
      },
    )
    .post(
      '/accounts',
      async ({ body, request, status }) => {
        const { overdraftNano, budgets, ...rest } = body;
        const account = await accounts.create(actorOf(request).name, {
          ...rest,
          overdraftNano: readAmount('overdraftNano', overdraftNano),
          budgets: readBudgets(budgets),
        });
        return status(201, shown(account));
      },
      {
        body: newAccount,
        response: { 201: accountView },
        detail: {
          tags,
          operationId: 'createAccount',
          summary: 'Open an account',
          description:
            'Opens its balance too, at zero. `currency` is the config\'s if left out, and never changes.',
        },
      },
    )
    .get(
      '/accounts/:id',
      ({ params: { id } }) => {
        const account = accounts.get(pathId('acc', id, 'account'));
        if (account === undefined) throw notFound('account');
        return shown(account);
      },
      {
        params,
        response: { 200: accountView },
        detail: {
          tags,
          operationId: 'getAccount',
          summary: 'One account',
          description: 'Without its balance, which the ledger has.',
        },
      },
    )
    .patch(
      '/accounts/:id',
      async ({ params: { id }, body, request }) => {
        const { overdraftNano, budgets, ...rest } = body;
        return shown(
          await accounts.update(actorOf(request).name, pathId('acc', id, 'account'), {
            ...rest,
            overdraftNano: readAmount('overdraftNano', overdraftNano),
            budgets: readBudgets(budgets),
          }),
        );
      },
      {
        params,
        body: accountPatch,
        response: { 200: accountView },
        detail: {
          tags,
          operationId: 'updateAccount',
          summary: 'Change an account',
          description:
            'Changes what is sent and nothing else, from the next request on; those under way go on.',
        },
      },
    );
}
