// /admin/docs: Swagger UI from inside the executable. Nothing is fetched from elsewhere, no script stands
// inside the page, and nothing is read or compressed before somebody asks for it.

import bundlePath from 'swagger-ui-dist/swagger-ui-bundle.js' with { type: 'file' };
import stylePath from 'swagger-ui-dist/swagger-ui.css' with { type: 'file' };
import type { IdSource } from '../../../core/ids.ts';
import { sha256Hex } from '../../../core/secrets.ts';
import { problemResponse } from '../../problem.ts';

export const docsPath = '/admin/docs';

export interface DocsServices {
  readonly newId: IdSource;
  /** The admin API's document as JSON text; asked once an edition, when somebody first opens it. */
  readonly document: () => Promise<string>;
  /** Another number when the document is another one. */
  readonly edition: () => number;
}

/** Answers the docs' own paths; undefined for every other path. */
export type DocsFace = (request: Request, path: string) => Promise<Response | undefined>;

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>Tollgate admin API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${docsPath}/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="${docsPath}/swagger-ui-bundle.js"></script>
<script src="${docsPath}/init.js"></script>
</body>
</html>
`;

const initScript = `window.ui = SwaggerUIBundle({
  url: '${docsPath}/openapi.json',
  dom_id: '#swagger-ui',
  validatorUrl: null,
  queryConfigEnabled: false,
  deepLinking: true,
  persistAuthorization: true,
  displayRequestDuration: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
});
`;

/**
 * Own scripts, own styles, calls to this gateway. Swagger UI sets style attributes and draws its icons from
 * data URLs.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const pageHeaders = {
  'cache-control': 'no-cache',
  'content-security-policy': contentSecurityPolicy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

interface Part {
  readonly contentType: string;
  readonly read: () => Promise<Uint8Array<ArrayBuffer>>;
  /** Of what is made here and not read from a file: making it costs more than keeping it. */
  readonly isKept: boolean;
  readonly edition: () => number;
}

const oneEdition = () => 0;

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const fromText = (contentType: string, text: () => Promise<string>, edition = oneEdition): Part => ({
  contentType,
  read: async () => bytesOf(await text()),
  isKept: true,
  edition,
});
const fromFile = (contentType: string, path: string): Part => ({
  contentType,
  read: async () => new Uint8Array(await Bun.file(path).arrayBuffer()),
  isKept: false,
  edition: oneEdition,
});

export function createDocsFace({ newId, document, edition }: DocsServices): DocsFace {
  const parts: ReadonlyMap<string, Part> = new Map([
    [docsPath, fromText('text/html; charset=utf-8', async () => page)],
    [`${docsPath}/`, fromText('text/html; charset=utf-8', async () => page)],
    [`${docsPath}/init.js`, fromText('text/javascript; charset=utf-8', async () => initScript)],
    [`${docsPath}/openapi.json`, fromText('application/json', document, edition)],
    [`${docsPath}/swagger-ui-bundle.js`, fromFile('text/javascript; charset=utf-8', bundlePath)],
    [`${docsPath}/swagger-ui.css`, fromFile('text/css; charset=utf-8', stylePath)],
  ]);
  const prepare = preparedOnceAnEdition();
  return async (request, path) => {
    const part = parts.get(path);
    if (part === undefined) return undefined;
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return problemResponse('method_not_allowed', { message: 'This path takes GET.' }, newId('req'), {
        allow: 'GET, HEAD',
      });
    }
    return answer(request, part, await prepare(path, part));
  };
}

interface Prepared {
  readonly zipped: Uint8Array<ArrayBuffer>;
  readonly plain: Uint8Array<ArrayBuffer> | undefined;
  readonly etag: string;
}

/** Made and zipped once an edition and kept so, since strangers may ask; what fails is tried again. */
function preparedOnceAnEdition(): (path: string, part: Part) => Promise<Prepared> {
  const known = new Map<string, { readonly edition: number; readonly prepared: Promise<Prepared> }>();
  return (path, part) => {
    const edition = part.edition();
    const last = known.get(path);
    if (last?.edition === edition) return last.prepared;
    const next = { edition, prepared: zip(part) };
    known.set(path, next);
    next.prepared.catch(() => {
      if (known.get(path) === next) known.delete(path);
    });
    return next.prepared;
  };
}

/** On another thread. Loaded with the first page: who never opens one has no memory for it to spare. */
function gzipAside(bytes: Uint8Array): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  process.getBuiltinModule('node:zlib').gzip(bytes, (error, zipped) => {
    if (error === null) resolve(zipped);
    else reject(error);
  });
  return promise;
}

async function zip(part: Part): Promise<Prepared> {
  const bytes = await part.read();
  const plain = part.isKept ? bytes : undefined;
  return { zipped: new Uint8Array(await gzipAside(bytes)), plain, etag: `"${sha256Hex(bytes).slice(0, 32)}"` };
}

async function answer(request: Request, part: Part, { zipped, plain, etag }: Prepared): Promise<Response> {
  const headers = { ...pageHeaders, 'content-type': part.contentType, vary: 'accept-encoding', etag };
  if (request.headers.get('if-none-match') === etag) return new Response(null, { status: 304, headers });
  const body = request.method === 'HEAD' ? null : undefined;
  if (!/\bgzip\b/.test(request.headers.get('accept-encoding') ?? ''))
    return new Response(body ?? plain ?? (await part.read()), { headers });
  return new Response(body ?? zipped, { headers: { ...headers, 'content-encoding': 'gzip' } });
}
