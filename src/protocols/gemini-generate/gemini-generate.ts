// Gemini's generateContent and streamGenerateContent: `POST /v1beta/models/{model}:{verb}`.

import { textBetween } from '../../core/byte-text.ts';
import type { Protocol, ReplyReading } from '../../plugin/protocol.ts';
import { asJsonArray } from '../json-array-tap.ts';
import { isObject, parsedJson } from '../json-fields.ts';
import { usageTextOf } from '../translation/usage-text.ts';
import { geminiCodec } from './codec.ts';
import { renderError } from './error-body.ts';
import { readRequest } from './read-request.ts';
import { GeminiTap, producedBytes } from './tap.ts';

const unreadable: ReplyReading = {
  usage: undefined,
  usageText: undefined,
  contentBytes: 0,
  contentEvents: 0,
  failed: false,
};

function readReply(body: Uint8Array): ReplyReading {
  const reply = parsedJson(textBetween(body, 0, body.length));
  if (!isObject(reply)) return unreadable;
  const usage = isObject(reply['usageMetadata']) ? reply['usageMetadata'] : undefined;
  const contentBytes = producedBytes(reply);
  return {
    usage,
    usageText: usage === undefined ? undefined : usageTextOf(usage),
    contentBytes,
    contentEvents: contentBytes > 0 ? 1 : 0,
    failed: isObject(reply['error']) && reply['candidates'] === undefined,
  };
}

export const geminiGenerate: Protocol = {
  name: 'gemini-generate',
  operation: 'chat',
  readRequest,
  readReply,
  openTap: (options) =>
    options.framing === 'json-array' ? asJsonArray(new GeminiTap(options)) : new GeminiTap(options),
  renderError,
  outputLimitField: 'generationConfig.maxOutputTokens',
  relayedHeaders: [],
  codec: geminiCodec,
};
