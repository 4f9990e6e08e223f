// Where the shell asks the idempotency store: before a handler runs, after it answered, and when it failed. A
// claimed key always leaves the state "running", whichever way the request ends.

import { ElysiaCustomStatusResponse, StatusMap } from 'elysia';
import { errorTable, TollgateError } from '../../core/errors.ts';
import { dataHeaders, problemContentType } from '../problem.ts';
import { claimKey, idempotencyKeyOf, inputSha256Of, withoutSecrets } from './idempotency.ts';
import type { IdempotencyStore, StoredReply } from './idempotency.ts';

const REPLAYED = 'idempotency-replayed';

export interface IdempotencyHooks {
  /** Answers a repetition; undefined lets the handler run. `own`: the route's service keeps keys itself. */
  before(request: Request, own: boolean): Promise<Response | undefined>;
  after(request: Request, value: unknown, set: { readonly status?: number | string | undefined }): Promise<undefined>;
  failed(request: Request, error: unknown): Promise<void>;
}

export function idempotencyHooks(store: IdempotencyStore): IdempotencyHooks {
  const claimed = new WeakMap<Request, string>();
  const release = (request: Request): string | undefined => {
    const key = claimed.get(request);
    claimed.delete(request);
    return key;
  };
  return {
    async before(request, own) {
      if (request.method !== 'POST') return undefined;
      const key = idempotencyKeyOf(request.headers);
      if (key === undefined || own) return undefined;
      const reply = await claimKey(store, key, inputSha256Of(request));
      if (reply !== undefined) return replay(reply);
      claimed.set(request, key);
      return undefined;
    },
    async after(request, value, set) {
      const key = release(request);
      if (key !== undefined) await store.finish(key, storedReply(value, set.status));
      return undefined;
    },
    async failed(request, error) {
      const key = release(request);
      if (key === undefined) return;
      // A refusal did nothing. A defect may have done its work before it failed: repeating must not do it again.
      if (error instanceof TollgateError) await store.abandon(key);
      else await store.finish(key, failedReply());
    },
  };
}

function replay(reply: StoredReply): Response {
  return new Response(reply.status === 204 ? null : reply.body, {
    status: reply.status,
    headers: { ...dataHeaders, 'content-type': reply.contentType, [REPLAYED]: 'true' },
  });
}

function storedReply(value: unknown, status: number | string | undefined): StoredReply {
  const [code, body] = value instanceof ElysiaCustomStatusResponse ? [value.code, value.response] : [status, value];
  if (body instanceof Response) return { status: body.status, contentType: 'application/json', body: '{}' };
  return {
    status: statusOf(code),
    contentType: 'application/json',
    body: JSON.stringify(withoutSecrets(body ?? {})),
  };
}

/** Handlers may name a status by its words. */
function statusOf(code: number | string | undefined): number {
  if (typeof code === 'number') return code;
  const named: unknown = code === undefined ? undefined : Reflect.get(StatusMap, code);
  return typeof named === 'number' ? named : 200;
}

function failedReply(): StoredReply {
  return {
    status: errorTable.internal_error.status,
    contentType: problemContentType,
    body: JSON.stringify({
      type: 'urn:tollgate:error:internal_error',
      title: 'Internal error',
      status: errorTable.internal_error.status,
      code: 'internal_error',
      detail:
        'The first request with this idempotency key failed inside the gateway; look whether it took effect, then use a new key.',
    }),
  };
}
