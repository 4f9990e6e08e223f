// /v1: the client API. Routes take the raw request and return a Response; the pipeline does all the rest.

import { Elysia } from 'elysia';
import { TollgateError } from '../../core/errors.ts';
import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { Protocol } from '../../plugin/protocol.ts';
import { protocolOf } from '../../protocols/protocols.ts';
import type { ModelList } from '../../pipeline/model-list.ts';

export interface ProxyServices {
  readonly pipeline: Pipeline;
  readonly models: ModelList;
  /** The socket peer's address, normalised. */
  peerOf(request: Request): string;
}

const chat = protocolOf('openai-chat');
const completions = protocolOf('openai-completions');
const embeddings = protocolOf('openai-embeddings');

/** Some clients put their own prefix before /v1: groq-sdk asks /openai/v1. */
const prefixes = ['/v1', '/openai/v1'] as const;

/**
 * The calls that the pipeline serves, by path. The routes below are made from it, and so is the short way that the
 * server takes for them: a test holds that both answer alike.
 */
export const servedPaths: ReadonlyMap<string, Protocol> = new Map(prefixes.flatMap((prefix): [string, Protocol][] => [
  [`${prefix}/chat/completions`, chat], [`${prefix}/completions`, completions], [`${prefix}/embeddings`, embeddings],
]));

export function proxyRoutes(services: ProxyServices) {
  const { pipeline, models, peerOf } = services;
  const app = new Elysia({ name: 'proxy' });
  for (const [path, protocol] of servedPaths) {
    app.post(path, ({ request }) => pipeline.serve(request, protocol, peerOf(request)), { parse: 'none' });
  }
  for (const prefix of prefixes) {
    app
      .get(`${prefix}/models`, ({ request }) => answered(() => models.list(request, peerOf(request))))
      .get(`${prefix}/models/*`, ({ request, params }) => answered(() => models.one(request, peerOf(request), decoded(params['*']))));
  }
  return app.onError(({ code, request }) => {
    if (code === 'NOT_FOUND') return clientError('not_found', { message: `There is no ${request.method} at this path. See /v1/models for a start.` });
    return clientError('internal_error', { message: 'Tollgate failed to serve this request.' });
  });
}

async function answered(respond: () => Response | Promise<Response>): Promise<Response> {
  try {
    return await respond();
  } catch (error) {
    if (error instanceof TollgateError) return clientError(error.code, error.details);
    return clientError('internal_error', { message: 'Tollgate failed to serve this request.' });
  }
}

/** Model names may have slashes, which clients escape or not. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** An error of a request that no protocol has claimed: OpenAI's shape, which the clients of /v1 read. */
export function clientError(code: ErrorCode, details: ErrorDetails): Response {
  const requestId = newId('req');
  const error = chat.renderError(code, details, requestId);
  const headers = new Headers({ 'content-type': 'application/json', 'x-request-id': requestId });
  for (const [name, value] of error.headers) headers.set(name, value);
  return new Response(error.body, { status: error.status, headers });
}
