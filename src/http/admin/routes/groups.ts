// Groups: what accounts and API keys share. Named, not numbered: their names are what everything else refers
// to.

import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { noLines, type ConfigLines } from '../../../config/config-lines.ts';
import { accountBounds } from '../../../domain/accounts/account-bounds.ts';
import type { Group } from '../../../domain/accounts/accounts.ts';
import type { GroupsService } from '../../../domain/accounts/groups-service.ts';
import { actorOf } from '../actor.ts';
import { decodeCursor, pageLimit, pageOf, pageQuery, pageSchema } from '../pages.ts';
import { notFound, strict } from '../schemas.ts';
import { declaredAtField, declaredAtOf, type FindLines } from './catalog-fields.ts';
import { groupField, limitsPatch, limitsShown, limitsView } from './account-fields.ts';

export interface GroupRouteServices {
  readonly groups: GroupsService;
  readonly lines: FindLines;
}

const multiplierField = Type.Integer({
  minimum: 0,
  maximum: accountBounds.multiplierPpmMax,
  description: `Factor on charges in parts per million, up to ${accountBounds.multiplierPpmMax}; 0 is free.`,
});

const groupView = strict(
  {
    id: Type.String(),
    name: Type.String(),
    multiplierPpm: multiplierField,
    limits: limitsView,
    source: Type.Union([Type.Literal('config'), Type.Literal('admin')], {
      description: '`config`: declared in the config file, read-only here.',
    }),
    declaredAt: declaredAtField,
  },
  { title: 'Group', description: 'A group of accounts or API keys.' },
);

const newGroup = strict({
  name: Type.String({
    minLength: 1,
    maxLength: accountBounds.groupNameLength,
    pattern: '^[a-z0-9][a-z0-9._-]*$',
    description: `1 to ${accountBounds.groupNameLength} of a-z, 0-9, dot, dash, underscore. Never changes.`,
  }),
  multiplierPpm: Type.Optional(multiplierField),
  limits: Type.Optional(limitsPatch),
});
const groupPatch = strict({
  multiplierPpm: Type.Optional(multiplierField),
  limits: Type.Optional(limitsPatch),
});
const params = strict({ name: groupField });
const tags = ['Groups'];

const shown = (group: Group, lines: ConfigLines): Static<typeof groupView> => ({
  id: group.id,
  name: group.name,
  multiplierPpm: group.multiplierPpm,
  limits: limitsShown(group.limits),
  source: group.source,
  declaredAt: declaredAtOf(lines, 'group', group),
});

export function groupsRoutes({ groups, lines }: GroupRouteServices) {
  const known = (name: string): Group => {
    const group = groups.get(name);
    if (group === undefined) throw notFound('group');
    return group;
  };
  return new Elysia({ name: 'admin-groups', normalize: false })
    .get(
      '/groups',
      async ({ query }) => {
        const found = await lines();
        const limit = pageLimit(query);
        const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
        const rows = groups.list({ limit: limit + 1, after });
        const render = (group: Group) => shown(group, found);
        return pageOf(rows, limit, (group) => group.name, render);
      },
      {
        query: strict(pageQuery),
        response: { 200: pageSchema(groupView) },
        detail: {
          tags,
          operationId: 'listGroups',
          summary: 'Groups, by name',
          description: 'Those of the config among the others.',
        },
      },
    )
    .post(
      '/groups',
      async ({ body, request, status }) =>
        status(201, shown(await groups.create(actorOf(request).name, body), noLines)),
      {
        body: newGroup,
        response: { 201: groupView },
        detail: {
          tags,
          operationId: 'createGroup',
          summary: 'Make a group',
          description: 'Refused with 409 if the name is taken.',
        },
      },
    )
    .get('/groups/:name', async ({ params: { name } }) => shown(known(name), await lines()), {
      params,
      response: { 200: groupView },
      detail: { tags, operationId: 'getGroup', summary: 'One group', description: 'By its name.' },
    })
    .patch(
      '/groups/:name',
      async ({ params: { name }, body, request }) =>
        shown(await groups.update(actorOf(request).name, name, body), noLines),
      {
        params,
        body: groupPatch,
        response: { 200: groupView },
        detail: {
          tags,
          operationId: 'updateGroup',
          summary: 'Change a group',
          description: 'In force for the next request. Refused with 409 for a group of the config.',
        },
      },
    )
    .delete(
      '/groups/:name',
      async ({ params: { name }, request }) => {
        const group = known(name);
        await groups.remove(actorOf(request).name, name);
        return shown(group, noLines);
      },
      {
        params,
        response: { 200: groupView },
        detail: {
          tags,
          operationId: 'deleteGroup',
          summary: 'Remove a group',
          description:
            'Answers the group as it was. Refused with 409 while it is in use, and for one of the config.',
        },
      },
    );
}
