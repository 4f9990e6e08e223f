// Upstreams: configured endpoints of providers. A credential is taken and never shown; an upstream is disabled and
// never deleted, because records name it.

import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { noLines, type ConfigLines } from '../../../config/config-lines.ts';
import type { UpstreamInfo } from '../../../domain/catalog/admin-catalog.ts';
import { catalogBounds } from '../../../domain/catalog/catalog-bounds.ts';
import type { UpstreamsService } from '../../../domain/catalog/upstreams-service.ts';
import { pageInMemory } from '../../terms/views.ts';
import { actorOf } from '../actor.ts';
import { pageQuery, pageSchema } from '../pages.ts';
import { notFound, strict, textOf } from '../schemas.ts';
import { orNull } from './account-fields.ts';
import { sourceField, declaredAtField, declaredAtOf, type FindLines, upstreamNameParameter } from './catalog-fields.ts';

export interface UpstreamRouteServices {
  readonly upstreams: UpstreamsService;
  readonly lines: FindLines;
}

const providerField = Type.String({ minLength: 1, maxLength: 64, description: 'Name of a provider of the config.' });
const addressesField = Type.Union([Type.Literal('public'), Type.Literal('any')], {
  description:
    '`public`: only addresses of the public internet, after resolution. `any`: also loopback and private networks.',
});
const weightField = Type.Integer({
  minimum: 0,
  maximum: catalogBounds.weightMax,
  description: 'Relative share among its equals.',
});
const priorityField = Type.Integer({
  minimum: 0,
  maximum: catalogBounds.priorityMax,
  description: 'Smaller is preferred.',
});
const leavingField = Type.Union([Type.Literal('cancel'), Type.Literal('drain')], {
  description: "On a client's leaving: `cancel` at once, or `drain` where the provider bills anyway.",
});
const baseUrlField = orNull(
  Type.String({
    minLength: 1,
    maxLength: 2_048,
    description: "http or https, no query, no user name. Null: the provider's own.",
    examples: ['https://api.example.com/v1'],
  }),
);
const credentialField = orNull(
  Type.String({
    minLength: catalogBounds.credentialLengthMin,
    maxLength: catalogBounds.credentialLengthMax,
    pattern: '^[\\x21-\\x7e]+$',
    description:
      'The secret. Stored encrypted, never shown again. To be entered again when the provider, base URL or `addresses` change.',
  }),
);
const enabledField = Type.Boolean({ description: 'False: no request goes there any more.' });

const upstreamView = strict(
  {
    name: Type.String(),
    source: sourceField,
    declaredAt: declaredAtField,
    provider: Type.String(),
    baseUrl: orNull(Type.String()),
    addresses: addressesField,
    hasCredential: Type.Boolean(),
    credentialHint: orNull(Type.String({ description: 'Its last four characters, where it is long enough.' })),
    weight: weightField,
    priority: priorityField,
    onClientLeaving: leavingField,
    enabled: enabledField,
    problem: orNull(Type.String({ description: 'Why it serves nothing although it is enabled.' })),
    createdAt: orNull(Type.String({ description: 'Time in UTC, ISO 8601; null for one of the config.' })),
  },
  { title: 'Upstream', description: 'One configured endpoint and credential of a provider.' },
);

const optionalFields = {
  baseUrl: Type.Optional(baseUrlField),
  addresses: Type.Optional(addressesField),
  credential: Type.Optional(credentialField),
  weight: Type.Optional(weightField),
  priority: Type.Optional(priorityField),
  onClientLeaving: Type.Optional(leavingField),
  enabled: Type.Optional(enabledField),
};
const newUpstream = strict({
  name: Type.String({
    pattern: '^[a-z0-9][a-z0-9-]{0,63}$',
    description: 'Its identity in records: 1 to 64 of a-z, 0-9, dash. Never changes, and is never used again.',
  }),
  provider: providerField,
  ...optionalFields,
});
const upstreamPatch = strict({ provider: Type.Optional(providerField), ...optionalFields });
const params = strict({ name: upstreamNameParameter });
const tags = ['Upstreams'];

const shown = (upstream: UpstreamInfo, lines: ConfigLines): Static<typeof upstreamView> => ({
  name: upstream.name,
  source: upstream.source,
  declaredAt: declaredAtOf(lines, 'upstream', upstream),
  provider: upstream.provider,
  baseUrl: upstream.baseUrl ?? null,
  addresses: upstream.addresses,
  hasCredential: upstream.hasCredential,
  credentialHint: upstream.credentialHint ?? null,
  weight: upstream.weight,
  priority: upstream.priority,
  onClientLeaving: upstream.onClientLeaving,
  enabled: upstream.enabled,
  problem: upstream.problem ?? null,
  createdAt: upstream.createdAt === undefined ? null : textOf(upstream.createdAt),
});

export function upstreamsRoutes({ upstreams, lines }: UpstreamRouteServices) {
  return new Elysia({ name: 'admin-upstreams', normalize: false })
    .get(
      '/upstreams',
      async ({ query }) => {
        const found = await lines();
        return pageInMemory(upstreams.list(), query, (upstream) => shown(upstream, found));
      },
      {
        query: strict(pageQuery),
        response: { 200: pageSchema(upstreamView) },
        detail: {
          tags,
          operationId: 'listUpstreams',
          summary: 'Upstreams, by name',
          description: 'Those of the config among the others. No answer ever holds a credential.',
        },
      },
    )
    .post(
      '/upstreams',
      async ({ body, request, status }) =>
        status(201, shown(await upstreams.create(actorOf(request).name, body), noLines)),
      {
        body: newUpstream,
        response: { 201: upstreamView },
        detail: {
          tags,
          operationId: 'createUpstream',
          summary: 'Make an upstream',
          description:
            'Serves nothing until a model has an offer on it. Refused with 409 if the name is, or was, taken.',
        },
      },
    )
    .get(
      '/upstreams/:name',
      async ({ params: { name } }) => {
        const upstream = upstreams.get(name);
        if (upstream === undefined) throw notFound('upstream');
        return shown(upstream, await lines());
      },
      {
        params,
        response: { 200: upstreamView },
        detail: { tags, operationId: 'getUpstream', summary: 'One upstream', description: 'By its name.' },
      },
    )
    .patch(
      '/upstreams/:name',
      async ({ params: { name }, body, request }) =>
        shown(await upstreams.update(actorOf(request).name, name, body), noLines),
      {
        params,
        body: upstreamPatch,
        response: { 200: upstreamView },
        detail: {
          tags,
          operationId: 'updateUpstream',
          summary: 'Change an upstream',
          description:
            'In force for the next request; those under way go on. Refused with 409 for one of the config, and with ' +
            '400 if the provider or base URL changes, or `addresses` is widened, and the credential is not entered again.',
        },
      },
    );
}
