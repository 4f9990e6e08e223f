// OpenAI's legacy text completions: `POST /v1/completions`. One request may carry many prompts, each with its
// choices.

import { fieldSet, readInteger, scanBody } from '../../core/json-scan.ts';
import type { Protocol, RequestFacts, RequestLine } from '../../plugin/protocol.ts';
import { renderOpenAiError } from '../openai-error-body.ts';
import { replyReader } from '../openai-reply.ts';
import { readChoices, readModel, readStream, readTokenLimit } from '../openai-request.ts';
import { openOpenAiTap } from '../openai-stream-tap.ts';
import { countPrompts } from './count-prompts.ts';

const fields = fieldSet(
  'model',
  'stream',
  'stream_options',
  'max_tokens',
  'n',
  'best_of',
  'prompt',
  'top_logprobs',
);

function readRequest(body: Uint8Array, line: RequestLine): RequestFacts {
  const scanned = scanBody(body, fields);
  const { spans } = scanned;
  const named = readModel(body, scanned, line);
  readInteger(body, spans.get('top_logprobs'), 'top_logprobs', 0, 128);
  // Zero is honest here: with `echo` it asks for the probabilities of the prompt.
  const outputLimit = readTokenLimit(body, spans, 'max_tokens', 0);
  const { stream, wantsUsage, forceUsage } = readStream(body, scanned);
  return {
    ...named,
    stream,
    outputLimit,
    choices: readChoices(body, spans) * countPrompts(body, spans.get('prompt')),
    inputBound: body.length,
    wantsUsage,
    forceUsage,
  };
}

export const openAiCompletions: Protocol = {
  name: 'openai-completions',
  operation: 'completions',
  readRequest,
  readReply: replyReader('text'),
  openTap: (options) => openOpenAiTap('text', options),
  renderError: renderOpenAiError,
  outputLimitField: 'max_tokens',
  relayedHeaders: ['openai-beta'],
  codec: undefined,
};
