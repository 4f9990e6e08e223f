// What a Gemini reply or one event of a stream has produced, beside its relay.

import type { JsonObject } from '../../plugin/conversation.ts';
import { isObject, listOf, objectOf, stringOf } from '../json-fields.ts';
import { hasCounts } from './usage-block.ts';

export interface Produced {
  readonly error: boolean;
  readonly usage: JsonObject | undefined;
  /** Bytes of text, thinking, calls and code. */
  bytes: number;
  /** Candidates that have any content. */
  candidates: number;
  /** A candidate has its reason, or the prompt was blocked. */
  finished: boolean;
  /** The whole content is one text: how it would be told by its shape. */
  single: boolean;
}

export function producedIn(body: JsonObject): Produced {
  const { error, usageMetadata, candidates, promptFeedback } = body;
  const produced: Produced = {
    error: isObject(error) || (typeof error === 'string' && error !== ''),
    usage: isObject(usageMetadata) ? usageMetadata : undefined,
    bytes: 0,
    candidates: 0,
    finished: Boolean(stringOf(objectOf(promptFeedback)['blockReason'])),
    single: false,
  };
  let parts = 0;
  let texts = 0;
  for (const each of listOf(candidates)) {
    const candidate = objectOf(each);
    const reason = stringOf(candidate['finishReason']);
    if (reason !== undefined && reason !== '' && reason !== 'FINISH_REASON_UNSPECIFIED') produced.finished = true;
    let some = false;
    for (const value of listOf(objectOf(candidate['content'])['parts'])) {
      const part = objectOf(value);
      const bytes = partBytes(part);
      parts++;
      if (typeof part['text'] === 'string') texts++;
      produced.bytes += bytes;
      if (bytes > 0 || isObject(part['inlineData']) || isObject(part['fileData'])) some = true;
    }
    if (some) produced.candidates++;
  }
  produced.single = texts === 1 && parts === 1 && !produced.finished && !produced.error && produced.usage === undefined;
  return produced;
}

function partBytes(part: JsonObject): number {
  const { text, functionCall, executableCode, toolCall } = part;
  if (typeof text === 'string') return Buffer.byteLength(text);
  if (isObject(functionCall)) {
    const { name, args } = functionCall;
    return Buffer.byteLength(stringOf(name) ?? '') + (isObject(args) ? Buffer.byteLength(JSON.stringify(args)) : 0);
  }
  if (isObject(executableCode)) return Buffer.byteLength(stringOf(executableCode['code']) ?? '');
  return isObject(toolCall) ? Buffer.byteLength(JSON.stringify(toolCall)) : 0;
}

/** The block that counts, of one that stood and one that came: the last with counts. */
export const laterUsage = (before: JsonObject | undefined, later: JsonObject | undefined): JsonObject | undefined =>
  later !== undefined && (before === undefined || hasCounts(later)) ? later : before;
