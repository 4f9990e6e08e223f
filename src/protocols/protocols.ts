// The wire formats that clients can speak, each in its folder.

import type { ProtocolName } from '../plugin/operations.ts';
import type { Protocol } from '../plugin/protocol.ts';
import { openAiChat } from './openai-chat/openai-chat.ts';
import { openAiCompletions } from './openai-completions/openai-completions.ts';
import { openAiEmbeddings } from './openai-embeddings/openai-embeddings.ts';

export const protocols: readonly Protocol[] = [openAiChat, openAiCompletions, openAiEmbeddings];

export function protocolOf(name: ProtocolName): Protocol {
  switch (name) {
    case 'openai-chat':
      return openAiChat;
    case 'openai-completions':
      return openAiCompletions;
    case 'openai-embeddings':
      return openAiEmbeddings;
  }
}
