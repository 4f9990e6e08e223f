// count_tokens: how many input tokens a request would have, for nothing. The vendor counts where the upstream speaks
// the client's protocol and has a count of its own; else we do, over system, messages and tools, and are near the
// truth. Agents ask for many counts at once, so that these wait for each other and are not limited like completions.

import { bounds } from '../core/bounds.ts';
import { TollgateError } from '../core/errors.ts';
import type { ErrorCode, ErrorDetails } from '../core/errors.ts';
import { fieldSet, readString, scanBody, scanObject } from '../core/json-scan.ts';
import type { Offer } from '../domain/catalog/catalog.ts';
import type { JsonValue } from '../plugin/conversation.ts';
import type { ProtocolName } from '../plugin/operations.ts';
import type { BodyEdit, Protocol, RequestFacts, RequestLine, Span } from '../plugin/protocol.ts';
import { isList, isObject, numberOf, objectOf, parsedJson } from '../protocols/json-fields.ts';
import { rewriteBody } from '../protocols/rewrite-body.ts';
import { admit } from './admit.ts';
import { relayedHeaders, resolveAddressing, withOwnHeaders } from './addressing.ts';
import { authenticate } from './authenticate.ts';
import { askAside, createAccountShare } from './aside.ts';
import type { Admitted, Authenticated, Received } from './exchange.ts';
import { bodyOf } from './read.ts';
import { repeats } from './passable.ts';
import { receive } from './receive.ts';
import { RequestBody } from './request-body.ts';
import { permitted } from './route.ts';
import type { PipelineServices } from './services.ts';

export type TokenCounts = (request: Request, protocol: Protocol, peer: string, line: RequestLine) => Promise<Response>;

/** What a picture or a page is taken for where nobody looks into it. */
const MEDIA_TOKENS = 1_500;
const WAITING_MAX = 256;
/** Counts of an account at once: agents ask for one for each of their tools. */
const ACCOUNT_COUNTS_MAX = 64;
/** Whoever has waited so long is told what the bytes say, at once. */
const EXACT_WITHIN_MS = 10_000;
/** Characters, so that a slice of them stays below what the tokenizer takes in bytes. */
const SLICE_LENGTH = 64 * 1024;
const SLICES_MAX = 64;
const modelField = fieldSet('model');
/** A whole Gemini request to be counted, which names the model once more. */
const wrapperNames = ['generateContentRequest', 'generate_content_request'] as const;
const wrappedFields = fieldSet(...wrapperNames);

export function createTokenCounts(services: PipelineServices): TokenCounts {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  /** One after the other: the tokenizer's thread takes few at once. */
  const inTurn = async <T>(count: () => Promise<T>): Promise<T> => {
    if (waiting >= WAITING_MAX) {
      throw new TollgateError('rate_limited', {
        message: `More than ${WAITING_MAX} token counts are waiting. Try again.`,
        retryAfterSeconds: 1,
      });
    }
    waiting += 1;
    const turn = last.then(count);
    last = turn.catch(() => undefined);
    return turn.finally(() => (waiting -= 1));
  };
  const share = createAccountShare(ACCOUNT_COUNTS_MAX, 'token counts');
  const counted = async (authenticated: Authenticated) => {
    const { protocol, line, requestId, request, startedMs } = authenticated;
    const body = await bodyOf(services, authenticated);
    const admitted = await admit(services, {
      ...authenticated,
      body: new RequestBody(body),
      facts: factsOf(body, line),
    });
    const isWorthIt = () => !request.signal.aborted && services.clock.monotonicMs() - startedMs < EXACT_WITHIN_MS;
    const byVendor = await countedByVendor(services, admitted, body, isWorthIt);
    if (byVendor !== undefined) return byVendor;
    const { text, media } = countable(body, protocol.name);
    const total = (await inTurn(() => countedHere(services, text, isWorthIt))) + media * MEDIA_TOKENS;
    return Response.json(protocol.name === 'gemini-generate' ? { totalTokens: total } : { input_tokens: total }, {
      headers: { 'x-request-id': requestId },
    });
  };
  return async (request, protocol, peer, line) => {
    let received: Received | undefined;
    try {
      received = receive(services, request, protocol, peer, line);
      const authenticated = authenticate(services, received);
      return await share(authenticated, () => counted(authenticated));
    } catch (error) {
      const id = received?.requestId ?? services.newId('req');
      if (error instanceof TollgateError) return refusal(protocol, id, error.code, error.details);
      services.log.error('defect', { request: id, detail: error instanceof Error ? error.stack : String(error) });
      return refusal(protocol, id, 'internal_error', { message: 'Tollgate failed to count these tokens.' });
    }
  };
}

function refusal(protocol: Protocol, requestId: string, code: ErrorCode, details: ErrorDetails): Response {
  const { status, headers, body } = protocol.renderError(code, details, requestId);
  return new Response(body, {
    status,
    headers: { ...Object.fromEntries(headers), 'content-type': 'application/json', 'x-request-id': requestId },
  });
}

/** In slices that the tokenizer takes; what it does not count is taken for a quarter of its bytes. */
async function countedHere(
  { tokens }: PipelineServices,
  text: string,
  isWorthIt: () => boolean,
): Promise<number> {
  let total = 0;
  for (let start = 0; start < text.length; start += SLICE_LENGTH) {
    const slice = Buffer.from(text.slice(start, start + SLICE_LENGTH));
    const counted = start < SLICE_LENGTH * SLICES_MAX && isWorthIt() ? await tokens.exactly(slice) : undefined;
    total += counted ?? Math.ceil(slice.byteLength / 4);
  }
  return total;
}

/** Only the model matters: the rest is the counter's business. */
function factsOf(body: Uint8Array, line: RequestLine): RequestFacts {
  const span = scanBody(body, modelField).spans.get('model');
  const stated = span === undefined ? undefined : readString(body, span, 'model', bounds.modelNameLength);
  const model = line.model ?? stated;
  if (model === undefined || model === '') {
    throw new TollgateError('invalid_request', {
      message: 'model: is missing; name the model to use.',
      field: 'model',
    });
  }
  return {
    model,
    modelSpan: line.model === undefined ? span : undefined,
    stream: false,
    outputLimit: undefined,
    choices: 1,
    inputBound: body.length,
    wantsUsage: false,
    forceUsage: undefined,
  };
}

/** Undefined where no upstream of the model counts in this protocol, or where it did not. */
async function countedByVendor(
  services: PipelineServices,
  admitted: Admitted,
  body: Uint8Array,
  isWorthIt: () => boolean,
): Promise<Response | undefined> {
  const { protocol, model } = admitted;
  const speaking = model.offers.filter(
    ({ upstream }) =>
      upstream.enabled && upstream.provider.speaks[protocol.operation]?.includes(protocol.name) === true,
  );
  // A prompt goes to no upstream that a policy denies it, not to be counted either.
  const asks = services.compliance.asks('use', 'upstream');
  for (const offer of asks ? await permitted(services, admitted, speaking) : speaking) {
    const reply = isWorthIt() ? await asked(services, admitted, offer, body) : undefined;
    if (reply !== undefined) return reply;
  }
  return undefined;
}

async function asked(
  services: PipelineServices,
  { protocol, facts, request, requestId, hops }: Admitted,
  offer: Offer,
  body: Uint8Array,
): Promise<Response | undefined> {
  const { upstream, model } = offer;
  const call = { operation: protocol.operation, protocol: protocol.name, model, stream: false } as const;
  const addressing = upstream.provider.countTokens?.(call, upstream.credential);
  if (addressing === undefined) return undefined;
  const resolved = resolveAddressing(offer, addressing, false);
  const edits: BodyEdit[] = [];
  if (model !== facts.model && facts.modelSpan !== undefined) {
    edits.push({ span: facts.modelSpan, text: JSON.stringify(model) });
  }
  if (model !== facts.model && protocol.name === 'gemini-generate') {
    // Google wants it with its collection, and refuses one that is not the path's.
    for (const span of wrappedModels(body)) edits.push({ span, text: JSON.stringify(`models/${model}`) });
  }
  const reply = await askAside(
    services,
    request,
    {
      target: resolved.target,
      path: resolved.path,
      method: 'POST',
      headers: withOwnHeaders(resolved, relayedHeaders(request.headers, protocol.relayedHeaders), hops),
      body: rewriteBody(body, edits),
    },
    bounds.errorBodyBytes,
  );
  const text = Buffer.from(reply.body).toString('utf8');
  const count = objectOf(parsedJson(text));
  const known = numberOf(count['input_tokens']) ?? numberOf(count['totalTokens']);
  if (reply.status !== 200 || reply.cut || reply.fault !== undefined || known === undefined) return undefined;
  if (repeats(reply.body, upstream.credential)) return undefined;
  return new Response(text, { headers: { 'content-type': 'application/json', 'x-request-id': requestId } });
}

function wrappedModels(body: Uint8Array): readonly Span[] {
  const { spans } = scanBody(body, wrappedFields);
  return wrapperNames.flatMap((name) => {
    const wrapped = spans.get(name);
    if (wrapped === undefined || body[wrapped.start] !== 0x7b) return [];
    const model = scanObject(body, wrapped, modelField, name).spans.get('model');
    return model === undefined ? [] : [model];
  });
}

/** Texts of all that a model would read, and how many pictures, sounds and documents are among it. */
function countable(body: Uint8Array, protocol: ProtocolName): { readonly text: string; readonly media: number } {
  const texts: string[] = [];
  let media = 0;
  const walk = (value: JsonValue | undefined): void => {
    if (typeof value === 'string') texts.push(value);
    else if (isList(value)) value.forEach(walk);
    else if (isObject(value)) {
      const holdsData = 'data' in value && ('media_type' in value || 'mimeType' in value || 'mime_type' in value);
      if (holdsData || value['type'] === 'base64' || value['type'] === 'url') media += 1;
      else for (const each of Object.values(value)) walk(each);
    }
  };
  const parsed = objectOf(parsedJson(Buffer.from(body).toString('utf8')));
  const wrapped = parsed['generateContentRequest'] ?? parsed['generate_content_request'];
  const asked = isObject(wrapped) ? wrapped : parsed;
  const turns = protocol === 'gemini-generate' ? 'contents' : 'messages';
  if (!isList(asked[turns]) || asked[turns].length === 0) {
    throw new TollgateError('invalid_request', {
      message: `${turns}: is missing or empty; send the turns to count, as a list.`,
      field: turns,
    });
  }
  for (const [name, value] of Object.entries(asked)) {
    if (name === 'tools') texts.push(JSON.stringify(value));
    else if (read.has(name)) walk(value);
  }
  return { text: texts.join('\n'), media };
}

/** Members of a request that are read by the model. */
const read: ReadonlySet<string> = new Set([
  'system',
  'messages',
  'contents',
  'systemInstruction',
  'system_instruction',
  'input',
  'instructions',
]);
