// How terms, clauses and acceptances look as JSON, on the public face and the admin API alike.

import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import { bounds } from '../../core/bounds.ts';
import type { EpochMs } from '../../core/clock.ts';
import type { Terms } from '../../domain/terms/terms-service.ts';
import type { Acceptance, ClauseBinding, TermsVersion } from '../../domain/terms/terms.ts';
import { decodeCursor, pageLimit, pageOf, type Page, type PageQuery } from '../admin/pages.ts';
import { strict, textOf, timeText } from '../admin/schemas.ts';

export const documentName = Type.String({
  pattern: '^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$',
  maxLength: 64,
  description: 'Name of a terms document.',
  examples: ['service'],
});
export const versionName = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$',
  maxLength: 64,
  description: 'Version of a terms document.',
  examples: ['2026-03-01'],
});
export const sha256Text = Type.String({
  pattern: '^[0-9a-f]{64}$',
  description: 'SHA-256 of the exact text, in lower-case hexadecimal digits.',
});

const textOrNull = Type.Union([Type.String(), Type.Null()]);
const methodSchema = Type.Union([Type.Literal('use'), Type.Literal('explicit')], {
  description:
    '`use`: going on using the service accepts it; `explicit`: somebody accepts this version by name.',
});

const versionProperties = {
  document: documentName,
  version: versionName,
  title: Type.String(),
  locale: Type.String(),
  effectiveAt: timeText,
  governingLaw: textOrNull,
  acceptance: methodSchema,
  sha256: sha256Text,
  link: Type.String({ description: 'Path of this version on this gateway.' }),
};

export const versionSchema = strict(versionProperties);
export const versionWithTextSchema = strict({
  ...versionProperties,
  text: Type.String({ description: 'The exact text, as Markdown with its front matter; the hash is of it.' }),
});
export const documentSchema = strict({
  ...versionProperties,
  announced: Type.Union([versionSchema, Type.Null()], {
    description: 'The next version, published and not yet in force.',
  }),
});

const clauseProperties = {
  id: Type.String({ examples: ['S3.1'] }),
  title: Type.String(),
  kind: Type.Union(
    [Type.Literal('enforced'), Type.Literal('served'), Type.Literal('recorded'), Type.Literal('declared')],
    {
      description:
        '`enforced`: a control acts; `served`: an endpoint gives it; `recorded`: evidence is kept; `declared`: words only.',
    },
  ),
  text: Type.String(),
  limitsLiability: Type.Boolean({
    description: 'Limits what the operator is liable for: to be read with care.',
  }),
  material: Type.Boolean(),
  controls: Type.Array(Type.String(), {
    description: 'What runs here and makes it true: `policy:region`, `endpoint:GET /terms`.',
  }),
};
export const clauseSchema = strict(clauseProperties);
export const clauseRowSchema = strict({
  document: documentName,
  version: versionName,
  ...clauseProperties,
  kept: Type.Boolean({ description: 'False for a promise that no loaded control keeps.' }),
});

export const acceptanceSchema = strict({
  id: Type.String(),
  accountId: Type.String(),
  userId: textOrNull,
  apiKeyId: textOrNull,
  document: documentName,
  version: versionName,
  sha256: sha256Text,
  acceptedAt: timeText,
  method: methodSchema,
  address: Type.String(),
  country: Type.String(),
  userAgent: textOrNull,
  locale: textOrNull,
});

/** TypeBox's own types leave a schema's readonly away, and so do these. */
type Of<S extends Parameters<typeof strict>[0]> = Static<ReturnType<typeof strict<S>>>;

export function versionView(version: TermsVersion): Of<typeof versionProperties> {
  return {
    document: version.document,
    version: version.version,
    title: version.title,
    locale: version.locale,
    effectiveAt: textOf(version.effectiveAt),
    governingLaw: version.governingLaw ?? null,
    acceptance: version.acceptance,
    sha256: version.sha256,
    link: `/terms/${version.document}/versions/${version.version}`,
  };
}

export const versionWithTextView = (version: TermsVersion) => ({
  ...versionView(version),
  text: version.text,
});

/**
 * Documents in force, by name, each with what is announced; documents that are only announced come with that
 * version.
 */
export function documentViews(terms: Terms, at: EpochMs) {
  return terms
    .inForce(at)
    .map((version) => {
      const announced = terms.announced(version.document, at);
      return { ...versionView(version), announced: announced === undefined ? null : versionView(announced) };
    })
    .toSorted((a, b) => (a.document < b.document ? -1 : 1));
}

export function clauseView({
  clause,
  controls,
}: Pick<ClauseBinding, 'clause' | 'controls'>): Of<typeof clauseProperties> {
  const { id, title, kind, text, limitsLiability, material } = clause;
  return { id, title, kind, text, limitsLiability, material, controls: [...controls] };
}

export function acceptanceView(acceptance: Acceptance): Static<typeof acceptanceSchema> {
  return {
    id: acceptance.id,
    accountId: acceptance.accountId,
    userId: acceptance.userId ?? null,
    apiKeyId: acceptance.apiKeyId ?? null,
    document: acceptance.document,
    version: acceptance.version,
    sha256: acceptance.sha256,
    acceptedAt: textOf(acceptance.at),
    method: acceptance.method,
    address: acceptance.address,
    country: acceptance.country,
    userAgent: acceptance.userAgent ?? null,
    locale: acceptance.locale ?? null,
  };
}

/** A page of a short list in memory. Its cursor names the place after the last row that was shown. */
export function pageInMemory<Row, Item>(
  rows: readonly Row[],
  query: PageQuery,
  render: (row: Row) => Item,
): Page<Item> {
  const limit = pageLimit(query);
  const start = query.cursor === undefined ? 0 : Number(decodeCursor(query.cursor));
  // Text that is no place in this list gives an empty page at worst, never another list's rows.
  const from = Number.isSafeInteger(start) && start >= 0 ? start : rows.length;
  const indexed = rows.slice(from, from + limit + 1).map((row, index) => ({ row, place: from + index + 1 }));
  return pageOf(
    indexed,
    Math.min(limit, bounds.pageSizeMax),
    ({ place }) => String(place),
    ({ row }) => render(row),
  );
}
