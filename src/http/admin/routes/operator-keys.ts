// Operator keys beside the one that the process was started with: one for each person and each program, with no more
// than it needs. A key is shown once.

import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import type { OperatorKeysService } from '../../../domain/operators/operator-keys-service.ts';
import { operatorScopes, type OperatorKey, type OperatorScope } from '../../../domain/operators/operators.ts';
import { pageInMemory } from '../../terms/views.ts';
import { actorOf } from '../actor.ts';
import { pageQuery, pageSchema } from '../pages.ts';
import { notFound, pathId, readTime, strict, textOf, timeText } from '../schemas.ts';
import { idParameter, nameField, orNull } from './account-fields.ts';

export interface OperatorKeyRouteServices {
  readonly keys: OperatorKeysService;
}

const scopeField = Type.Unsafe<OperatorScope>(
  Type.Union(
    operatorScopes.map((scope) => Type.Literal(scope)),
    { description: '`admin`: everything. `read`: everything that changes nothing. `metrics`: only /metrics.' },
  ),
);
const timeShown = Type.String({ description: 'Time in UTC, ISO 8601.' });
const properties = {
  id: Type.String(),
  name: Type.String(),
  hint: Type.String({ description: 'Its last four characters.' }),
  scopes: Type.Array(scopeField),
  createdAt: timeShown,
  expiresAt: orNull(timeShown),
  revokedAt: orNull(timeShown),
};
const keyView = strict(properties, { title: 'OperatorKey', description: 'An operator key, without the key itself.' });
const issuedView = strict(
  { ...properties, key: orNull(Type.String({ description: 'The key. Shown here once; null in a repeated answer.' })) },
  { title: 'IssuedOperatorKey', description: 'A new operator key.' },
);
const newKey = strict({
  name: nameField,
  scopes: Type.Array(scopeField, { minItems: 1, maxItems: operatorScopes.length, uniqueItems: true }),
  expiresAt: Type.Optional(timeText),
});
const params = strict({ operatorKeyId: idParameter });
const tags = ['Operator keys'];

const shown = (key: OperatorKey): Static<typeof keyView> => ({
  id: key.id,
  name: key.name,
  hint: key.hint,
  scopes: [...key.scopes],
  createdAt: textOf(key.createdAt),
  expiresAt: key.expiresAt === undefined ? null : textOf(key.expiresAt),
  revokedAt: key.revokedAt === undefined ? null : textOf(key.revokedAt),
});

export function operatorKeysRoutes({ keys }: OperatorKeyRouteServices) {
  return new Elysia({ name: 'admin-operator-keys', normalize: false })
    .get('/operator-keys', ({ query }) => pageInMemory(keys.list(), query, shown), {
      query: strict(pageQuery),
      response: { 200: pageSchema(keyView) },
      detail: {
        tags,
        operationId: 'listOperatorKeys',
        summary: 'Operator keys, newest first',
        description: 'Deleted ones included. The key that the process was started with is not among them.',
      },
    })
    .post(
      '/operator-keys',
      async ({ body: { expiresAt, ...rest }, request, status }) => {
        const input = { ...rest, expiresAt: readTime('expiresAt', expiresAt) };
        const { operatorKey, key } = await keys.create(actorOf(request).name, input);
        return status(201, { ...shown(operatorKey), key });
      },
      {
        body: newKey,
        response: { 201: issuedView },
        detail: {
          tags,
          operationId: 'createOperatorKey',
          summary: 'Make an operator key',
          description: 'Its scopes and its end never change: make another one and delete this one.',
        },
      },
    )
    .get(
      '/operator-keys/:operatorKeyId',
      ({ params: { operatorKeyId } }) => {
        const key = keys.get(pathId('opk', operatorKeyId, 'operator key'));
        if (key === undefined) throw notFound('operator key');
        return shown(key);
      },
      {
        params,
        response: { 200: keyView },
        detail: { tags, operationId: 'getOperatorKey', summary: 'One operator key', description: 'By its identifier.' },
      },
    )
    .delete(
      '/operator-keys/:operatorKeyId',
      async ({ params: { operatorKeyId }, request }) =>
        shown(await keys.revoke(actorOf(request).name, pathId('opk', operatorKeyId, 'operator key'))),
      {
        params,
        response: { 200: keyView },
        detail: {
          tags,
          operationId: 'deleteOperatorKey',
          summary: 'Delete an operator key',
          description:
            'It works no more from the next request on; also one that deletes itself. The key that the process was ' +
            'started with always works, so nobody can lock everybody out.',
        },
      },
    );
}
