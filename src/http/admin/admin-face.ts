// All of /admin in one: the guarded API below /admin/v1 and the public page that describes it. The page's paths
// are a closed list; every other request goes to the API, whose routes carry their own guard.

import type { AnyElysia } from 'elysia';
import type { IdSource } from '../../core/ids.ts';
import { adminDocument, documentText } from '../openapi/documents.ts';
import type { JsonObject } from '../openapi/json.ts';
import { createDocsFace } from './docs/docs-page.ts';

export interface AdminFaceOptions {
  /** What `adminApp` returned. */
  readonly app: AnyElysia;
  readonly newId: IdSource;
  /** Schemas of the options of plugins, by component name. */
  readonly options?: () => JsonObject;
  /** Another number when the options are others. */
  readonly edition?: () => number;
}

/**
 * What the page's document gives as its version: that of the API. Strangers read it too, and which release runs here,
 * and so which of its faults are known, is for operators: `/admin/v1/health` tells them.
 */
const API_VERSION = '1';

export function adminFace(parts: AdminFaceOptions): (request: Request) => Promise<Response> {
  const { app, newId, options, edition = () => 0 } = parts;
  const docs = createDocsFace({
    newId,
    edition,
    document: async () => documentText(await adminDocument(app, API_VERSION, options?.())),
  });
  return async (request) => {
    const pathStart = request.url.indexOf('/', 8);
    const queryStart = request.url.indexOf('?', pathStart);
    const path = queryStart < 0 ? request.url.slice(pathStart) : request.url.slice(pathStart, queryStart);
    return (await docs(request, path)) ?? (await app.handle(request));
  };
}
