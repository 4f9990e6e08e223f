// A whole Gemini reply, written for a client.

import type { ReplyContext } from '../../plugin/codec.ts';
import type { Citation, JsonObject } from '../../plugin/conversation.ts';
import type { ConversationReply, ReplyChoice } from '../../plugin/conversation-reply.ts';
import type { UsageParts } from '../../plugin/usage.ts';
import { callPart, mediaPart } from './reply-parts.ts';
import { groundingOf, isPlain, logprobsResult, signatureText, signedPart } from './reply-words.ts';
import { reasonOf } from './stream-writer.ts';
import { geminiUsage } from './usage-block.ts';

type Lost = (loss: string) => void;

export function renderReply(
  reply: ConversationReply,
  usage: UsageParts | undefined,
  context: ReplyContext,
  lost: Lost,
): string {
  const candidates = reply.choices.map((choice, index) => renderCandidate(choice, index, lost)).join(',');
  const rest: JsonObject = {
    ...(usage === undefined ? {} : { usageMetadata: geminiUsage(usage) }),
    modelVersion: context.request.model,
    responseId: reply.head.id ?? context.newId(),
  };
  return `{"candidates":[${candidates}],${JSON.stringify(rest).slice(1)}`;
}

function renderCandidate(choice: ReplyChoice, index: number, lost: Lost): string {
  const { stop, logprobs } = choice;
  if (stop.sequence !== undefined) lost('stop-sequences');
  const { parts, citations, plain, cut } = renderParts(choice, lost);
  const rest: JsonObject = {
    finishReason: reasonOf({ stop, cut }),
    index,
    ...(citations.length > 0 ? { groundingMetadata: groundingOf(citations, plain) } : {}),
    ...(logprobs.length > 0 ? { logprobsResult: logprobsResult(logprobs) } : {}),
  };
  return `{"content":{"parts":[${parts.join(',')}],"role":"model"},${JSON.stringify(rest).slice(1)}`;
}

interface RenderedParts {
  readonly parts: readonly string[];
  readonly citations: readonly Citation[];
  readonly plain: boolean;
  readonly cut: boolean;
}

function renderParts(choice: ReplyChoice, lost: Lost): RenderedParts {
  const parts: string[] = [];
  const citations: Citation[] = [];
  let plain = true;
  let cut = false;
  const add = (part: JsonObject) => parts.push(JSON.stringify(part));
  for (const part of choice.parts) {
    switch (part.kind) {
      case 'text':
        plain &&= isPlain(part.text);
        for (const each of part.citations ?? []) citations.push(each);
        if (part.text !== '') add({ text: part.text });
        break;
      case 'refusal':
        lost('refusal');
        add({ text: part.text });
        break;
      case 'thinking': {
        const { text, signature } = part;
        if (text === '' && signature !== undefined) add(signedPart(signature));
        else if (text !== '')
          add({
            text,
            thought: true,
            thoughtSignature: signature === undefined ? undefined : signatureText(signature),
          });
        break;
      }
      case 'tool-call': {
        const call = callPart(part, part.arguments, part.signature);
        if (call === undefined) {
          cut = true;
          lost('tool-arguments');
        } else parts.push(call);
        break;
      }
      case 'image':
      case 'audio':
      case 'video':
      case 'document': {
        const media = mediaPart(part);
        if (media === undefined) lost('media-output');
        else add(media);
        break;
      }
      case 'native':
        if (part.protocol === 'gemini-generate') parts.push(JSON.stringify(part.value));
        else lost('native-block');
        break;
    }
  }
  if (parts.length === 0) add({ text: '' });
  return { parts, citations, plain, cut };
}
