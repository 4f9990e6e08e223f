// Options that most providers have: where the vendor is, and what is sent with every call. Schemas only; headers are
// checked by `provider-headers.ts` when the provider is made.

import { Type } from 'tollgate/plugin';

/** An http(s) address without query, fragment or user. */
export const baseUrlOption = (description: string) =>
  Type.Optional(
    Type.String({ description, pattern: '^https?://[^\\s/?#@\\\\]+(?:/[^\\s?#\\\\]*)?$', maxLength: 2_000 }),
  );

export const headersOption = Type.Optional(
  Type.Record(Type.String(), Type.String({ maxLength: 8_192 }), {
    description: 'Sent with every call. Names in lower case; no credentials.',
    maxProperties: 32,
  }),
);
