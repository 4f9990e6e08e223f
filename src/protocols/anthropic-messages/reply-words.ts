// Words of a reply of Anthropic's that its whole form and its stream share.

import type { Citation, JsonObject, JsonValue, Signature } from '../../plugin/conversation.ts';
import type { Stop } from '../../plugin/conversation-reply.ts';
import { sealSignature } from '../translation/signature-envelope.ts';

export function stopReason(stop: Stop): string {
  switch (stop.kind) {
    case 'end':
      return 'end_turn';
    case 'stop-sequence':
      return 'stop_sequence';
    case 'length':
      return 'max_tokens';
    case 'context-window':
      return 'model_context_window_exceeded';
    case 'tool-calls':
      return 'tool_use';
    // Cut by a filter, or spoilt: what came is not to be taken for an answer.
    case 'error':
    case 'content-filter':
    case 'refusal':
      return 'refusal';
    case 'pause':
      return 'pause_turn';
  }
}

export const messageId = (id: string | undefined, newId: () => string): string =>
  id !== undefined && id.startsWith('msg_') ? id : `msg_${newId()}`;

/** Its own as it is; another's in an envelope, that comes back to whom it belongs. */
export const signatureText = (signature: Signature): string =>
  signature.protocol === 'anthropic-messages' ? signature.value : sealSignature(signature);

export const isRedacted = (signature: Signature | undefined): signature is Signature =>
  signature?.protocol === 'anthropic-messages' && signature.form === 'redacted';

/** Anthropic cites web pages out of its own search alone: another's page is one of such results. */
export function citationJson({ url, title, citedText, native }: Citation): JsonValue | undefined {
  if (native?.protocol === 'anthropic-messages') return native.value;
  if (url === undefined) return undefined;
  const location: JsonObject = {
    type: 'web_search_result_location',
    url,
    title: title ?? null,
    cited_text: citedText ?? '',
    encrypted_index: '',
  };
  return location;
}
