// Gemini's generateContent and streamGenerateContent: `POST /v1beta/models/{model}:{verb}`.

import type { Protocol } from '../../plugin/protocol.ts';

const unwritten = (): never => {
  throw new Error('gemini-generate is not written yet');
};

export const geminiGenerate: Protocol = {
  name: 'gemini-generate',
  operation: 'chat',
  readRequest: unwritten,
  readReply: unwritten,
  openTap: unwritten,
  renderError: unwritten,
  outputLimitField: 'generationConfig.maxOutputTokens',
  relayedHeaders: [],
  codec: undefined,
};
