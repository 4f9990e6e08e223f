// /v1: the client API. Routes take the raw request and return a Response; the pipeline does all the rest.

import { Elysia } from 'elysia';
import { TollgateError } from '../../core/errors.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { clientError } from '../client-error.ts';
import { prefixes, servedPaths } from './served-paths.ts';
import type { ModelList } from '../../pipeline/model-list.ts';

export interface ProxyServices {
  readonly pipeline: Pipeline;
  readonly models: ModelList;
  /** The socket peer's address, normalised. */
  peerOf(request: Request): string;
}

export function proxyRoutes(services: ProxyServices) {
  const { pipeline, models, peerOf } = services;
  const app = new Elysia({ name: 'proxy' });
  for (const [path, protocol] of servedPaths) {
    app.post(path, ({ request }) => pipeline.serve(request, protocol, peerOf(request)), { parse: 'none' });
  }
  for (const prefix of prefixes) {
    app
      .get(`${prefix}/models`, ({ request }) => answered(() => models.list(request, peerOf(request))))
      .get(`${prefix}/models/*`, ({ request, params }) =>
        answered(() => models.one(request, peerOf(request), decoded(params['*']))),
      );
  }
  return app.onError(({ code, request }) => {
    if (code === 'NOT_FOUND')
      return clientError('not_found', {
        message: `There is no ${request.method} at this path. See /v1/models for a start.`,
      });
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
