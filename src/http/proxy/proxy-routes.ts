// /v1 and /v1beta: the client API. Routes take the raw request and return a Response; the pipeline does all the rest.

import { Elysia } from 'elysia';
import { TollgateError } from '../../core/errors.ts';
import type { ModelList } from '../../pipeline/model-list.ts';
import type { StoredReplyRelay, StoredReplyRequest } from '../../pipeline/stored-replies.ts';
import type { Protocol } from '../../plugin/protocol.ts';
import { protocolOf } from '../../protocols/protocols.ts';
import { clientError } from '../client-error.ts';
import { decoded, fixedPaths, prefixes, protocolAt } from './served-paths.ts';

export interface ProxyServices {
  /** Serves the POST that `servedCall` finds for a path; undefined where it finds none. */
  readonly served: (path: string, query: string) => ServedAnswer | undefined;
  readonly models: ModelList;
  readonly storedReplies: StoredReplyRelay;
  /** The socket peer's address, normalised. */
  peerOf(request: Request): string;
}

/** As the routes of a stored reply are called. */
interface Call {
  readonly request: Request;
  readonly params: Readonly<Record<string, string | undefined>>;
}

export type ServedAnswer = (request: Request, peer: string) => Promise<Response>;

export function proxyRoutes(services: ProxyServices) {
  const { served, models, storedReplies, peerOf } = services;
  const app = new Elysia({ name: 'proxy' });
  const post = ({ request }: { readonly request: Request }) => {
    const { pathname, search } = new URL(request.url);
    const answer = served(pathname, search.slice(1));
    return answer === undefined ? nothingHere(request) : answer(request, peerOf(request));
  };
  for (const path of fixedPaths.keys()) app.post(path, post, { parse: 'none' });
  for (const path of ['/v1/models/*', '/v1beta/models/*', '/openai/deployments/*'])
    app.post(path, post, { parse: 'none' });
  // Azure's clients ask for their lists, and for replies, beside the deployments, without the version.
  const besideDeployments = [...prefixes, '/openai'];
  for (const prefix of besideDeployments) {
    app
      .get(`${prefix}/models`, ({ request }) =>
        answered(request, (protocol) => models.list(request, protocol, peerOf(request))),
      )
      .get(`${prefix}/models/*`, ({ request, params }) =>
        answered(request, (protocol) => models.one(request, protocol, peerOf(request), decoded(params['*']))),
      );
  }
  const gemini = protocolOf('gemini-generate');
  app
    .get('/v1beta/models', ({ request }) => answered(request, () => models.list(request, gemini, peerOf(request))))
    .get('/v1beta/models/*', ({ request, params }) =>
      answered(request, () => models.one(request, gemini, peerOf(request), decoded(params['*']))),
    );
  const kept = (does: StoredReplyRequest['does']) => (call: Call) =>
    answered(call.request, (protocol) => {
      const { search } = new URL(call.request.url);
      // The router has decoded it: once more, and an id with a percent sign would be another.
      const asked = { id: call.params['id'] ?? '', does, query: search.slice(1) };
      return storedReplies(call.request, protocol, peerOf(call.request), asked);
    });
  for (const prefix of besideDeployments) {
    app
      .get(`${prefix}/responses/:id`, kept('get'))
      .delete(`${prefix}/responses/:id`, kept('delete'))
      .post(`${prefix}/responses/:id/cancel`, kept('cancel'), { parse: 'none' })
      .get(`${prefix}/responses/:id/input_items`, kept('list-input'));
  }
  return app.onError(({ code, request }) => {
    if (code === 'NOT_FOUND') return nothingHere(request);
    return clientError('internal_error', { message: 'Tollgate failed to serve this request.' }, protocolFor(request));
  });
}

const protocolFor = (request: Request): Protocol => protocolAt(new URL(request.url).pathname, request.headers);

const nothingHere = (request: Request): Response =>
  clientError(
    'not_found',
    { message: `There is no ${request.method} at this path. See /v1/models for a start.` },
    protocolFor(request),
  );

async function answered(
  request: Request,
  respond: (protocol: Protocol) => Response | Promise<Response>,
): Promise<Response> {
  const protocol = protocolFor(request);
  try {
    return await respond(protocol);
  } catch (error) {
    if (error instanceof TollgateError) return clientError(error.code, error.details, protocol);
    return clientError('internal_error', { message: 'Tollgate failed to serve this request.' }, protocol);
  }
}
