// /terms: what the terms say, since when, clause by clause with the controls that keep them, and who accepted
// which. Reading is open to everybody; accepting and the list of one's own acceptances need an API key of the
// account.

import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { bounds, deadlines } from '../../core/bounds.ts';
import type { Clock } from '../../core/clock.ts';
import { TollgateError } from '../../core/errors.ts';
import type { AccountId, ApiKeyId, UserId } from '../../core/ids.ts';
import { clauseMatrix, type ControlRegistry } from '../../domain/terms/clause-matrix.ts';
import type { AcceptOutcome, Acceptor, Origin, Terms } from '../../domain/terms/terms-service.ts';
import type { TermsVersion } from '../../domain/terms/terms.ts';
import { readJsonBody } from '../admin/json-body.ts';
import { pageOf, pageQuery, pageSchema, readPage } from '../admin/pages.ts';
import { notFound, strict } from '../admin/schemas.ts';
import { preferredForm } from './preferred-form.ts';
import {
  acceptanceSchema,
  acceptanceView,
  clauseSchema,
  clauseView,
  documentName,
  documentSchema,
  documentViews,
  pageInMemory,
  sha256Text,
  versionName,
  versionSchema,
  versionView,
  versionWithTextSchema,
  versionWithTextView,
} from './views.ts';

/** Whose key came with a request. */
export interface KeyHolder {
  readonly account: { readonly id: AccountId };
  readonly apiKey: { readonly id: ApiKeyId; readonly userId: UserId | undefined };
}

export interface TermsRouteServices {
  readonly terms: Terms;
  readonly controls: Pick<ControlRegistry, 'controlsOf'>;
  readonly clock: Clock;
  /** Throws TollgateError `unauthenticated` and the like. Asked before a body is read. */
  authenticate(request: Request): KeyHolder;
  /** The client's address and country, as the gates see them. */
  originOf(request: Request): Pick<Origin, 'address' | 'country'>;
}

const tags = ['Terms'];
const open = { tags, security: [] };
const withKey = { tags, security: [{ apiKey: [] }] };
const documentParams = Type.Object({
  document: Type.String({ maxLength: 64, description: 'Name of a terms document.' }),
});
const versionParams = Type.Object({
  ...documentParams.properties,
  version: Type.String({ maxLength: 64, description: 'One of its versions.' }),
});
const acceptBody = strict({ document: documentName, version: versionName, sha256: sha256Text });

export function termsRoutes(services: TermsRouteServices) {
  return new Elysia({ name: 'terms', normalize: false })
    .use(readingRoutes(services))
    .use(acceptanceRoutes(services));
}

function readingRoutes({ terms, controls, clock }: TermsRouteServices) {
  const current = (document: string): TermsVersion =>
    terms.current(document, clock.now()) ?? notInForce(terms, document, clock.now());
  return new Elysia({ name: 'terms-reading', normalize: false })
    .get('/terms', ({ query }) => pageInMemory(documentViews(terms, clock.now()), query, (view) => view), {
      query: strict(pageQuery),
      response: { 200: pageSchema(documentSchema) },
      detail: {
        ...open,
        operationId: 'listTerms',
        summary: 'Terms documents in force, each with what is announced',
      },
    })
    .get('/terms/:document', ({ params, request }) => documentReply(current(params.document), request), {
      params: documentParams,
      query: strict({}),
      response: { 200: versionWithTextSchema },
      detail: {
        ...open,
        operationId: 'getTerms',
        summary: 'The version of a document that is in force',
        description: 'JSON; with `accept: text/markdown` or from a browser the exact text alone.',
      },
    })
    .get(
      '/terms/:document/versions',
      ({ params, query }) => pageInMemory(versionsOf(terms, params.document), query, versionView),
      {
        params: documentParams,
        query: strict(pageQuery),
        response: { 200: pageSchema(versionSchema) },
        detail: {
          ...open,
          operationId: 'listTermsVersions',
          summary: 'Every published version of a document, latest effective first',
        },
      },
    )
    .get(
      '/terms/:document/versions/:version',
      ({ params, request }) => {
        const version = terms.version(params.document, params.version);
        if (version === undefined) throw notFound('version of a terms document');
        return documentReply(version, request);
      },
      {
        params: versionParams,
        query: strict({}),
        response: { 200: versionWithTextSchema },
        detail: {
          ...open,
          operationId: 'getTermsVersion',
          summary: 'One version of a document, whether in force or not',
          description:
            'A published version never changes. JSON; with `accept: text/markdown` or from a browser the exact text alone.',
        },
      },
    )
    .get(
      '/terms/:document/clauses',
      ({ params, query }) =>
        pageInMemory(clauseMatrix([current(params.document)], controls), query, clauseView),
      {
        params: documentParams,
        query: strict(pageQuery),
        response: { 200: pageSchema(clauseSchema) },
        detail: {
          ...open,
          operationId: 'listTermsClauses',
          summary: 'Clause by clause: what it says and which running control makes it true',
        },
      },
    );
}

function acceptanceRoutes({ terms, authenticate, originOf }: TermsRouteServices) {
  return new Elysia({ name: 'terms-acceptances', normalize: false })
    .get(
      '/terms/acceptances',
      async ({ request, query }) => {
        const { account } = authenticate(request);
        const { limit, before } = readPage('tac', query);
        const rows = await terms.acceptances({ limit: limit + 1, before, accountId: account.id });
        return pageOf(rows, limit, (row) => row.id, acceptanceView);
      },
      {
        query: strict(pageQuery),
        response: { 200: pageSchema(acceptanceSchema) },
        detail: {
          ...withKey,
          operationId: 'listOwnAcceptances',
          summary: 'What this account has accepted, newest first',
        },
      },
    )
    .post(
      '/terms/acceptances',
      async ({ request, body, set }) => {
        const outcome = await terms.accept(
          body,
          acceptorOf(authenticate(request)),
          originIn(request, originOf(request)),
        );
        if (!outcome.accepted) throw refusalOf(outcome, body.document);
        set.status = outcome.repeated ? 200 : 201;
        return acceptanceView(outcome.acceptance);
      },
      {
        parse: async ({ request }) => {
          authenticate(request);
          return (
            await readJsonBody(request, {
              bytesMax: bounds.adminBodyBytes,
              timeoutMs: deadlines.requestBodyMs,
            })
          ).value;
        },
        body: acceptBody,
        query: strict({}),
        response: { 200: acceptanceSchema, 201: acceptanceSchema },
        detail: {
          ...withKey,
          operationId: 'acceptTerms',
          summary: 'Accept a version of a document for this account',
          description:
            'Names the document, the version and the hash of the text that was read: the version in force, or the announced one. ' +
            'Another version or text is refused with 409, naming the current one. Accepting again answers 200 with the first record.',
        },
      },
    );
}

const acceptorOf = ({ account, apiKey }: KeyHolder): Acceptor => ({
  accountId: account.id,
  userId: apiKey.userId,
  apiKeyId: apiKey.id,
});

const originIn = ({ headers }: Request, where: Pick<Origin, 'address' | 'country'>): Origin => ({
  ...where,
  userAgent: headers.get('user-agent') ?? undefined,
  locale: headers.get('accept-language') ?? undefined,
});

function refusalOf(
  outcome: Extract<AcceptOutcome, { readonly accepted: false }>,
  document: string,
): TollgateError {
  if (outcome.because === 'no-such-document') return notFound('terms document');
  const { version, sha256 } = outcome.current;
  const now = `version ${version} with sha256 ${sha256}; read it at /terms/${document}, then accept exactly that`;
  return outcome.because === 'not-current'
    ? new TollgateError('conflict', {
        message: `version: this version is not in force. The current one is ${now}.`,
        field: 'version',
        link: `/terms/${document}`,
      })
    : new TollgateError('conflict', {
        message: `sha256: this is not the hash of the published text. Published is ${now}.`,
        field: 'sha256',
        link: `/terms/${document}/versions/${version}`,
      });
}

function notInForce(terms: Terms, document: string, at: number): never {
  if (
    terms.announced(document, at) === undefined &&
    !terms.versions.some((version) => version.document === document)
  ) {
    throw notFound('terms document');
  }
  throw new TollgateError('not_found', {
    message: `No version of "${document}" is in force now; its versions are listed at /terms/${document}/versions.`,
  });
}

function versionsOf(terms: Terms, document: string): readonly TermsVersion[] {
  const versions = terms.versions.filter((version) => version.document === document);
  if (versions.length === 0) throw notFound('terms document');
  return versions.toReversed();
}

/** JSON as the schema has it, or the exact text, byte for byte, which anybody can hash again. */
function documentReply(version: TermsVersion, request: Request) {
  const form = preferredForm(request.headers.get('accept'));
  if (form === 'json') return versionWithTextView(version);
  return new Response(version.text, {
    headers: {
      'content-type': `${form === 'markdown' ? 'text/markdown' : 'text/plain'}; charset=utf-8`,
      'content-language': version.locale,
      etag: `"${version.sha256}"`,
      vary: 'accept',
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    },
  });
}
