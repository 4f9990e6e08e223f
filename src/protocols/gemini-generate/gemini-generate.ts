// Gemini's generateContent and streamGenerateContent: `POST /v1beta/models/{model}:{verb}`.

import { textBetween } from '../../core/byte-text.ts';
import type { JsonObject } from '../../plugin/conversation.ts';
import type { Protocol, ReplyReading } from '../../plugin/protocol.ts';
import { asJsonArray } from '../json-array-tap.ts';
import { isList, objectOf, parsedJson } from '../json-fields.ts';
import { readingOf } from '../reply-reading.ts';
import { GeminiArrayTap } from './array-tap.ts';
import { geminiCodec } from './codec.ts';
import { laterUsage, producedIn } from './content-scan.ts';
import { renderError } from './error-body.ts';
import { readRequest } from './read-request.ts';
import { GeminiTap } from './tap.ts';

/** One reply, or the list that a stream without `alt=sse` is. */
function readReply(body: Uint8Array): ReplyReading {
  const parsed = parsedJson(textBetween(body, 0, body.length)) ?? null;
  let usage: JsonObject | undefined;
  let contentBytes = 0;
  let contentEvents = 0;
  let error = false;
  for (const each of isList(parsed) ? parsed : [parsed]) {
    const produced = producedIn(objectOf(each));
    usage = laterUsage(usage, produced.usage);
    contentBytes += produced.bytes;
    contentEvents += produced.candidates;
    error ||= produced.error;
  }
  return readingOf(usage, contentBytes, contentEvents, error && contentEvents === 0);
}

export const geminiGenerate: Protocol = {
  name: 'gemini-generate',
  operation: 'chat',
  readRequest,
  readReply,
  openTap(options) {
    if (options.received === 'json-array') return new GeminiArrayTap(options);
    const tap = new GeminiTap(options);
    return options.framing === 'json-array' ? asJsonArray(tap) : tap;
  },
  renderError,
  outputLimitField: 'generationConfig.maxOutputTokens',
  relayedHeaders: [],
  codec: geminiCodec,
};
