// The terms face over a terms domain in memory, with two accounts' keys.

import { createLog } from '../../../src/core/log.ts';
import { TollgateError } from '../../../src/core/errors.ts';
import { newId } from '../../../src/core/ids.ts';
import { builtInControls } from '../../../src/domain/terms/controls.ts';
import { createControlRegistry } from '../../../src/domain/terms/clause-matrix.ts';
import type { Terms } from '../../../src/domain/terms/terms-service.ts';
import { termsApp } from '../../../src/http/terms/terms-app.ts';
import type { KeyHolder } from '../../../src/http/terms/routes.ts';

const holders: Readonly<Record<string, KeyHolder>> = {
  'Bearer key-of-a': { account: { id: 'acc_a' }, apiKey: { id: 'key_a', userId: undefined } },
  'Bearer key-of-b': { account: { id: 'acc_b' }, apiKey: { id: 'key_b', userId: 'usr_b' } },
};

export function termsFace(terms: Terms, now: () => number) {
  const controls = createControlRegistry();
  controls.registerControls(builtInControls);
  const clock = { now, monotonicMs: now };
  const app = termsApp({
    terms,
    controls,
    clock,
    newId,
    log: createLog(
      clock,
      () => {},
      (text) => text,
    ),
    absolute: (path) => `https://gateway.example${path}`,
    authenticate(request) {
      const holder = holders[request.headers.get('authorization') ?? ''];
      if (holder === undefined) throw new TollgateError('unauthenticated', { message: 'Send an API key.' });
      return holder;
    },
    originOf: () => ({ address: '203.0.113.9', country: 'SG' }),
  });
  const ask = async (
    method: string,
    path: string,
    headers: Readonly<Record<string, string>> = {},
    body?: unknown,
  ): Promise<Response> =>
    await app.handle(
      new Request(`http://gateway.example${path}`, {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
  return {
    app,
    controls,
    get: (path: string, headers: Readonly<Record<string, string>> = {}) => ask('GET', path, headers),
    accept: (body: unknown, key = 'key-of-a') =>
      ask('POST', '/terms/acceptances', { authorization: `Bearer ${key}` }, body),
    acceptances: (key = 'key-of-a') => ask('GET', '/terms/acceptances', { authorization: `Bearer ${key}` }),
    ask,
  };
}

/** A list's reply, checked as far as tests read it. */
export function pageFrom(body: unknown): {
  readonly items: readonly unknown[];
  readonly nextCursor: unknown;
} {
  if (
    typeof body === 'object' &&
    body !== null &&
    'items' in body &&
    Array.isArray(body.items) &&
    'nextCursor' in body
  ) {
    return { items: body.items, nextCursor: body.nextCursor };
  }
  throw new Error(`not a page: ${JSON.stringify(body)}`);
}
