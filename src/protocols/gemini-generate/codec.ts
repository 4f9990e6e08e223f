// Gemini's generateContent to and from the neutral conversation.

import type { Codec } from '../../plugin/codec.ts';
import { readError, renderRefusal } from './error-body.ts';
import { parseRequest } from './parse-request.ts';
import { readReply } from './read-reply.ts';
import { renderReply } from './render-reply.ts';
import { renderRequest } from './render-request.ts';
import { GeminiStreamReader } from './stream-reader.ts';
import { GeminiStreamWriter } from './stream-writer.ts';

export const geminiCodec: Codec = {
  parseRequest,
  renderRequest,
  readReply,
  openReader: (sink) => new GeminiStreamReader(sink),
  renderReply,
  openWriter: (context) => new GeminiStreamWriter(context),
  readError,
  renderRefusal,
};
