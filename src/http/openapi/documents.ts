// The documents of all faces, as files: generated from what is mounted, committed in openapi/, compared by a test.

import type { AnyElysia } from 'elysia';
import { clientDocument } from './client-document.ts';
import { objectOf, type JsonObject } from './json.ts';
import { produceDocument } from './produce.ts';
import type { FaceDescription } from './produce.ts';

export interface DocumentedApps {
  /** What `adminApp` returned. */
  readonly admin: AnyElysia;
  /** The terms face; left out while none is mounted. */
  readonly terms?: AnyElysia | undefined;
  /** Schemas of the options of plugins, by component name. */
  readonly options?: JsonObject;
}

/** File name to document. */
export type Documents = Readonly<Record<string, JsonObject>>;

export async function generateDocuments(apps: DocumentedApps, version: string): Promise<Documents> {
  return {
    'admin.json': await adminDocument(apps.admin, version, apps.options),
    'client.json': clientDocument(version),
    ...(apps.terms === undefined ? {} : { 'terms.json': await produceDocument(apps.terms, termsFace(version)) }),
  };
}

/** `options`: schemas of the options of plugins, by component name. */
export async function adminDocument(app: AnyElysia, version: string, options: JsonObject = {}): Promise<JsonObject> {
  const document = await produceDocument(app, adminFace(version));
  const components = objectOf(document['components']);
  return { ...document, components: { ...components, schemas: { ...objectOf(components['schemas']), ...options } } };
}

/** As it stands in its file. */
export const documentText = (document: JsonObject): string => `${JSON.stringify(document, null, 2)}\n`;

const adminFace = (version: string): FaceDescription => ({
  title: 'Tollgate admin API',
  version,
  description:
    'For operators: accounts, keys, models, prices, upstreams, money, usage and terms. Amounts are decimal strings of ' +
    'nano-units (10^-9) of a currency; errors are problem+json; lists come in pages with opaque cursors.',
  securitySchemes: {
    operatorKey: {
      type: 'http',
      scheme: 'bearer',
      description:
        'An operator key with the scope `admin`: `Authorization: Bearer tgo_...`. API keys do not work here.',
    },
  },
  security: [{ operatorKey: [] }],
  idempotencyKeys: true,
  tags: {
    Accounts: 'The parties that pay.',
    Audit: 'Who changed what, as a chain.',
    Groups: 'Shared multipliers and limits.',
    Health: 'How this gateway is doing.',
    'API keys': 'Credentials for /v1, shown once.',
    Ledger: 'Top-ups, adjustments, refunds, balances.',
    Models: 'Public names, what they cost, who serves them.',
    Plugins: 'What the config is made of: providers, routing strategies, billing rules, compliance policies.',
    Prices: 'Dated rates, never overwritten.',
    Terms: 'Documents, clauses, acceptances.',
    Upstreams: 'Configured endpoints of providers.',
    Usage: 'One record for each request, with the charge and its derivation.',
    Users: 'People, and the accounts that they belong to.',
  },
});

const termsFace = (version: string): FaceDescription => ({
  title: 'Tollgate terms',
  version,
  description: 'The terms of this service: documents, versions, clauses, and acceptance.',
  securitySchemes: {
    apiKey: { type: 'http', scheme: 'bearer', description: 'An API key of the account that accepts.' },
  },
  security: [],
  idempotencyKeys: false,
  tags: { Terms: 'Documents, clauses, acceptances.' },
});
