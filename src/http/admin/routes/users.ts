// Users and their memberships. An account that has an owner keeps one, whoever asks.

import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { accountBounds } from '../../../domain/accounts/account-bounds.ts';
import type { User } from '../../../domain/accounts/accounts.ts';
import type { UsersService } from '../../../domain/accounts/users-service.ts';
import { actorOf } from '../actor.ts';
import { pageOf, pageQuery, pageSchema, readPage } from '../pages.ts';
import { idText, notFound, pathId, strict, textOf } from '../schemas.ts';
import { idParameter, nameField, orNull } from './account-fields.ts';

export interface UserRouteServices {
  readonly users: UsersService;
}

const roleField = Type.Union([Type.Literal('owner'), Type.Literal('admin'), Type.Literal('member')], {
  description: '`owner`, `admin` or `member`.',
});
const emailField = Type.String({
  minLength: 3,
  maxLength: accountBounds.emailLength,
  pattern: '^[^\\s@]+@[^\\s@]+$',
  description: `E-mail address of at most ${accountBounds.emailLength} characters; no two users share one.`,
});

const userView = strict(
  {
    id: Type.String(),
    name: Type.String(),
    email: orNull(Type.String()),
    createdAt: Type.String({ description: 'Time in UTC, ISO 8601.' }),
    memberships: Type.Array(strict({ accountId: Type.String(), role: roleField })),
  },
  { title: 'User', description: 'A person who signs in, and the accounts that the person is a member of.' },
);

const newUser = strict({ name: nameField, email: Type.Optional(orNull(emailField)) });
const userPatch = strict({ name: Type.Optional(nameField), email: Type.Optional(orNull(emailField)) });
const listQuery = strict({ ...pageQuery, accountId: Type.Optional(idText('acc')) });
const params = strict({ userId: idParameter });
const membershipParams = strict({ userId: idParameter, accountId: idParameter });
const tags = ['Users'];

const shown = (user: User): Static<typeof userView> => ({
  id: user.id,
  name: user.name,
  email: user.email ?? null,
  createdAt: textOf(user.createdAt),
  memberships: user.memberships.map(({ accountId, role }) => ({ accountId, role })),
});

export function usersRoutes({ users }: UserRouteServices) {
  return new Elysia({ name: 'admin-users', normalize: false })
    .get(
      '/users',
      async ({ query }) => {
        const { limit, before } = readPage('usr', query);
        const accountId =
          query.accountId === undefined ? undefined : pathId('acc', query.accountId, 'account');
        return pageOf(
          await users.list({ limit: limit + 1, before, accountId }),
          limit,
          (user) => user.id,
          shown,
        );
      },
      {
        query: listQuery,
        response: { 200: pageSchema(userView) },
        detail: {
          tags,
          operationId: 'listUsers',
          summary: 'Users, newest first',
          description: 'With `accountId`: its members.',
        },
      },
    )
    .post(
      '/users',
      async ({ body, request, status }) =>
        status(201, shown(await users.create(actorOf(request).name, body))),
      {
        body: newUser,
        response: { 201: userView },
        detail: {
          tags,
          operationId: 'createUser',
          summary: 'Add a user',
          description: 'A member of no account at first.',
        },
      },
    )
    .get(
      '/users/:userId',
      async ({ params: { userId } }) => {
        const user = await users.get(pathId('usr', userId, 'user'));
        if (user === undefined) throw notFound('user');
        return shown(user);
      },
      {
        params,
        response: { 200: userView },
        detail: { tags, operationId: 'getUser', summary: 'One user', description: 'With all memberships.' },
      },
    )
    .patch(
      '/users/:userId',
      async ({ params: { userId }, body, request }) =>
        shown(await users.update(actorOf(request).name, pathId('usr', userId, 'user'), body)),
      {
        params,
        body: userPatch,
        response: { 200: userView },
        detail: {
          tags,
          operationId: 'updateUser',
          summary: 'Change a user',
          description: 'Null takes the e-mail address away.',
        },
      },
    )
    .put(
      '/users/:userId/memberships/:accountId',
      async ({ params: { userId, accountId }, body, request }) =>
        shown(
          await users.setRole(
            actorOf(request).name,
            pathId('usr', userId, 'user'),
            pathId('acc', accountId, 'account'),
            body.role,
          ),
        ),
      {
        params: membershipParams,
        body: strict({ role: roleField }),
        response: { 200: userView },
        detail: {
          tags,
          operationId: 'setMembership',
          summary: 'Make a user a member of an account, or change the role',
          description: 'Refused with 409 if it would leave the account without an owner.',
        },
      },
    )
    .delete(
      '/users/:userId/memberships/:accountId',
      async ({ params: { userId, accountId }, request }) =>
        shown(
          await users.removeMember(
            actorOf(request).name,
            pathId('usr', userId, 'user'),
            pathId('acc', accountId, 'account'),
          ),
        ),
      {
        params: membershipParams,
        response: { 200: userView },
        detail: {
          tags,
          operationId: 'removeMembership',
          summary: 'Take a user out of an account',
          description:
            'Refused with 409 for the last owner. API keys belong to the account and stay.',
        },
      },
    );
}
