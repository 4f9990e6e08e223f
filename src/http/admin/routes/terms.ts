// Terms for operators: documents, all versions, who accepted which and from where, and the matrix of clauses
// and controls. Read-only: versions come from the config and never change, and acceptances are evidence.

import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import type { Clock } from '../../../core/clock.ts';
import { clauseMatrix, unkeptPromises, type ControlRegistry } from '../../../domain/terms/clause-matrix.ts';
import type { Terms } from '../../../domain/terms/terms-service.ts';
import {
  acceptanceSchema,
  acceptanceView,
  clauseRowSchema,
  clauseView,
  documentName,
  documentSchema,
  documentViews,
  pageInMemory,
  versionName,
  versionSchema,
  versionView,
  versionWithTextSchema,
  versionWithTextView,
} from '../../terms/views.ts';
import { pageOf, pageQuery, pageSchema, readPage } from '../pages.ts';
import { idText, notFound, pathId, strict } from '../schemas.ts';

export interface TermsAdminServices {
  readonly terms: Terms;
  readonly controls: Pick<ControlRegistry, 'controlsOf'>;
  readonly clock: Clock;
}

const detail = { tags: ['Terms'], security: [{ operatorKey: [] }] };
const versionParams = Type.Object({
  document: Type.String({ maxLength: 64, description: 'Name of a terms document.' }),
  version: Type.String({ maxLength: 64, description: 'One of its versions.' }),
});

export function termsAdminRoutes({ terms, controls, clock }: TermsAdminServices) {
  return new Elysia({ name: 'admin-terms', normalize: false })
    .get('/terms', ({ query }) => pageInMemory(documentViews(terms, clock.now()), query, (view) => view), {
      query: strict(pageQuery),
      response: { 200: pageSchema(documentSchema) },
      detail: {
        ...detail,
        operationId: 'listTermsDocuments',
        summary: 'Terms documents in force, each with what is announced',
      },
    })
    .get(
      '/terms/versions',
      ({ query }) => {
        const versions = terms.versions.filter(
          (version) => query.document === undefined || version.document === query.document,
        );
        return pageInMemory(versions.toReversed(), query, versionView);
      },
      {
        query: strict({ ...pageQuery, document: Type.Optional(documentName) }),
        response: { 200: pageSchema(versionSchema) },
        detail: {
          ...detail,
          operationId: 'listTermsVersions',
          summary: 'Every published version, latest effective first',
          description:
            'Also those of documents that have left the config: they bind nobody, and stay as evidence.',
        },
      },
    )
    .get(
      '/terms/versions/:document/:version',
      ({ params }) => {
        const version = terms.version(params.document, params.version);
        if (version === undefined) throw notFound('version of a terms document');
        return versionWithTextView(version);
      },
      {
        params: versionParams,
        query: strict({}),
        response: { 200: versionWithTextSchema },
        detail: { ...detail, operationId: 'getTermsVersion', summary: 'One version with its exact text' },
      },
    )
    .get(
      '/terms/acceptances',
      async ({ query }) => {
        const { limit, before } = readPage('tac', query);
        const accountId =
          query.accountId === undefined ? undefined : pathId('acc', query.accountId, 'account');
        const { document, version } = query;
        const rows = await terms.acceptances({ limit: limit + 1, before, accountId, document, version });
        return pageOf(rows, limit, (row) => row.id, acceptanceView);
      },
      {
        query: strict({
          ...pageQuery,
          accountId: Type.Optional(idText('acc')),
          document: Type.Optional(documentName),
          version: Type.Optional(versionName),
        }),
        response: { 200: pageSchema(acceptanceSchema) },
        detail: {
          ...detail,
          operationId: 'listTermsAcceptances',
          summary: 'Who accepted which version, when, how and from where, newest first',
        },
      },
    )
    .get(
      '/terms/clauses',
      ({ query }) => {
        const at = clock.now();
        const announced = terms
          .inForce(at)
          .map((version) => terms.announced(version.document, at))
          .filter((version) => version !== undefined);
        const matrix = clauseMatrix([...terms.inForce(at), ...announced], controls);
        const unkept = new Set(unkeptPromises(matrix));
        return pageInMemory(matrix, query, (row) => ({
          document: row.document,
          version: row.version,
          ...clauseView(row),
          kept: !unkept.has(row),
        }));
      },
      {
        query: strict(pageQuery),
        response: { 200: pageSchema(clauseRowSchema) },
        detail: {
          ...detail,
          operationId: 'listTermsClauseMatrix',
          summary: 'Clauses in force and announced, with the running controls that keep them',
        },
      },
    );
}
