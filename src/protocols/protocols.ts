// The wire formats that clients and upstreams can speak, each in its folder.

import type { ProtocolName } from '../plugin/operations.ts';
import type { Protocol } from '../plugin/protocol.ts';
import { anthropicMessages } from './anthropic-messages/anthropic-messages.ts';
import { geminiGenerate } from './gemini-generate/gemini-generate.ts';
import { openAiChat } from './openai-chat/openai-chat.ts';
import { openAiCompletions } from './openai-completions/openai-completions.ts';
import { openAiEmbeddings } from './openai-embeddings/openai-embeddings.ts';
import { openAiResponses } from './openai-responses/openai-responses.ts';

export const protocols: readonly Protocol[] = [
  openAiChat,
  openAiResponses,
  anthropicMessages,
  geminiGenerate,
  openAiCompletions,
  openAiEmbeddings,
];

export function protocolOf(name: ProtocolName): Protocol {
  switch (name) {
    case 'openai-chat':
      return openAiChat;
    case 'openai-responses':
      return openAiResponses;
    case 'anthropic-messages':
      return anthropicMessages;
    case 'gemini-generate':
      return geminiGenerate;
    case 'openai-completions':
      return openAiCompletions;
    case 'openai-embeddings':
      return openAiEmbeddings;
  }
}
