// A whole message of Anthropic's, written for a client.

import type { ReplyContext } from '../../plugin/codec.ts';
import type { JsonValue, OutputPart } from '../../plugin/conversation.ts';
import type { ConversationReply } from '../../plugin/conversation-reply.ts';
import type { UsageParts } from '../../plugin/usage.ts';
import { onlyChoice } from '../translation/reply-choices.ts';
import { callInput } from './call-input.ts';
import { own } from './parse-content.ts';
import {
  calledDirectly,
  callSignature,
  citationJson,
  isRedacted,
  messageId,
  signatureText,
  stopReason,
} from './reply-words.ts';
import { messagesUsage, servedHow, unsaid } from './usage-block.ts';

export function renderReply(
  reply: ConversationReply,
  usage: UsageParts | undefined,
  context: ReplyContext,
  lost: (loss: string) => void,
): string {
  const { parts, stop, logprobs } = onlyChoice(reply, lost);
  if (logprobs.length > 0) lost('logprobs');
  return JSON.stringify({
    id: messageId(reply.head.id, () => context.newId()),
    type: 'message',
    role: 'assistant',
    model: context.request.model,
    content: parts.flatMap((part) => blocksOf(part, lost)),
    stop_reason: stopReason(stop),
    stop_sequence: stop.sequence ?? null,
    ...unsaid,
    usage: { ...messagesUsage(usage ?? {}), ...servedHow },
  });
}

function blocksOf(part: OutputPart, lost: (loss: string) => void): readonly JsonValue[] {
  switch (part.kind) {
    case 'text': {
      const citations = (part.citations ?? []).flatMap((citation) => citationJson(citation) ?? []);
      if (citations.length < (part.citations?.length ?? 0)) lost('citations');
      if (part.text === '' && citations.length === 0) return [];
      return [{ type: 'text', text: part.text, citations: citations.length > 0 ? citations : null }];
    }
    case 'refusal':
      // Its words are kept; that they stand apart from an answer is not.
      lost('refusal');
      return part.text === '' ? [] : [{ type: 'text', text: part.text, citations: null }];
    case 'thinking': {
      const { signature } = part;
      if (isRedacted(signature)) return [{ type: 'redacted_thinking', data: signature.value }];
      const signed = signature === undefined ? '' : signatureText(signature);
      return [{ type: 'thinking', thinking: part.text, signature: signed }];
    }
    case 'tool-call': {
      const call = {
        type: 'tool_use',
        id: part.id,
        name: part.name,
        input: callInput(part, lost),
        caller: calledDirectly,
      };
      if (part.signature === undefined) return [call];
      return [{ type: 'thinking', thinking: '', signature: callSignature(part.signature, part.id) }, call];
    }
    case 'native':
      if (part.protocol === own) return [part.value];
      lost('native-block');
      return [];
    case 'image':
    case 'audio':
    case 'video':
    case 'document':
      lost('media-output');
      return [];
  }
}
