// OpenAI's chat completions: `POST /v1/chat/completions`.

import { stringEndings } from '../../core/json-cursor.ts';
import { fieldSet, readInteger, scanBody } from '../../core/json-scan.ts';
import type { Protocol, RequestFacts, RequestLine } from '../../plugin/protocol.ts';
import { outsideWords, refersOutside, setsAny, templateTokensMax } from '../input-bound.ts';
import { renderOpenAiError } from '../openai-error-body.ts';
import { replyReader } from '../openai-reply.ts';
import { adaptChat } from './adapt.ts';
import { chatCodec } from './codec.ts';
import { readChoices, readModel, readStream, readTokenLimit } from '../openai-request.ts';
import { openOpenAiTap } from '../openai-stream-tap.ts';

/** Members that make the upstream fetch text of its own and bill it as input. */
const searchFields = ['web_search_options', 'search_parameters', 'plugins', 'documents', 'data_sources'] as const;

const fields = fieldSet(
  'model',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'n',
  'best_of',
  'top_logprobs',
  'messages',
  ...searchFields,
);
const endings = stringEndings(...outsideWords);

function readRequest(body: Uint8Array, line: RequestLine): RequestFacts {
  const scanned = scanBody(body, fields, endings);
  const { spans, noticed } = scanned;
  const named = readModel(body, scanned, line);
  const older = readTokenLimit(body, spans, 'max_tokens', 1);
  const newer = readTokenLimit(body, spans, 'max_completion_tokens', 1);
  readInteger(body, spans.get('top_logprobs'), 'top_logprobs', 0, 128);
  const choices = readChoices(body, spans);
  const { stream, wantsUsage, forceUsage } = readStream(body, scanned);
  const messages = spans.get('messages');
  const outside =
    setsAny(body, spans, searchFields) || (messages !== undefined && refersOutside(body, messages, '[', noticed));
  return {
    ...named,
    stream,
    // Which of the two an upstream obeys is its own affair: the larger one bounds what it may bill.
    outputLimit: older === undefined || newer === undefined ? (older ?? newer) : Math.max(older, newer),
    choices,
    inputBound: outside ? undefined : body.length + templateTokensMax,
    wantsUsage,
    forceUsage,
  };
}

export const openAiChat: Protocol = {
  name: 'openai-chat',
  operation: 'chat',
  readRequest,
  readReply: replyReader('message'),
  openTap: (options) => openOpenAiTap('message', options),
  renderError: renderOpenAiError,
  outputLimitField: 'max_completion_tokens',
  relayedHeaders: ['openai-beta'],
  adapt: adaptChat,
  codec: chatCodec,
};
