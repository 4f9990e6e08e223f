// OpenAI's embeddings: `POST /v1/embeddings`. There is no output to bound and nothing to stream.

import { stringEndings } from '../../core/json-cursor.ts';
import { fieldSet, readInteger, scanBody } from '../../core/json-scan.ts';
import type { Protocol, RequestFacts, RequestLine } from '../../plugin/protocol.ts';
import { outsideWords, refersOutside } from '../input-bound.ts';
import { renderOpenAiError } from '../openai-error-body.ts';
import { replyReader } from '../openai-reply.ts';
import { readModel } from '../openai-request.ts';

const fields = fieldSet('model', 'input', 'dimensions');
const endings = stringEndings(...outsideWords);

function readRequest(body: Uint8Array, line: RequestLine): RequestFacts {
  const scanned = scanBody(body, fields, endings);
  const { spans, noticed } = scanned;
  const named = readModel(body, scanned, line);
  readInteger(body, spans.get('dimensions'), 'dimensions', 1, 65_536);
  const input = spans.get('input');
  // Some vendors take pictures here, by reference.
  const outside = input !== undefined && body[input.start] === 0x5b && refersOutside(body, input, '{', noticed);
  return {
    ...named,
    stream: false,
    outputLimit: undefined,
    choices: 1,
    inputBound: outside ? undefined : body.length,
    wantsUsage: false,
    forceUsage: undefined,
  };
}

export const openAiEmbeddings: Protocol = {
  name: 'openai-embeddings',
  operation: 'embeddings',
  readRequest,
  readReply: replyReader('message'),
  openTap: () => {
    throw new Error('openai-embeddings has no streams');
  },
  renderError: renderOpenAiError,
  outputLimitField: 'dimensions',
  relayedHeaders: ['openai-beta'],
  codec: undefined,
};
