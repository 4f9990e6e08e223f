// API keys: what opens /v1. The key itself is in the answer to its making and nowhere else; hashes never
// leave.

import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { bounds } from '../../../core/bounds.ts';
import type { EpochMs } from '../../../core/clock.ts';
import { accountBounds } from '../../../domain/accounts/account-bounds.ts';
import type { ApiKey } from '../../../domain/accounts/accounts.ts';
import type { ApiKeysService } from '../../../domain/accounts/api-keys-service.ts';
import type { IssuedApiKey } from '../../../domain/accounts/changes.ts';
import { actorOf } from '../actor.ts';
import { pageOf, pageQuery, pageSchema, readPage } from '../pages.ts';
import { idText, notFound, pathId, readTime, strict, textOf, timeText } from '../schemas.ts';
import {
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
  readBudgets,
} from './account-fields.ts';

export interface ApiKeyRouteServices {
  readonly apiKeys: ApiKeysService;
}

const timeShown = Type.String({ description: 'Time in UTC, ISO 8601.' });
const modelsField = orNull(
  Type.Array(Type.String({ minLength: 1, maxLength: bounds.modelNameLength }), {
    minItems: 1,
    maxItems: accountBounds.keyModelsMax,
    description: `Public names of its models, at most ${accountBounds.keyModelsMax}; null: all of its account's.`,
  }),
);
const addressesField = orNull(
  Type.Array(Type.String({ minLength: 2, maxLength: 64 }), {
    minItems: 1,
    maxItems: accountBounds.keyAddressesMax,
    description: `Addresses or CIDR ranges, at most ${accountBounds.keyAddressesMax}; null: from everywhere.`,
    examples: [['203.0.113.0/24', '2001:db8::/32']],
  }),
);
const expiresField = orNull(
  Type.String({ ...timeText, description: 'Time in UTC, ISO 8601, from which it is refused; null: never.' }),
);

const keyProperties = {
  id: Type.String(),
  accountId: Type.String(),
  userId: orNull(Type.String()),
  name: Type.String(),
  hint: Type.String({ description: 'Prefix and last four characters, to tell keys apart.' }),
  group: orNull(Type.String()),
  models: modelsField,
  addresses: addressesField,
  limits: limitsView,
  budgets: budgetsView,
  createdAt: timeShown,
  expiresAt: orNull(timeShown),
  revokedAt: orNull(timeShown),
  rotatedFrom: orNull(Type.String({ description: 'The key that this one replaces.' })),
};
const keyView = strict(keyProperties, { title: 'ApiKey', description: 'An API key, without the key itself.' });
const issuedView = strict(
  {
    ...keyProperties,
    key: orNull(
      Type.String({
        description: 'The key itself, shown this once. Null when an idempotency key repeats the request.',
      }),
    ),
  },
  { title: 'MadeApiKey', description: 'An API key as it is made.' },
);

const settings = {
  group: Type.Optional(orNull(groupField)),
  models: Type.Optional(modelsField),
  addresses: Type.Optional(addressesField),
  limits: Type.Optional(limitsPatch),
  budgets: Type.Optional(budgetsPatch),
  expiresAt: Type.Optional(expiresField),
};
const newKey = strict({
  accountId: idText('acc'),
  name: nameField,
  userId: Type.Optional(orNull(idText('usr'))),
  ...settings,
});
const keyPatch = strict({ name: Type.Optional(nameField), ...settings });
const rotation = strict({
  overlapSeconds: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: accountBounds.overlapSecondsMax,
      description:
        `Seconds that the old key works on, 0 to ${accountBounds.overlapSecondsMax}; ` +
        `${accountBounds.overlapSecondsDefault} if left out. Zero ends it at once.`,
    }),
  ),
});
const listQuery = strict({
  ...pageQuery,
  accountId: Type.Optional(idText('acc')),
  userId: Type.Optional(idText('usr')),
});
const params = strict({ apiKeyId: idParameter });
const tags = ['API keys'];

const shown = (key: ApiKey): Static<typeof keyView> => ({
  id: key.id,
  accountId: key.accountId,
  userId: key.userId ?? null,
  name: key.name,
  hint: key.hint,
  group: key.group ?? null,
  models: key.models === undefined ? null : [...key.models],
  addresses: key.addresses === undefined ? null : [...key.addresses],
  limits: limitsShown(key.limits),
  budgets: budgetsShown(key.budgets),
  createdAt: textOf(key.createdAt),
  expiresAt: key.expiresAt === undefined ? null : textOf(key.expiresAt),
  revokedAt: key.revokedAt === undefined ? null : textOf(key.revokedAt),
  rotatedFrom: key.rotatedFrom ?? null,
});
const issued = ({ apiKey, key }: IssuedApiKey): Static<typeof issuedView> => ({ ...shown(apiKey), key });

const readExpiry = (text: string | null | undefined): EpochMs | null | undefined =>
  text === null ? null : readTime('expiresAt', text);

export function apiKeysRoutes({ apiKeys }: ApiKeyRouteServices) {
  return new Elysia({ name: 'admin-api-keys', normalize: false })
    .get(
      '/api-keys',
      async ({ query }) => {
        const { limit, before } = readPage('key', query);
        const accountId =
          query.accountId === undefined ? undefined : pathId('acc', query.accountId, 'account');
        const userId = query.userId === undefined ? undefined : pathId('usr', query.userId, 'user');
        return pageOf(
          await apiKeys.list({ limit: limit + 1, before, accountId, userId }),
          limit,
          (key) => key.id,
          shown,
        );
      },
      {
        query: listQuery,
        response: { 200: pageSchema(keyView) },
        detail: {
          tags,
          operationId: 'listApiKeys',
          summary: 'API keys, newest first',
          description: 'Deleted ones too.',
        },
      },
    )
    .post(
      '/api-keys',
      async ({ body, request, status }) => {
        const { accountId, userId, budgets, expiresAt, ...rest } = body;
        return status(
          201,
          issued(
            await apiKeys.create(actorOf(request).name, {
              ...rest,
              accountId: pathId('acc', accountId, 'account'),
              userId: userId === undefined || userId === null ? undefined : pathId('usr', userId, 'user'),
              budgets: readBudgets(budgets),
              expiresAt: readExpiry(expiresAt),
            }),
          ),
        );
      },
      {
        body: newKey,
        response: { 201: issuedView },
        detail: {
          tags,
          operationId: 'createApiKey',
          summary: 'Make an API key',
          description: 'The key is shown in this answer and never again: only its hash is stored.',
        },
      },
    )
    .get(
      '/api-keys/:apiKeyId',
      async ({ params: { apiKeyId } }) => {
        const key = await apiKeys.get(pathId('key', apiKeyId, 'API key'));
        if (key === undefined) throw notFound('API key');
        return shown(key);
      },
      {
        params,
        response: { 200: keyView },
        detail: {
          tags,
          operationId: 'getApiKey',
          summary: 'One API key',
          description: 'Without the key itself.',
        },
      },
    )
    .patch(
      '/api-keys/:apiKeyId',
      async ({ params: { apiKeyId }, body, request }) => {
        const { budgets, expiresAt, ...rest } = body;
        return shown(
          await apiKeys.update(actorOf(request).name, pathId('key', apiKeyId, 'API key'), {
            ...rest,
            budgets: readBudgets(budgets),
            expiresAt: readExpiry(expiresAt),
          }),
        );
      },
      {
        params,
        body: keyPatch,
        response: { 200: keyView },
        detail: {
          tags,
          operationId: 'updateApiKey',
          summary: 'Change an API key',
          description: 'Changes the fields that are sent and no others. A key stays with its account.',
        },
      },
    )
    .post(
      '/api-keys/:apiKeyId/rotate',
      async ({ params: { apiKeyId }, body, request, status }) =>
        status(
          201,
          issued(
            await apiKeys.rotate(
              actorOf(request).name,
              pathId('key', apiKeyId, 'API key'),
              body?.overlapSeconds,
            ),
          ),
        ),
      {
        params,
        body: Type.Optional(rotation),
        response: { 201: issuedView },
        detail: {
          tags,
          operationId: 'rotateApiKey',
          summary: 'Replace an API key',
          description:
            'Makes a new key with the same settings. The old one works on for the overlap and no longer.',
        },
      },
    )
    .delete(
      '/api-keys/:apiKeyId',
      async ({ params: { apiKeyId }, request }) =>
        shown(await apiKeys.revoke(actorOf(request).name, pathId('key', apiKeyId, 'API key'))),
      {
        params,
        response: { 200: keyView },
        detail: {
          tags,
          operationId: 'deleteApiKey',
          summary: 'Delete an API key',
          description:
            'Refused from this answer on. Requests under way are finished and charged. Can be repeated.',
        },
      },
    );
}
