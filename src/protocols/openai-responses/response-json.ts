// The object of a response, whole or at a stage of its stream: what it repeats of the request, and its items.

import type { ReplyContext } from '../../plugin/codec.ts';
import type { JsonObject, JsonValue, Signature } from '../../plugin/conversation.ts';
import type { Stop } from '../../plugin/conversation-reply.ts';
import type { UsageParts } from '../../plugin/usage.ts';
import { sealSignature } from '../translation/signature-envelope.ts';
import { renderText, renderToolChoice, toolJson } from './render-request.ts';
import { responseUsage } from './usage-block.ts';

export type ResponseStatus = 'in_progress' | 'completed' | 'incomplete';

export function responseJson(
  id: string,
  context: ReplyContext,
  status: ResponseStatus,
  output: readonly JsonValue[],
  more: { readonly stop?: Stop; readonly usage?: UsageParts | undefined } = {},
): JsonObject {
  const { request } = context;
  const reason = incompleteReason(more.stop);
  const { thinking } = request;
  return {
    id,
    object: 'response',
    created_at: context.createdAt,
    status,
    background: false,
    error: null,
    incomplete_details: status === 'incomplete' && reason !== undefined ? { reason } : null,
    instructions: null,
    max_output_tokens: request.outputLimit ?? null,
    metadata: request.metadata ?? {},
    model: request.model,
    output,
    parallel_tool_calls: request.parallelToolCalls ?? true,
    previous_response_id: null,
    reasoning: { effort: thinking?.effort ?? null, summary: thinking?.summary ?? null },
    service_tier: 'default',
    store: false,
    temperature: request.temperature ?? 1,
    text: renderText(request) ?? { format: { type: 'text' } },
    tool_choice: renderToolChoice(request.toolChoice) ?? 'auto',
    tools: request.tools.map(toolJson),
    top_p: request.topP ?? 1,
    truncation: 'disabled',
    usage: more.usage === undefined ? null : responseUsage(more.usage),
  };
}

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

export const responseId = (id: string | undefined, context: ReplyContext): string =>
  id !== undefined && id.startsWith('resp_') ? id : `resp_${context.newId()}`;

/** Its own as it is; another's in an envelope, that comes back to whom it belongs. */
export const sealedText = (signature: Signature): string =>
  signature.protocol === 'openai-responses' ? signature.value : sealSignature(signature);

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

export const callItem = (
  id: string,
  callId: string,
  name: string,
  text: string,
  custom: boolean,
  status: string,
): JsonObject =>
  custom
    ? { id, type: 'custom_tool_call', status, input: text, call_id: callId, name }
    : { id, type: 'function_call', status, arguments: text, call_id: callId, name };

export function urlAnnotation({
  url,
  title,
  start,
  end,
}: {
  url?: string;
  title?: string;
  start?: number;
  end?: number;
}): JsonObject | undefined {
  if (url === undefined) return undefined;
  return { type: 'url_citation', start_index: start ?? 0, end_index: end ?? 0, title: title ?? url, url };
}
