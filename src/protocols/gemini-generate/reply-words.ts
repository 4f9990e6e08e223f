// Words of a reply of Gemini's that its whole form and its stream share.

import type { Citation, JsonObject, JsonValue, MediaPart, Signature } from '../../plugin/conversation.ts';
import type { Stop, TokenLogprob } from '../../plugin/conversation-reply.ts';
import type { UsageParts } from '../../plugin/usage.ts';
import { objectOf, parsedJson } from '../json-fields.ts';
import { sealSignature } from '../translation/signature-envelope.ts';

export function finishReason(stop: Stop): string {
  switch (stop.kind) {
    case 'end':
    case 'stop-sequence':
    case 'tool-calls':
      return 'STOP';
    case 'length':
    case 'context-window':
    case 'pause':
      return 'MAX_TOKENS';
    case 'content-filter':
    case 'refusal':
      return 'SAFETY';
    case 'error':
      return 'OTHER';
  }
}

export function usageMetadata(usage: UsageParts): JsonObject {
  const cached = usage.cacheRead ?? 0;
  const written = (usage.cacheWrite5m ?? 0) + (usage.cacheWrite1h ?? 0);
  const prompt = (usage.input ?? 0) + cached + written + (usage.audioInput ?? 0) + (usage.imageInput ?? 0);
  const candidates = (usage.output ?? 0) + (usage.audioOutput ?? 0) + (usage.imageOutput ?? 0);
  const thoughts = usage.reasoning ?? 0;
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: candidates,
    totalTokenCount: prompt + candidates + thoughts,
    ...(cached > 0 ? { cachedContentTokenCount: cached } : {}),
    ...(thoughts > 0 ? { thoughtsTokenCount: thoughts } : {}),
  };
}

/** Its own as it is; another's in an envelope, that comes back to whom it belongs. */
export const signatureText = (signature: Signature): string =>
  signature.protocol === 'gemini-generate' ? signature.value : sealSignature(signature);

export const callPart = (
  id: string,
  name: string,
  text: string,
  custom: boolean,
  signature: Signature | undefined,
): JsonObject => ({
  functionCall: { id, name, args: custom ? { input: text } : objectOf(parsedJson(text)) },
  ...(signature === undefined ? {} : { thoughtSignature: signatureText(signature) }),
});

export function mediaJson({ source }: MediaPart): JsonObject | undefined {
  if (source.from === 'base64') return { inlineData: { mimeType: source.mediaType, data: source.data } };
  if (source.from !== 'url') return undefined;
  return {
    fileData: { fileUri: source.url, ...(source.mediaType === undefined ? {} : { mimeType: source.mediaType }) },
  };
}

/** Pages that were cited, as grounding; the others have no place. */
export function groundingOf(citations: readonly Citation[]): JsonObject | undefined {
  const chunks = citations.flatMap(({ url, title }) =>
    url === undefined ? [] : [{ web: { uri: url, title: title ?? url } }],
  );
  return chunks.length === 0 ? undefined : { groundingChunks: chunks };
}

export const logprobsResult = (tokens: readonly TokenLogprob[]): JsonObject => ({
  chosenCandidates: tokens.map(tokenJson),
  topCandidates: tokens.map(({ top }): JsonValue => ({ candidates: top.map(tokenJson) })),
});

const tokenJson = ({ token, logprob }: Pick<TokenLogprob, 'token' | 'logprob'>): JsonObject => ({
  token,
  logProbability: logprob,
});
