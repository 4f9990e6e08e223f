// Models: public names, what they promise, and the upstreams that offer them. Their prices are apart, in prices.ts.

import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { noLines, type ConfigLines } from '../../../config/config-lines.ts';
import { bounds } from '../../../core/bounds.ts';
import type { ModelInfo, OfferInput } from '../../../domain/catalog/admin-catalog.ts';
import { catalogBounds } from '../../../domain/catalog/catalog-bounds.ts';
import type { ModelsService } from '../../../domain/catalog/models-service.ts';
import { pageInMemory } from '../../terms/views.ts';
import { actorOf } from '../actor.ts';
import { pageQuery, pageSchema } from '../pages.ts';
import { notFound, strict, textOf } from '../schemas.ts';
import { groupField, orNull } from './account-fields.ts';
import {
  costInput,
  costShown,
  costView,
  modelNameParameter,
  operationField,
  readCost,
  sourceField,
  declaredAtField,
  declaredAtOf,
  type FindLines,
  tokensField,
} from './catalog-fields.ts';

export interface ModelRouteServices {
  readonly models: ModelsService;
  readonly lines: FindLines;
}

const contextField = tokensField(1, 'Tokens of input and output together; bounds what an input can hold.');
const outputField = tokensField(0, 'Most tokens of output in one choice; held when the request names no limit.');
const multiplierField = Type.Integer({
  minimum: 0,
  maximum: catalogBounds.multiplierPpmMax,
  description: 'Factor on all charges of the model, in parts per million; 0 is free.',
});
const operationsField = Type.Array(operationField, {
  minItems: 1,
  maxItems: 20,
  description: 'What clients may ask of it.',
});
const groupsField = orNull(
  Type.Array(groupField, {
    minItems: 1,
    maxItems: catalogBounds.groupsMax,
    description: 'Groups that may use it; null: all.',
  }),
);
const enabledField = Type.Boolean({ description: 'False: unknown to clients, whatever its prices.' });
const ruleField = Type.String({ minLength: 1, maxLength: 64, description: 'Name of a billing rule of the config.' });
const strategyField = Type.String({
  minLength: 1,
  maxLength: 64,
  description: 'Name of a routing strategy of the config.',
});
const upstreamModelField = orNull(
  Type.String({
    minLength: 1,
    maxLength: bounds.modelNameLength,
    description: "The upstream's own name for the model; null: the public name.",
  }),
);
const offeredBy = Type.String({ minLength: 1, maxLength: 64, description: 'Name of an upstream.' });

const offerInput = strict({
  upstream: offeredBy,
  model: Type.Optional(upstreamModelField),
  cost: Type.Optional(
    Type.Union([costInput, Type.Null()], {
      description: "What the upstream charges us; null: the provider's list price.",
    }),
  ),
});
const offersField = Type.Array(offerInput, {
  minItems: 1,
  maxItems: catalogBounds.offersMax,
  description: 'Upstreams that serve it, each once. A patch replaces all of them.',
});

const modelView = strict(
  {
    name: Type.String(),
    source: sourceField,
    declaredAt: declaredAtField,
    operations: operationsField,
    contextTokens: contextField,
    outputTokensMax: outputField,
    rule: ruleField,
    strategy: strategyField,
    multiplierPpm: multiplierField,
    groups: groupsField,
    offers: Type.Array(
      strict({ upstream: offeredBy, model: upstreamModelField, cost: Type.Union([costView, Type.Null()]) }),
    ),
    enabled: enabledField,
    priceVersionId: orNull(Type.String({ description: 'The price in force now.' })),
    problem: orNull(Type.String({ description: 'Why it is not served although it is enabled.' })),
    createdAt: orNull(Type.String({ description: 'Time in UTC, ISO 8601; null for one of the config.' })),
  },
  { title: 'Model', description: 'A model: the public name that clients send.' },
);

const optionalFields = {
  operations: Type.Optional(operationsField),
  rule: Type.Optional(ruleField),
  strategy: Type.Optional(strategyField),
  multiplierPpm: Type.Optional(multiplierField),
  groups: Type.Optional(groupsField),
  enabled: Type.Optional(enabledField),
};
const newModel = strict({
  name: Type.String({
    minLength: 1,
    maxLength: bounds.modelNameLength,
    pattern: '^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$',
    description: 'Letters, digits and . _ : / @ + -, first a letter or digit. Never changes.',
  }),
  contextTokens: contextField,
  outputTokensMax: outputField,
  offers: offersField,
  ...optionalFields,
});
const modelPatch = strict({
  contextTokens: Type.Optional(contextField),
  outputTokensMax: Type.Optional(outputField),
  offers: Type.Optional(offersField),
  ...optionalFields,
});
const params = strict({ name: modelNameParameter });
const tags = ['Models'];

const readOffers = (offers: Static<typeof offersField>): readonly OfferInput[] =>
  offers.map(({ upstream, model, cost }, index) => ({
    upstream,
    model,
    cost: cost === undefined || cost === null ? cost : readCost(cost, `offers[${index}].cost.`),
  }));

const shown = (model: ModelInfo, lines: ConfigLines): Static<typeof modelView> => ({
  name: model.name,
  source: model.source,
  declaredAt: declaredAtOf(lines, 'model', model),
  operations: [...model.operations],
  contextTokens: model.contextTokens,
  outputTokensMax: model.outputTokensMax,
  rule: model.rule,
  strategy: model.strategy,
  multiplierPpm: model.multiplierPpm,
  groups: model.groups === undefined ? null : [...model.groups],
  offers: model.offers.map((offer) => ({
    upstream: offer.upstream,
    model: offer.model ?? null,
    cost: offer.cost === undefined ? null : costShown(offer.cost),
  })),
  enabled: model.enabled,
  priceVersionId: model.price?.id ?? null,
  problem: model.problem ?? null,
  createdAt: model.createdAt === undefined ? null : textOf(model.createdAt),
});

export function modelsRoutes({ models, lines }: ModelRouteServices) {
  return new Elysia({ name: 'admin-models', normalize: false })
    .get(
      '/models',
      async ({ query }) => {
        const found = await lines();
        return pageInMemory(models.list(), query, (model) => shown(model, found));
      },
      {
        query: strict(pageQuery),
        response: { 200: pageSchema(modelView) },
        detail: {
          tags,
          operationId: 'listModels',
          summary: 'Models, by name',
          description: 'Those of the config among the others, and those that are not served too.',
        },
      },
    )
    .post(
      '/models',
      async ({ body, request, status }) =>
        status(
          201,
          shown(await models.create(actorOf(request).name, { ...body, offers: readOffers(body.offers) }), noLines),
        ),
      {
        body: newModel,
        response: { 201: modelView },
        detail: {
          tags,
          operationId: 'createModel',
          summary: 'Make a model',
          description: 'Served once it has a price in force: an unpriced model is refused, never free.',
        },
      },
    )
    .get(
      '/models/:name',
      async ({ params: { name } }) => {
        const model = models.get(name);
        if (model === undefined) throw notFound('model');
        return shown(model, await lines());
      },
      {
        params,
        response: { 200: modelView },
        detail: { tags, operationId: 'getModel', summary: 'One model', description: 'By its URL-encoded name.' },
      },
    )
    .patch(
      '/models/:name',
      async ({ params: { name }, body: { offers, ...rest }, request }) =>
        shown(
          await models.update(actorOf(request).name, name, {
            ...rest,
            offers: offers === undefined ? undefined : readOffers(offers),
          }),
          noLines,
        ),
      {
        params,
        body: modelPatch,
        response: { 200: modelView },
        detail: {
          tags,
          operationId: 'updateModel',
          summary: 'Change a model',
          description:
            'In force for the next request. Refused with 409 for one of the config, and with 400 naming ' +
            '`rates.<part>` if a price in force or to come would leave a part unpriced.',
        },
      },
    );
}
