// A whole reply of Gemini's, written for a client.

import type { ReplyContext } from '../../plugin/codec.ts';
import type { Citation, JsonObject, JsonValue } from '../../plugin/conversation.ts';
import type { ConversationReply, ReplyChoice, Stop } from '../../plugin/conversation-reply.ts';
import type { UsageParts } from '../../plugin/usage.ts';
import {
  callPart,
  finishReason,
  groundingOf,
  logprobsResult,
  mediaJson,
  signatureText,
  usageMetadata,
} from './reply-words.ts';

const unstated: Stop = { kind: 'end', native: '' };

export function renderReply(
  reply: ConversationReply,
  usage: UsageParts | undefined,
  context: ReplyContext,
  lost: (loss: string) => void,
): string {
  return JSON.stringify({
    candidates: reply.choices.map((choice, index) => candidateOf(choice, index, lost)),
    ...(usage === undefined ? {} : { usageMetadata: usageMetadata(usage) }),
    modelVersion: context.request.model,
    responseId: reply.head.id ?? context.newId(),
  });
}

function candidateOf(choice: ReplyChoice, index: number, lost: (loss: string) => void): JsonObject {
  const parts: JsonValue[] = [];
  const citations: Citation[] = [];
  for (const part of choice.parts) {
    switch (part.kind) {
      case 'text':
        for (const citation of part.citations ?? []) {
          if (citation.url === undefined) lost('citations');
          else citations.push(citation);
        }
        parts.push({ text: part.text });
        break;
      case 'refusal':
        parts.push({ text: part.text });
        break;
      case 'thinking': {
        const signed = part.signature === undefined ? {} : { thoughtSignature: signatureText(part.signature) };
        parts.push({ text: part.text, thought: true, ...signed });
        break;
      }
      case 'tool-call':
        parts.push(callPart(part.id, part.name, part.arguments, part.custom === true, part.signature));
        break;
      case 'native':
        if (part.protocol === 'gemini-generate') parts.push(part.value);
        else lost('native-block');
        break;
      case 'image':
      case 'audio':
      case 'video':
      case 'document': {
        const media = mediaJson(part);
        if (media === undefined) lost('media-output');
        else parts.push(media);
      }
    }
  }
  const grounding = groundingOf(citations);
  return {
    content: { parts, role: 'model' },
    finishReason: finishReason(choice.stop ?? unstated),
    index,
    ...(grounding === undefined ? {} : { groundingMetadata: grounding }),
    ...(choice.logprobs.length === 0 ? {} : { logprobsResult: logprobsResult(choice.logprobs) }),
  };
}
