// One thing that a request can ask for, as the clients of each protocol write it, and what their bodies have in common.

import type { JsonObject } from '../../../src/plugin/conversation.ts';

export type Side = 'chat' | 'responses' | 'anthropic' | 'gemini';

export interface Feature {
  readonly name: string;
  /** The fields that say it; a protocol that cannot say it is left out. The rest of the body is `plain`. */
  readonly asks: { readonly [side in Side]?: JsonObject };
  /** What stands in the body for an upstream to which it was carried; for one that is left out, nothing can. */
  readonly shows: RegExp | { readonly [side in Side]?: RegExp };
}

/** The least that each protocol takes. */
export const plain: { readonly [side in Side]: JsonObject } = {
  chat: { model: 'm', messages: [{ role: 'user', content: 'Hello' }] },
  responses: { model: 'm', input: 'Hello' },
  anthropic: { model: 'm', max_tokens: 4096, messages: [{ role: 'user', content: 'Hello' }] },
  gemini: { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] },
};

/** The bytes of every picture, document and sound. */
export const data = 'cGljdHVyZQ==';

export const schema: JsonObject = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};
