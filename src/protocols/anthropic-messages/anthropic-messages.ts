// Anthropic's messages: `POST /v1/messages`.

import type { Protocol } from '../../plugin/protocol.ts';

const unwritten = (): never => {
  throw new Error('anthropic-messages is not written yet');
};

export const anthropicMessages: Protocol = {
  name: 'anthropic-messages',
  operation: 'chat',
  readRequest: unwritten,
  readReply: unwritten,
  openTap: unwritten,
  renderError: unwritten,
  outputLimitField: 'max_tokens',
  relayedHeaders: ['anthropic-version', 'anthropic-beta'],
  codec: undefined,
};
