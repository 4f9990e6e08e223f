// OpenAI's chat completions to and from the neutral conversation.

import type { Codec } from '../../plugin/codec.ts';
import { objectOf } from '../json-fields.ts';
import { renderOpenAiRefusal } from '../openai-error-body.ts';
import { parseRequest } from './parse-request.ts';
import { ChatReplyReader } from './read-reply.ts';
import { readError } from '../openai-reply-words.ts';
import { renderReply } from './render-reply.ts';
import { renderRequest } from './render-request.ts';
import { ChatStreamReader } from './stream-reader.ts';
import { ChatStreamWriter } from './stream-writer.ts';

export const chatCodec: Codec = {
  parseRequest,
  renderRequest,
  readReply: (body, sink) => new ChatReplyReader(sink).read(objectOf(body), 'message'),
  openReader: (sink) => new ChatStreamReader(sink),
  renderReply,
  openWriter: (context) => new ChatStreamWriter(context),
  readError,
  renderRefusal: renderOpenAiRefusal,
};
