// Options that most providers have: where the vendor is, and what is sent with every call. Schemas only; headers are
// checked by `provider-headers.ts` when the provider is made.

import { Type } from 'tollgate/plugin';

/** An http(s) address without query, fragment or user. */
export const baseUrlOption = (description: string) =>
  Type.Optional(
    Type.String({ description, pattern: '^https?://[^\\s/?#@\\\\]+(?:/[^\\s?#\\\\]*)?$', maxLength: 2_000 }),
  );

/** For vendors that say in OpenAI's usage what was written to the cache. */
export const cacheWritesOption = Type.Optional(
  Type.Boolean({
    description:
      'Report what was written to the cache as a part of its own (cacheWrite5m, whatever its lifetime), which every ' +
      'model must then price. Default false: as input.',
  }),
);

export const headersOption = Type.Optional(
  Type.Record(Type.String(), Type.String({ maxLength: 8_192 }), {
    description: 'Sent with every call. Names in lower case; no credentials.',
    maxProperties: 32,
  }),
);
