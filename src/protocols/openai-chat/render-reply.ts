// A whole chat completion, written for a client.

import type { ReplyContext } from '../../plugin/codec.ts';
import type { JsonObject, JsonValue, Signature } from '../../plugin/conversation.ts';
import type { ConversationReply, ReplyChoice } from '../../plugin/conversation-reply.ts';
import type { UsageParts } from '../../plugin/usage.ts';
import { urlOfSource } from '../data-url.ts';
import {
  finishReason,
  googleSigned,
  logprobJson,
  signedThinking,
  stopBeside,
  tierBeside,
  urlCitation,
} from './reply-words.ts';
import { chatUsage } from './usage-block.ts';

export function renderReply(
  reply: ConversationReply,
  usage: UsageParts | undefined,
  context: ReplyContext,
  lost: (loss: string) => void,
): string {
  const { id, serviceTier } = reply.head;
  return JSON.stringify({
    id: id !== undefined && id.startsWith('chatcmpl') ? id : `chatcmpl-${context.newId()}`,
    object: 'chat.completion',
    created: context.createdAt,
    model: context.request.model,
    // Clients that check replies ask for one.
    system_fingerprint: 'fp_tollgate',
    choices: reply.choices.map((choice, index) => renderChoice(choice, index, lost)),
    ...(usage === undefined ? {} : { usage: chatUsage(usage) }),
    ...tierBeside(serviceTier),
  });
}

function renderChoice(choice: ReplyChoice, index: number, lost: (loss: string) => void): JsonObject {
  const { stop, logprobs } = choice;
  return {
    index,
    message: renderMessage(choice, lost),
    logprobs: logprobs.length === 0 ? null : { content: logprobs.map(logprobJson), refusal: null },
    finish_reason: finishReason(stop),
    ...stopBeside(stop),
  };
}

function renderMessage({ parts }: ReplyChoice, lost: (loss: string) => void): JsonObject {
  let text = '';
  let refusal: string | null = null;
  let thinking = '';
  const details: JsonValue[] = [];
  const calls: JsonValue[] = [];
  const cited: JsonValue[] = [];
  const images: JsonValue[] = [];
  for (const part of parts) {
    switch (part.kind) {
      case 'text':
        text += part.text;
        for (const citation of part.citations ?? []) {
          const rendered = urlCitation(citation);
          if (rendered === undefined) lost('citations');
          else cited.push(rendered);
        }
        break;
      case 'refusal':
        refusal = (refusal ?? '') + part.text;
        break;
      case 'thinking':
        thinking += part.text;
        if (part.signature !== undefined) details.push(signedThinking(part.text, part.signature));
        break;
      case 'tool-call':
        calls.push(renderCall(part.id, part.name, part.arguments, part.custom === true, part.signature));
        break;
      case 'image': {
        const url = urlOfSource(part.source);
        if (url === undefined) lost('media-output');
        else images.push({ type: 'image_url', image_url: { url }, index: images.length });
        break;
      }
      case 'audio':
      case 'video':
      case 'document':
        lost('media-output');
        break;
      case 'native':
        lost('native-block');
        break;
    }
  }
  return {
    role: 'assistant',
    content: text === '' && (calls.length > 0 || refusal !== null) ? null : text,
    refusal,
    ...(thinking === '' ? {} : { reasoning_content: thinking }),
    ...(details.length > 0 ? { reasoning_details: details } : {}),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    ...(cited.length > 0 ? { annotations: cited } : {}),
    ...(images.length > 0 ? { images } : {}),
  };
}

function renderCall(
  id: string,
  name: string,
  text: string,
  custom: boolean,
  signature: Signature | undefined,
): JsonObject {
  const called = custom ? { custom: { name, input: text } } : { function: { name, arguments: text } };
  const signed = signature === undefined ? {} : { extra_content: googleSigned(signature) };
  return { id, type: custom ? 'custom' : 'function', ...called, ...signed };
}
