// Words of a chat reply that its whole form and its stream share.

import type { Citation, JsonObject, Signature } from '../../plugin/conversation.ts';
import type { Stop, TokenLogprob } from '../../plugin/conversation-reply.ts';
import { sealSignature, signatureTextFor } from '../translation/signature-envelope.ts';

/** OpenAI's five words. What they do not say stands in `native_finish_reason` beside them. */
export function finishReason(stop: Stop): 'stop' | 'length' | 'tool_calls' | 'content_filter' {
  switch (stop.kind) {
    case 'end':
    case 'stop-sequence':
      return 'stop';
    case 'length':
    case 'context-window':
    // Not finished, and not at fault either: whoever reads `length` sends the turn back to go on.
    case 'pause':
      return 'length';
    case 'tool-calls':
      return 'tool_calls';
    case 'content-filter':
    case 'refusal':
    case 'error':
      return 'content_filter';
  }
}

/** What `finish_reason` cannot tell: the upstream's own word, and the stop sequence that was met. */
export function stopBeside(stop: Stop): JsonObject {
  return {
    ...(stop.native === '' ? {} : { native_finish_reason: stop.native }),
    ...(stop.sequence === undefined ? {} : { stop_reason: stop.sequence }),
  };
}

const tiers: ReadonlySet<string> = new Set(['auto', 'default', 'flex', 'scale', 'priority', 'fast']);

/** Clients check it against their list, which has no other vendor's words. */
export const tierBeside = (tier: string | undefined): JsonObject =>
  tier !== undefined && tiers.has(tier) ? { service_tier: tier } : {};

export const googleSigned = (signature: Signature): JsonObject => ({
  google: {
    thought_signature: signatureTextFor('gemini-generate', signature),
  },
});

/** OpenRouter's form of thinking that has a proof: clients that know it send it back. */
export const signedThinking = (text: string, signature: Signature): JsonObject => ({
  type: signature.form === 'signature' ? 'reasoning.text' : 'reasoning.encrypted',
  ...(signature.form === 'signature'
    ? { text, signature: sealSignature(signature) }
    : { data: sealSignature(signature) }),
});

export function urlCitation({ url, title, start, end }: Citation): JsonObject | undefined {
  if (url === undefined) return undefined;
  return {
    type: 'url_citation',
    url_citation: { url, title: title ?? url, start_index: start ?? 0, end_index: end ?? 0 },
  };
}

export const logprobJson = ({ token, logprob, bytes, top }: TokenLogprob): JsonObject => ({
  token,
  logprob,
  bytes: bytes ?? null,
  top_logprobs: top.map((each) => ({ token: each.token, logprob: each.logprob, bytes: each.bytes ?? null })),
});
