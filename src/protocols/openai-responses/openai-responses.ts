// OpenAI's responses: `POST /v1/responses`.

import { textBetween } from '../../core/byte-text.ts';
import type { Protocol, ReplyReading } from '../../plugin/protocol.ts';
import { isList, isObject, parsedJson, stringOf } from '../json-fields.ts';
import { renderOpenAiError } from '../openai-error-body.ts';
import { readingOf, unreadable } from '../reply-reading.ts';
import { responsesCodec } from './codec.ts';
import { readRequest } from './read-request.ts';
import { producedBytes } from './produced-bytes.ts';
import { ResponsesTap } from './tap.ts';

function readReply(body: Uint8Array): ReplyReading {
  const response = parsedJson(textBetween(body, 0, body.length));
  if (!isObject(response)) return unreadable;
  const usage = isObject(response['usage']) ? response['usage'] : undefined;
  const contentBytes = producedBytes(response);
  const id = stringOf(response['id']);
  const failed = response['status'] === 'failed' || (isObject(response['error']) && !isList(response['output']));
  const reading = readingOf(usage, contentBytes, contentBytes > 0 ? 1 : 0, failed);
  return id === undefined ? reading : { ...reading, id };
}

export const openAiResponses: Protocol = {
  name: 'openai-responses',
  operation: 'chat',
  readRequest,
  readReply,
  openTap: (options) => new ResponsesTap(options),
  renderError: renderOpenAiError,
  outputLimitField: 'max_output_tokens',
  relayedHeaders: ['openai-beta'],
  codec: responsesCodec,
};
