// OpenAI's responses: `POST /v1/responses`.

import type { Protocol } from '../../plugin/protocol.ts';

const unwritten = (): never => {
  throw new Error('openai-responses is not written yet');
};

export const openAiResponses: Protocol = {
  name: 'openai-responses',
  operation: 'chat',
  readRequest: unwritten,
  readReply: unwritten,
  openTap: unwritten,
  renderError: unwritten,
  outputLimitField: 'max_output_tokens',
  relayedHeaders: ['openai-beta'],
  codec: undefined,
};
