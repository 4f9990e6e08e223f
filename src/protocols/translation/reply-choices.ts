// Choices of a reply: what each ended with, and which of them a protocol without others shows.

import type { ConversationReply, ReplyChoice, Stop } from '../../plugin/conversation-reply.ts';

/** Where the upstream does not say why it stopped. */
export const unstatedStop: Stop = { kind: 'end', native: '' };

const nothing: ReplyChoice = { parts: [], stop: unstatedStop, logprobs: [] };

export function onlyChoice({ choices }: ConversationReply, lost: (loss: string) => void): ReplyChoice {
  const [first = nothing, ...others] = choices;
  if (others.length > 0) lost('choices');
  return first;
}
