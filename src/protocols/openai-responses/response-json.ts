// The object of a response, whole or at a stage of its stream: what it repeats of the request, and its items.

import type { ReplyContext } from '../../plugin/codec.ts';
import type { Citation, JsonObject, JsonValue, Signature } from '../../plugin/conversation.ts';
import type { ReplyHead, Stop, TokenLogprob } from '../../plugin/conversation-reply.ts';
import type { UsageParts } from '../../plugin/usage.ts';
import { isObject, parsedJson } from '../json-fields.ts';
import { signatureTextFor } from '../translation/signature-envelope.ts';
import { calledName } from './namespaces.ts';
import { renderText, renderToolChoice, toolJson } from './render-request.ts';
import { responseUsage } from './usage-block.ts';

export type ResponseStatus = 'in_progress' | 'completed' | 'incomplete' | 'failed';

interface ResponseMore {
  readonly stop?: Stop;
  readonly usage?: UsageParts | undefined;
  readonly error?: JsonObject;
}

/** `head` says what the upstream said of itself; its id is `responseId`'s. */
export function responseJson(
  head: ReplyHead & { readonly id: string },
  context: ReplyContext,
  status: ResponseStatus,
  output: readonly JsonValue[],
  { stop, usage, error }: ResponseMore = {},
): JsonObject {
  const { request } = context;
  const reason = incompleteReason(stop);
  const { thinking } = request;
  return {
    id: head.id,
    object: 'response',
    created_at: context.createdAt,
    status,
    access_programs: null,
    background: false,
    error: error ?? null,
    incomplete_details: status === 'incomplete' && reason !== undefined ? { reason } : null,
    instructions: null,
    max_output_tokens: request.outputLimit ?? null,
    metadata: request.metadata ?? {},
    model: request.model,
    output,
    parallel_tool_calls: request.parallelToolCalls ?? true,
    previous_response_id: null,
    reasoning: {
      effort: thinking?.mode === 'off' ? 'none' : (thinking?.effort ?? null),
      summary: thinking?.summary ?? null,
    },
    service_tier: serviceTier(head.serviceTier),
    store: false,
    temperature: request.temperature ?? 1,
    text: renderText(request) ?? { format: { type: 'text' } },
    tool_choice: renderToolChoice(request) ?? 'auto',
    tools: request.tools.map(toolJson),
    top_p: request.topP ?? 1,
    truncation: 'disabled',
    usage: usage === undefined ? null : responseUsage(usage),
  };
}

const serviceTiers: ReadonlySet<string> = new Set([
  'auto',
  'default',
  'flex',
  'scale',
  'priority',
  'fast',
  'ultrafast',
]);

/** Clients check it against their list. */
const serviceTier = (tier: string | undefined): string =>
  tier !== undefined && serviceTiers.has(tier) ? tier : 'default';

/** What a response that is not complete lacks, by its two words. */
export function incompleteReason(stop: Stop | undefined): 'max_output_tokens' | 'content_filter' | undefined {
  switch (stop?.kind) {
    case 'length':
    case 'context-window':
    case 'pause':
      return 'max_output_tokens';
    case 'content-filter':
    case 'refusal':
    case 'error':
      return 'content_filter';
    default:
      return undefined;
  }
}

/** `status` of a response that is over. */
export const endStatus = (stop: Stop): 'completed' | 'incomplete' =>
  incompleteReason(stop) === undefined ? 'completed' : 'incomplete';

export const responseId = (id: string | undefined, context: ReplyContext): string =>
  id !== undefined && id.startsWith('resp_') ? id : `resp_${context.newId()}`;

export const sealedText = (signature: Signature): string => signatureTextFor('openai-responses', signature);

export const textPart = (
  text: string,
  annotations: readonly JsonValue[],
  logprobs: readonly JsonValue[],
): JsonObject => ({
  type: 'output_text',
  annotations,
  logprobs,
  text,
});

export const refusalPart = (refusal: string): JsonObject => ({ type: 'refusal', refusal });

export const messageItem = (id: string, status: string, content: readonly JsonObject[]): JsonObject => ({
  id,
  type: 'message',
  status,
  content,
  role: 'assistant',
});

export const reasoningItem = (id: string, text: string, sealed: string | undefined): JsonObject => ({
  id,
  type: 'reasoning',
  summary: text === '' ? [] : [{ type: 'summary_text', text }],
  ...(sealed === undefined ? {} : { encrypted_content: sealed }),
});

/** A call whose arguments broke off is marked, so that no client runs it. */
export function callItem(
  { id, callId, name, custom }: { id: string; callId: string; name: string; custom: boolean },
  text: string,
  began: boolean,
  { request }: ReplyContext,
): JsonObject {
  const status = began ? 'in_progress' : custom || parsedJson(text) !== undefined ? 'completed' : 'incomplete';
  const called = calledName(name, request.tools);
  return custom
    ? { id, type: 'custom_tool_call', status, input: text, call_id: callId, ...called }
    : { id, type: 'function_call', status, arguments: text, call_id: callId, ...called };
}

export function urlAnnotation({ url, title, start, end, native }: Citation): JsonObject | undefined {
  if (native?.protocol === 'openai-responses' && isObject(native.value)) return native.value;
  if (url === undefined) return undefined;
  return { type: 'url_citation', start_index: start ?? 0, end_index: end ?? 0, title: title ?? url, url };
}

/** The bytes are a token's UTF-8 where the upstream did not say them. */
const oneLogprob = ({ token, logprob, bytes }: Omit<TokenLogprob, 'top'>): JsonObject => ({
  token,
  logprob,
  bytes: bytes ?? [...Buffer.from(token)],
});

export const logprobJson = (said: TokenLogprob): JsonObject => ({
  ...oneLogprob(said),
  top_logprobs: said.top.map(oneLogprob),
});
