// Words of a reply of Anthropic's that its whole form and its stream share.

import type { Citation, JsonObject, JsonValue, Signature } from '../../plugin/conversation.ts';
import type { Stop } from '../../plugin/conversation-reply.ts';
import { sealSignature, signatureTextFor } from '../translation/signature-envelope.ts';
import { own } from './parse-content.ts';

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
    // Cut by a filter, or failed without a word: what came is not to be taken for an answer.
    case 'content-filter':
    case 'refusal':
    case 'error':
      return 'refusal';
    case 'pause':
      return stop.native === 'compaction' ? stop.native : 'pause_turn';
  }
}

export const messageId = (id: string | undefined, newId: () => string): string =>
  id !== undefined && id.startsWith('msg_') ? id : `msg_${newId()}`;

export const signatureText = (signature: Signature): string => signatureTextFor(own, signature);

/** A call has no place for a signature: it goes with thinking that is empty, in an envelope that names the call. */
export const callSignature = (signature: Signature, callId: string): string =>
  sealSignature({ ...signature, id: signature.id ?? callId });

/** The model called by itself, and not a program that it wrote. */
export const calledDirectly: JsonObject = { type: 'direct' };

/** Thinking that is shown to nobody. */
export const isRedacted = (signature: Signature | undefined): signature is Signature =>
  signature?.protocol === own && signature.form === 'redacted';

/** Anthropic cites web pages out of its own search alone: another's page is one of such results. */
export function citationJson({ url, title, citedText, native }: Citation): JsonValue | undefined {
  if (native?.protocol === own) return native.value;
  if (url === undefined) return undefined;
  return {
    type: 'web_search_result_location',
    url,
    title: title ?? null,
    cited_text: citedText ?? '',
    encrypted_index: '',
  };
}
