// Prices of models: a list that only grows. What is in force, or was, is never changed: usage records name it.

import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { noLines, type ConfigLines } from '../../../config/config-lines.ts';
import type { PriceInfo } from '../../../domain/catalog/admin-catalog.ts';
import type { PricesService } from '../../../domain/catalog/prices-service.ts';
import { pageInMemory } from '../../terms/views.ts';
import { actorOf } from '../actor.ts';
import { pageQuery, pageSchema } from '../pages.ts';
import { currencyCode, notFound, pathId, readTime, strict, textOf, timeText } from '../schemas.ts';
import { idParameter, orNull } from './account-fields.ts';
import {
  costShown,
  modelNameParameter,
  perCallField,
  ratesField,
  readCost,
  sourceField,
  declaredAtField,
  declaredAtOf,
  type FindLines,
} from './catalog-fields.ts';

export interface PriceRouteServices {
  readonly prices: PricesService;
  readonly lines: FindLines;
}

const statusField = Type.Union(
  [Type.Literal('in-force'), Type.Literal('scheduled'), Type.Literal('past'), Type.Literal('withdrawn')],
  { description: '`scheduled`: its time is to come. `withdrawn`: taken back before its time came.' },
);

const priceView = strict(
  {
    id: Type.String({ description: 'Price version; stands on every usage record that it charged.' }),
    model: Type.String(),
    source: sourceField,
    declaredAt: declaredAtField,
    status: statusField,
    currency: Type.String(),
    rates: ratesField,
    perCallNano: perCallField,
    validFrom: Type.String({ description: 'In force from this time until that of the next one. UTC, ISO 8601.' }),
    closedAt: orNull(Type.String({ description: 'When it was withdrawn, or left the config.' })),
  },
  { title: 'Price', description: 'One dated, immutable price version of a model.' },
);

const newPrice = strict({
  currency: currencyCode,
  rates: ratesField,
  perCallNano: Type.Optional(perCallField),
  validFrom: Type.Optional(
    Type.String({
      ...timeText,
      description: 'A time to come, in UTC, ISO 8601. From now on if left out; never in the past.',
    }),
  ),
});
const modelParams = strict({ name: modelNameParameter });
const priceParams = strict({ name: modelNameParameter, id: idParameter });
const tags = ['Prices'];

const shown = (price: PriceInfo, lines: ConfigLines): Static<typeof priceView> => ({
  id: price.id,
  model: price.model,
  source: price.source,
  // The config declares it no more once it is closed.
  declaredAt:
    price.closedAt === undefined ? declaredAtOf(lines, 'price', { name: price.model, source: price.source }) : null,
  status: price.status,
  ...costShown(price),
  validFrom: textOf(price.validFrom),
  closedAt: price.closedAt === undefined ? null : textOf(price.closedAt),
});

export function pricesRoutes({ prices, lines }: PriceRouteServices) {
  return new Elysia({ name: 'admin-prices', normalize: false })
    .get(
      '/models/:name/prices',
      async ({ params: { name }, query }) => {
        const history = await prices.history(name);
        if (history === undefined) throw notFound('model');
        const found = await lines();
        return pageInMemory(history, query, (price) => shown(price, found));
      },
      {
        params: modelParams,
        query: strict(pageQuery),
        response: { 200: pageSchema(priceView) },
        detail: {
          tags,
          operationId: 'listPrices',
          summary: 'All prices of a model, latest first',
          description: 'Past and withdrawn ones too: what was charged can be explained for ever.',
        },
      },
    )
    .post(
      '/models/:name/prices',
      async ({ params: { name }, body, request, status }) => {
        const validFrom = readTime('validFrom', body.validFrom);
        return status(
          201,
          shown(await prices.create(actorOf(request).name, name, { ...readCost(body, ''), validFrom }), noLines),
        );
      },
      {
        params: modelParams,
        body: newPrice,
        response: { 201: priceView },
        detail: {
          tags,
          operationId: 'createPrice',
          summary: 'Price a model from now, or from a time to come',
          description:
            'Requests under way keep the price that they were admitted with. Refused with 400 naming `rates.<part>` ' +
            'for a part that the upstreams may report and that has no rate, and with 409 for a model of the config.',
        },
      },
    )
    .delete(
      '/models/:name/prices/:id',
      async ({ params: { name, id }, request }) =>
        shown(await prices.withdraw(actorOf(request).name, name, pathId('prc', id, 'price')), noLines),
      {
        params: priceParams,
        response: { 200: priceView },
        detail: {
          tags,
          operationId: 'withdrawPrice',
          summary: 'Withdraw a price that is yet to come',
          description: 'Stays in the list, as withdrawn. Refused with 409 once it is in force.',
        },
      },
    );
}
