// Anthropic's messages to and from the neutral conversation.

import type { Codec } from '../../plugin/codec.ts';
import { renderRefusal } from './error-body.ts';
import { parseRequest } from './parse-request.ts';
import { readError, readReply } from './read-reply.ts';
import { renderReply } from './render-reply.ts';
import { renderRequest } from './render-request.ts';
import { MessagesStreamReader } from './stream-reader.ts';
import { MessagesStreamWriter } from './stream-writer.ts';

export const messagesCodec: Codec = {
  parseRequest,
  renderRequest,
  readReply,
  openReader: (sink) => new MessagesStreamReader(sink),
  renderReply,
  openWriter: (context) => new MessagesStreamWriter(context),
  readError,
  renderRefusal,
};
