// Replies that an upstream keeps: read, listed, cancelled and deleted through us by whoever they belong to. Nothing is
// generated here, so that nothing is held or charged.

import { bounds } from '../core/bounds.ts';
import { TollgateError } from '../core/errors.ts';
import type { Offer } from '../domain/catalog/catalog.ts';
import type { StoredReply } from '../domain/stored-replies/stored-replies.ts';
import type { Protocol } from '../plugin/protocol.ts';
import { resolveAddressing, retryAfterOf, withOwnHeaders } from './addressing.ts';
import { askAside, createAccountShare } from './aside.ts';
import { demandUse } from './admit.ts';
import { authenticate } from './authenticate.ts';
import { RETRY_AFTER_MAX_SECONDS } from './dispatch.ts';
import type { Authenticated } from './exchange.ts';
import { isJson, repeats } from './passable.ts';
import { receive } from './receive.ts';
import { limitReached } from './reserve.ts';
import type { PipelineServices } from './services.ts';
import type { TrialReply } from './trial-reply.ts';

export interface StoredReplyRequest {
  readonly id: string;
  readonly does: 'get' | 'delete' | 'cancel' | 'list-input';
  /** Without its question mark. */
  readonly query: string;
}

export type StoredReplyRelay = (
  request: Request,
  protocol: Protocol,
  peer: string,
  asked: StoredReplyRequest,
) => Promise<Response>;

const methods = { get: 'GET', delete: 'DELETE', cancel: 'POST', 'list-input': 'GET' } as const;
const suffixes = { get: '', delete: '', cancel: '/cancel', 'list-input': '/input_items' } as const;
/** What may be asked beside the id. A stream would have to be metered, and is not served. */
const queryNames: ReadonlySet<string> = new Set(['include', 'include[]', 'limit', 'order', 'after', 'before']);

/** Reads of an account at once. */
const READS_MAX = 64;

export function createStoredReplyRelay(services: PipelineServices): StoredReplyRelay {
  const share = createAccountShare(READS_MAX, 'calls for kept responses');
  return async (request, protocol, peer, asked) => {
    const authenticated = authenticate(services, receive(services, request, protocol, peer));
    // The vendor counts these calls among all that our credential makes: they come out of the caller's own limits.
    const limits = services.takeLimits(authenticated, 0);
    if (!limits.taken) throw limitReached(limits);
    try {
      return await share(authenticated, () => relayed(services, authenticated, asked));
    } finally {
      limits.release(0);
    }
  };
}

async function relayed(
  services: PipelineServices,
  authenticated: Authenticated,
  { id, does, query }: StoredReplyRequest,
): Promise<Response> {
  const { request, protocol, account, requestId, hops } = authenticated;
  const stored = await services.storedReplies.find(id, account.id);
  if (stored === undefined) throw unknown();
  // To read a reply is to use the model, and all answers but one show it. Whoever may not use it any more may withdraw.
  if (does !== 'delete') await demandUse(services, { ...authenticated, facts: { model: stored.model } });
  const offer = offerOf(services, stored);
  const path = offer?.upstream.provider.storedReplyPath?.(id);
  if (offer === undefined || path === undefined) {
    throw new TollgateError('no_upstream', {
      message: 'The upstream that keeps this response is not here any more.',
      retryAfterSeconds: 60,
    });
  }
  const { upstream } = offer;
  const call = { operation: protocol.operation, protocol: protocol.name, model: offer.model, stream: false } as const;
  const { headers, query: own } = upstream.provider.address(call, upstream.credential);
  const addressing = resolveAddressing(
    offer,
    { path: `${path}${suffixes[does]}`, query: joined(own, checkedQuery(query)), headers },
    false,
  );
  const reply = await askAside(
    services,
    request,
    {
      target: addressing.target,
      path: addressing.path,
      method: methods[does],
      headers: withOwnHeaders(addressing, [], hops),
      body: [],
    },
    bounds.replyBytes,
  );
  const status = answeredWith(reply, upstream.credential);
  // Not every server can cancel, or list what was asked: that it has no such path says nothing of the reply.
  const gone = status === 404 && (does === 'get' || does === 'delete');
  if (gone || (does === 'delete' && status < 300)) await services.storedReplies.forget(stored);
  return new Response(reply.body, {
    status,
    headers: {
      'content-type': 'application/json',
      'x-request-id': requestId,
      ...waitHeader(status, retryAfterOf(reply.headers.get('retry-after'), services.clock.now())),
    },
  });
}

/** The status of a reply that may be shown: a whole one, in JSON, which is an answer or blames the caller. */
function answeredWith({ status, body, cut, fault }: TrialReply, credential: string | undefined): number {
  const told = status !== undefined && ((status >= 200 && status < 300) || (status >= 400 && status < 500));
  if (!told || cut || fault !== undefined || !isJson(body) || repeats(body, credential)) {
    throw new TollgateError('upstream_failed', { message: 'The upstream that keeps this response did not answer.' });
  }
  // A dead credential of ours is nothing that the caller could mend.
  if (status === 401 || status === 403) {
    throw new TollgateError('no_upstream', {
      message: 'The upstream that keeps this response refuses us at the moment.',
      retryAfterSeconds: 60,
    });
  }
  return status;
}

/** As long as the upstream asks callers to wait, in whole seconds, up to what we tell any caller. */
function waitHeader(status: number, waitMs: number | undefined): Record<string, string> {
  if (status < 400 || waitMs === undefined) return {};
  const seconds = Math.min(RETRY_AFTER_MAX_SECONDS, Math.ceil(waitMs / 1_000));
  return { 'retry-after': String(Math.max(1, seconds)) };
}

const unknown = (): TollgateError =>
  new TollgateError('not_found', { message: 'There is no such response here, or it is not yours.' });

function checkedQuery(query: string): string {
  const given = new URLSearchParams(query);
  for (const name of given.keys()) {
    if (name === 'key' || queryNames.has(name)) continue;
    throw new TollgateError('invalid_request', {
      message: `${name.slice(0, 60)}: is not served for a stored response; leave it out.`,
      field: name.slice(0, 60),
    });
  }
  // The caller's key is ours alone.
  given.delete('key');
  return given.toString();
}

/** What the vendor wants in every query (Azure's api-version), and what the caller asks. */
const joined = (own: string, asked: string): string => [own, asked].filter((part) => part !== '').join('&');

/** The upstream may have left the model since: any offer of that upstream will do. */
function offerOf({ catalog }: PipelineServices, stored: StoredReply): Offer | undefined {
  const holds = ({ upstream }: Offer) => upstream.id === stored.upstreamId && upstream.enabled;
  const own = catalog.model(stored.model)?.offers.find(holds);
  return (
    own ??
    catalog
      .models()
      .flatMap(({ offers }) => offers)
      .find(holds)
  );
}
