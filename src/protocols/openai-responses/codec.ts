// OpenAI's responses to and from the neutral conversation.

import type { Codec } from '../../plugin/codec.ts';
import { readError } from '../openai-reply-words.ts';
import { renderOpenAiRefusal } from '../openai-error-body.ts';
import { parseRequest } from './parse-request.ts';
import { readReply } from './read-reply.ts';
import { renderReply } from './render-reply.ts';
import { renderRequest } from './render-request.ts';
import { ResponsesStreamReader } from './stream-reader.ts';
import { ResponsesStreamWriter } from './stream-writer.ts';

export const responsesCodec: Codec = {
  parseRequest,
  renderRequest,
  readReply,
  openReader: (sink) => new ResponsesStreamReader(sink),
  renderReply,
  openWriter: (context) => new ResponsesStreamWriter(context),
  readError,
  renderRefusal: renderOpenAiRefusal,
};
