// A whole response, written for a client.

import type { ReplyContext } from '../../plugin/codec.ts';
import type { JsonValue, OutputPart } from '../../plugin/conversation.ts';
import type { ConversationReply, TokenLogprob } from '../../plugin/conversation-reply.ts';
import type { UsageParts } from '../../plugin/usage.ts';
import { onlyChoice } from '../translation/reply-choices.ts';
import {
  callItem,
  endStatus,
  logprobJson,
  messageItem,
  reasoningItem,
  refusalPart,
  responseId,
  responseJson,
  sealedText,
  textPart,
  urlAnnotation,
} from './response-json.ts';

export function renderReply(
  reply: ConversationReply,
  usage: UsageParts | undefined,
  context: ReplyContext,
  lost: (loss: string) => void,
): string {
  const { parts, stop, logprobs } = onlyChoice(reply, lost);
  const status = endStatus(stop);
  let untold = logprobs;
  const output: JsonValue[] = [];
  for (const part of parts) {
    output.push(...itemsOf(part, untold, context, lost));
    // They are of the text, of which there is one part wherever they are asked for.
    if (part.kind === 'text') untold = [];
  }
  const head = { ...reply.head, id: responseId(reply.head.id, context) };
  return JSON.stringify(responseJson(head, context, status, output, { stop, usage }));
}

function itemsOf(
  part: OutputPart,
  logprobs: readonly TokenLogprob[],
  context: ReplyContext,
  lost: (loss: string) => void,
): readonly JsonValue[] {
  switch (part.kind) {
    case 'text': {
      const annotations = (part.citations ?? []).map(urlAnnotation).filter((each) => each !== undefined);
      if (annotations.length < (part.citations?.length ?? 0)) lost('citations');
      const content = [textPart(part.text, annotations, logprobs.map(logprobJson))];
      return [messageItem(`msg_${context.newId()}`, 'completed', content)];
    }
    case 'refusal':
      return [messageItem(`msg_${context.newId()}`, 'completed', [refusalPart(part.text)])];
    case 'thinking': {
      const { signature } = part;
      const sealed = signature === undefined ? undefined : sealedText(signature);
      // What is sealed is bound to its item's id.
      const own = signature?.protocol === 'openai-responses' ? signature.id : undefined;
      return [reasoningItem(own ?? `rs_${context.newId()}`, part.text, sealed)];
    }
    case 'tool-call': {
      const custom = part.custom === true;
      const id = `${custom ? 'ctc' : 'fc'}_${context.newId()}`;
      const call = callItem({ id, callId: part.id, name: part.name, custom }, part.arguments, false, context);
      if (part.signature === undefined) return [call];
      return [call, reasoningItem(`rs_${context.newId()}`, '', sealedText(part.signature))];
    }
    case 'native':
      if (part.protocol === 'openai-responses') return [part.value];
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
