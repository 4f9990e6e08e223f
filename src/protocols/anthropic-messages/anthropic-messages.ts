// Anthropic's messages: `POST /v1/messages`.

import type { Protocol, ReplyReading } from '../../plugin/protocol.ts';
import { textBetween } from '../../core/byte-text.ts';
import { isObject, listOf, objectOf, parsedJson, stringOf } from '../json-fields.ts';
import { readingOf, unreadable } from '../reply-reading.ts';
import { adaptMessages } from './adapt.ts';
import { messagesCodec } from './codec.ts';
import { renderError } from './error-body.ts';
import { readRequest } from './read-request.ts';
import { MessagesTap } from './tap.ts';

function readReply(body: Uint8Array): ReplyReading {
  const message = parsedJson(textBetween(body, 0, body.length));
  if (!isObject(message)) return unreadable;
  let contentBytes = 0;
  for (const each of listOf(message['content'])) {
    const block = objectOf(each);
    for (const name of ['text', 'thinking', 'name'] as const) {
      contentBytes += Buffer.byteLength(stringOf(block[name]) ?? '');
    }
    if (isObject(block['input'])) contentBytes += Buffer.byteLength(JSON.stringify(block['input']));
  }
  const usage = isObject(message['usage']) ? message['usage'] : undefined;
  const failed = message['type'] === 'error' || (message['error'] !== undefined && message['content'] === undefined);
  return readingOf(usage, contentBytes, contentBytes > 0 ? 1 : 0, failed);
}

export const anthropicMessages: Protocol = {
  name: 'anthropic-messages',
  operation: 'chat',
  readRequest,
  readReply,
  openTap: (options) => new MessagesTap(options),
  renderError,
  outputLimitField: 'max_tokens',
  relayedHeaders: ['anthropic-version', 'anthropic-beta'],
  adapt: adaptMessages,
  codec: messagesCodec,
};
