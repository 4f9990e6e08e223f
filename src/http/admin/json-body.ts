// Reads the JSON body of an admin request. Bounded in bytes, time and depth before anything is parsed; what
// reaches the schemas is plain JSON whose names are unique, so that no two readers of it can disagree.

import { TollgateError } from '../../core/errors.ts';

/** No admin body nests deeper than a price with its rates; 32 leaves room and stalls no parser. */
const DEPTH_MAX = 32;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;

export interface JsonBody {
  readonly bytes: Uint8Array;
  /** Null for an empty body. */
  readonly value: unknown;
}

export interface BodyLimits {
  readonly bytesMax: number;
  readonly timeoutMs: number;
}

export async function readJsonBody(request: Request, limits: BodyLimits): Promise<JsonBody> {
  checkEncoding(request.headers);
  const bytes = await readBounded(request, limits);
  if (bytes.length === 0) return { bytes, value: null };
  checkContentType(request.headers);
  return { bytes, value: parseJson(bytes) };
}

function checkEncoding(headers: Headers): void {
  const encoding = headers.get('content-encoding');
  if (encoding === null || encoding === 'identity') return;
  throw new TollgateError('encoding_unsupported', {
    message: 'content-encoding: compressed request bodies are not accepted; send the JSON as it is.',
    field: 'content-encoding',
  });
}

function checkContentType(headers: Headers): void {
  const type = headers.get('content-type') ?? '';
  if (/^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(type)) return;
  throw new TollgateError('encoding_unsupported', {
    message: 'content-type: only `application/json` in UTF-8 is accepted.',
    field: 'content-type',
  });
}

const tooLarge = (bytesMax: number) =>
  new TollgateError('body_too_large', {
    message: `The body is larger than ${bytesMax} bytes, the limit here; send less at a time.`,
  });

async function readBounded(request: Request, { bytesMax, timeoutMs }: BodyLimits): Promise<Uint8Array> {
  const declared = request.headers.get('content-length');
  if (declared !== null && Number(declared) > bytesMax) throw tooLarge(bytesMax);
  if (request.body === null) return new Uint8Array(0);
  const reader = request.body.getReader();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    reader.cancel().catch(() => {});
  }, timeoutMs);
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > bytesMax) {
        reader.cancel().catch(() => {});
        throw tooLarge(bytesMax);
      }
      chunks.push(value);
    }
  } finally {
    clearTimeout(timer);
  }
  if (timedOut) {
    throw new TollgateError('invalid_request', {
      message: `The body did not arrive within ${timeoutMs / 1000} seconds; send it again.`,
    });
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, length);
}

const invalidJson = (message: string) => new TollgateError('invalid_request', { message });

function parseJson(bytes: Uint8Array): unknown {
  const shape = scanShape(bytes);
  if (shape.depth > DEPTH_MAX) throw invalidJson(`The body nests deeper than ${DEPTH_MAX} levels, the limit here.`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw invalidJson('The body is not JSON in UTF-8; check its quotes, commas and brackets.');
  }
  // Parsers keep one of two members of the same name and nobody sees which: fewer names than colons tells.
  if (countNames(value) !== shape.colons)
    throw invalidJson('The body names a field twice in one object; name each once.');
  return value;
}

/** Depth, and colons outside of strings: in valid JSON, one for each member that is written. */
function scanShape(bytes: Uint8Array): { readonly depth: number; readonly colons: number } {
  let depth = 0;
  let depthNow = 0;
  let colons = 0;
  let inString = false;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index];
    if (inString) {
      if (byte === BACKSLASH) index += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === COLON) colons += 1;
    else if (byte === 0x7b || byte === 0x5b) depth = Math.max(depth, ++depthNow);
    else if (byte === 0x7d || byte === 0x5d) depthNow -= 1;
  }
  return { depth, colons };
}

function countNames(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + countNames(item), 0);
  return Object.values(value).reduce<number>((sum, item) => sum + 1 + countNames(item), 0);
}
