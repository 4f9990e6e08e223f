// Parts of a Gemini reply that its whole form and its stream write alike.

import type { JsonObject, JsonValue, MediaPart, Signature } from '../../plugin/conversation.ts';
import { isObject, parsedJson } from '../json-fields.ts';
import { signatureText } from './reply-words.ts';

/** The JSON text of a part with a call; undefined where its arguments are no whole object: nobody may run it so. */
export function callPart(
  call: { readonly id: string | undefined; readonly name: string; readonly custom?: boolean | undefined },
  text: string,
  signature: Signature | undefined,
): string | undefined {
  const args = call.custom === true ? JSON.stringify({ input: text }) : objectText(text);
  if (args === undefined) return undefined;
  const named = JSON.stringify({ id: call.id, name: call.name }).slice(0, -1);
  const signed = signature === undefined ? '' : `,"thoughtSignature":${JSON.stringify(signatureText(signature))}`;
  return `{"functionCall":${named},"args":${args}}${signed}}`;
}

/** As it was written, because numbers may be longer than ours; line ends can only stand between its tokens. */
function objectText(text: string): string | undefined {
  if (text.trim() === '') return '{}';
  return isObject(parsedJson(text)) ? text.replaceAll(/[\r\n]/g, ' ') : undefined;
}

/** Undefined for what Gemini's clients could not fetch. */
export function mediaPart({ source }: MediaPart): JsonObject | undefined {
  switch (source.from) {
    case 'base64':
      return { inlineData: { mimeType: source.mediaType, data: source.data } };
    case 'text':
      return { inlineData: { mimeType: source.mediaType, data: Buffer.from(source.text).toString('base64') } };
    case 'url':
      return { fileData: { mimeType: source.mediaType, fileUri: source.url } };
    case 'stored':
      if (source.protocol !== 'gemini-generate') return undefined;
      return { fileData: { mimeType: source.mediaType, fileUri: source.id } };
  }
}

export const contentOf = (parts: readonly JsonValue[]): JsonObject => ({ parts, role: 'model' });
