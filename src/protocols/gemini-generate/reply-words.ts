// Words of a Gemini reply that its whole form, its stream and their readers share.

import type { Citation, JsonObject, JsonValue, MediaPart, MediaSource, Signature } from '../../plugin/conversation.ts';
import type { Stop, StopKind, TokenLogprob } from '../../plugin/conversation-reply.ts';
import { listOf, numberOf, objectOf, stringOf } from '../json-fields.ts';
import { openSignature, signatureTextFor } from '../translation/signature-envelope.ts';

const stops: Readonly<Record<string, StopKind>> = {
  STOP: 'end',
  MAX_TOKENS: 'length',
  CONTINUATION: 'length',
  SAFETY: 'content-filter',
  RECITATION: 'content-filter',
  LANGUAGE: 'content-filter',
  BLOCKLIST: 'content-filter',
  PROHIBITED_CONTENT: 'content-filter',
  SPII: 'content-filter',
  MODEL_ARMOR: 'content-filter',
  JAILBREAK: 'content-filter',
  IMAGE_SAFETY: 'content-filter',
  IMAGE_PROHIBITED_CONTENT: 'content-filter',
  IMAGE_RECITATION: 'content-filter',
  MALFORMED_FUNCTION_CALL: 'error',
  UNEXPECTED_TOOL_CALL: 'error',
  TOO_MANY_TOOL_CALLS: 'error',
  MISSING_THOUGHT_SIGNATURE: 'error',
  MALFORMED_RESPONSE: 'error',
  NO_IMAGE: 'error',
  IMAGE_OTHER: 'error',
  OTHER: 'error',
};

const stopKindOf = (reason: string): StopKind | undefined => (Object.hasOwn(stops, reason) ? stops[reason] : undefined);

/** A reason that came after these was written says at least that the end was not the ordinary one. */
export function stopOf(reason: string, calls: boolean): Stop {
  const kind = stopKindOf(reason) ?? 'content-filter';
  return { kind: kind === 'end' && calls ? 'tool-calls' : kind, native: reason };
}

/** Gemini's own word is kept where it stood; it has none of its own for calls. */
export function finishReason({ kind, native }: Stop): string {
  const known = stopKindOf(native);
  if (known !== undefined && (known === kind || (known === 'end' && kind === 'tool-calls'))) return native;
  switch (kind) {
    case 'end':
    case 'stop-sequence':
    case 'tool-calls':
      return 'STOP';
    case 'length':
    case 'context-window':
    // Not finished, and not at fault either: whoever reads `MAX_TOKENS` sends the turn back to go on.
    case 'pause':
      return 'MAX_TOKENS';
    case 'content-filter':
    case 'refusal':
      return 'SAFETY';
    case 'error':
      return 'OTHER';
  }
}

/** What Google takes in place of a signature that nobody has. It proves nothing. */
export const noSignature = 'skip_thought_signature_validator';
const placeholders: ReadonlySet<string> = new Set([noSignature, 'context_engineering_is_the_way_to_go']);

export function signatureOf(value: JsonValue | undefined): Signature | undefined {
  const text = stringOf(value);
  if (text === undefined || text === '' || placeholders.has(text)) return undefined;
  return openSignature(text) ?? { protocol: 'gemini-generate', form: 'signature', value: text };
}

export const signatureText = (signature: Signature): string => signatureTextFor('gemini-generate', signature);

/** A part that only carries a signature. Gemini's own stand beside the answer, others' stand for thinking. */
export const signedPart = (signature: Signature): JsonObject => ({
  text: '',
  ...(signature.protocol === 'gemini-generate' ? {} : { thought: true }),
  thoughtSignature: signatureText(signature),
});

export function mediaKind(mediaType: string): MediaPart['kind'] {
  if (mediaType.startsWith('image/')) return 'image';
  if (mediaType.startsWith('audio/')) return 'audio';
  return mediaType.startsWith('video/') ? 'video' : 'document';
}

/** Google's own stores: what lies there can be read with its credentials only. */
const stored = /^(?:gs:\/\/|files\/|https:\/\/generativelanguage\.googleapis\.com\/)/;

export const sourceOfUri = (uri: string, mediaType: string | undefined): MediaSource =>
  stored.test(uri)
    ? { from: 'stored', protocol: 'gemini-generate', id: uri, mediaType }
    : { from: 'url', url: uri, mediaType };

/** Bytes in JSON may come in the alphabet for addresses, and without padding. */
export function standardBase64(data: string): string {
  const text = /[-_]/.test(data) ? data.replaceAll('-', '+').replaceAll('_', '/') : data;
  const missing = (4 - (text.length % 4)) % 4;
  return missing === 0 || missing === 3 ? text : text + '='.repeat(missing);
}

export function logprobsOf(value: JsonValue | undefined): readonly TokenLogprob[] {
  const result = objectOf(value);
  const tops = listOf(result['topCandidates']);
  return listOf(result['chosenCandidates']).flatMap((each, index): TokenLogprob[] => {
    const one = oneLogprob(each);
    if (one === undefined) return [];
    return [{ ...one, top: listOf(objectOf(tops[index])['candidates']).flatMap((top) => oneLogprob(top) ?? []) }];
  });
}

function oneLogprob(value: JsonValue): { token: string; logprob: number } | undefined {
  const { token, logProbability } = objectOf(value);
  const text = stringOf(token);
  const logprob = numberOf(logProbability);
  return text === undefined || logprob === undefined ? undefined : { token: text, logprob };
}

export const logprobsResult = (tokens: readonly TokenLogprob[]): JsonObject => ({
  chosenCandidates: tokens.map(({ token, logprob }) => ({ token, logProbability: logprob })),
  topCandidates: tokens.map(({ top }) => ({
    candidates: top.map(({ token, logprob }) => ({ token, logProbability: logprob })),
  })),
});

/**
 * Sources and what they support, as Gemini words them. Ranges count bytes there, and characters here: they are the same
 * in text that is `plain`.
 */
export function groundingOf(citations: readonly Citation[], plain: boolean): JsonObject {
  const chunks: JsonValue[] = [];
  const known = new Map<string, number>();
  const supports = citations.flatMap(({ url, title, start, end, citedText }): JsonValue[] => {
    const key = JSON.stringify([url, title, citedText]);
    let index = known.get(key);
    if (index === undefined) {
      index = chunks.length;
      known.set(key, index);
      const retrieved = citedText !== undefined || url === undefined;
      chunks.push(
        retrieved ? { retrievedContext: { uri: url, title, text: citedText } } : { web: { uri: url, title } },
      );
    }
    if (end === undefined || !plain) return [];
    return [{ segment: { startIndex: start, endIndex: end }, groundingChunkIndices: [index] }];
  });
  return { groundingChunks: chunks, ...(supports.length > 0 ? { groundingSupports: supports } : {}) };
}

export const isPlain = (text: string): boolean => Buffer.byteLength(text) === text.length;
