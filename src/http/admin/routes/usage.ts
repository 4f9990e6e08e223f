// Usage records, for looking one charge up and for following an account. Read-only: a record never changes, and the
// detail carries everything that its charge can be recomputed from, with the recomputed figure beside it.

import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import type { UsageFilter, UsageReader } from '../../../domain/usage/usage-reader.ts';
import { pageOf, pageQuery, pageSchema, readPage } from '../pages.ts';
import { idText, notFound, pathId, readTime, strict, timeText } from '../schemas.ts';
import { detailView, outcomeSchema, summaryView, usageDetail, usageSummary } from './usage-views.ts';

export interface UsageRouteServices {
  readonly usage: UsageReader;
}

const tags = ['Usage'];

const nameText = Type.String({ minLength: 1, maxLength: 256 });
const listQuery = strict({
  ...pageQuery,
  accountId: Type.Optional(idText('acc')),
  apiKeyId: Type.Optional(idText('key')),
  model: Type.Optional(nameText),
  upstream: Type.Optional(nameText),
  outcome: Type.Optional(outcomeSchema),
  since: Type.Optional(timeText),
  until: Type.Optional(timeText),
});

const filterOf = (query: Static<typeof listQuery>): UsageFilter => ({
  accountId: query.accountId === undefined ? undefined : pathId('acc', query.accountId, 'account'),
  apiKeyId: query.apiKeyId === undefined ? undefined : pathId('key', query.apiKeyId, 'API key'),
  model: query.model,
  upstream: query.upstream,
  outcome: query.outcome,
  since: readTime('since', query.since),
  until: readTime('until', query.until),
});

export function usageRoutes({ usage }: UsageRouteServices) {
  return new Elysia({ name: 'admin-usage', normalize: false })
    .get(
      '/usage',
      async ({ query }) => {
        const { limit, before } = readPage('req', query);
        const filter = filterOf(query);
        return pageOf(
          await usage.list(filter, limit + 1, before),
          limit,
          ({ record }) => record.requestId,
          summaryView,
        );
      },
      {
        query: listQuery,
        response: { 200: pageSchema(usageSummary) },
        detail: {
          tags,
          operationId: 'listUsage',
          summary: 'Usage records, newest first',
          description:
            'All filters hold together. `since` is inclusive and `until` exclusive; both look at the time of admission.',
        },
      },
    )
    .get(
      '/usage/:requestId',
      async ({ params }) => {
        const requestId = pathId('req', params.requestId, 'request');
        const stored = await usage.get(requestId);
        if (stored === undefined) throw notFound('request');
        return detailView(stored);
      },
      {
        params: strict({ requestId: Type.String({ maxLength: 64 }) }),
        response: { 200: usageDetail },
        detail: {
          tags,
          operationId: 'getUsage',
          summary: 'One request: usage, charge lines, price, multipliers, attempts',
        },
      },
    );
}
