// All of /admin in one: the guarded API below /admin/v1 and the public page that describes it. The page's paths
// are a closed list; every other request goes to the API, whose routes carry their own guard.

import type { AnyElysia } from 'elysia';
import type { IdSource } from '../../core/ids.ts';
import { adminDocument, documentText } from '../openapi/documents.ts';
import { createDocsFace } from './docs/docs-page.ts';

export interface AdminFaceOptions {
  /** What `adminApp` returned. */
  readonly app: AnyElysia;
  readonly version: string;
  readonly newId: IdSource;
}

export function adminFace({ app, version, newId }: AdminFaceOptions): (request: Request) => Promise<Response> {
  const docs = createDocsFace({ newId, document: async () => documentText(await adminDocument(app, version)) });
  return async (request) => {
    const pathStart = request.url.indexOf('/', 8);
    const queryStart = request.url.indexOf('?', pathStart);
    const path = queryStart < 0 ? request.url.slice(pathStart) : request.url.slice(pathStart, queryStart);
    return (await docs(request, path)) ?? (await app.handle(request));
  };
}
