// One call between two protocols: the client's request written for the upstream, the upstream's reply, stream or error
// written for the client.

import { textBetween } from '../../core/byte-text.ts';
import type { Codec, ReplyContext, RequestTarget } from '../../plugin/codec.ts';
import type { UpstreamErrorText } from '../../plugin/conversation-reply.ts';
import type { Conversation, JsonValue } from '../../plugin/conversation.ts';
import type { ProtocolName } from '../../plugin/operations.ts';
import type { RequestLine } from '../../plugin/protocol.ts';
import { BlockOrder } from './block-order.ts';
import { carryUnmapped, LossList } from './carriage.ts';
import { exactJson } from './exact-numbers.ts';
import { ReplyGatherer } from './gather-reply.ts';

/** A body that passed `readRequest`, as JSON. Its depth and size are bounded, and its keys are unique at the top. */
export function parsedBody(body: Uint8Array): JsonValue {
  const parsed = exactJson(textBetween(body, 0, body.length), Infinity);
  if (parsed === undefined) throw new SyntaxError('a body that passed as JSON is none');
  return parsed;
}

export function conversationOf(client: Codec, body: Uint8Array, line: RequestLine): Conversation {
  return client.parseRequest(parsedBody(body), line);
}

export interface TranslatedRequest {
  readonly body: string;
  readonly losses: readonly string[];
}

/** Throws TollgateError `invalid_request` where the target cannot carry what changes the meaning. */
export function translateRequest(
  upstream: Codec,
  upstreamName: ProtocolName,
  conversation: Conversation,
  target: RequestTarget,
): TranslatedRequest {
  const carriage = new LossList(upstreamName);
  carryUnmapped(conversation, carriage);
  // Anthropic's clients fill the cache so. Elsewhere it may stand for no limit at all, and nothing is held for that.
  if (conversation.outputLimit === 0)
    carriage.refuse('max_tokens', 'is 0, which other protocols have not; send 1 or more.');
  const body = upstream.renderRequest(conversation, target, carriage);
  return { body, losses: carriage.names };
}

export interface TranslatedReply {
  readonly body: string;
  readonly losses: readonly string[];
}

/** A whole reply that was read and found to be an answer. Undefined where it is no JSON after all. */
export function translateReply(
  upstream: Codec,
  client: Codec,
  body: Uint8Array,
  context: ReplyContext,
): TranslatedReply | undefined {
  const parsed = exactJson(textBetween(body, 0, body.length));
  if (parsed === undefined) return undefined;
  const gatherer = new ReplyGatherer();
  const order = new BlockOrder(gatherer, () => context.newId(), context.request.choices ?? 1);
  upstream.readReply(parsed, order);
  order.finish();
  const usage = order.lastUsage === undefined ? undefined : context.usageOf(order.lastUsage);
  const losses = new Set(order.losses);
  const rendered = client.renderReply(gatherer.reply(), usage, context, (loss) => losses.add(loss));
  return { body: rendered, losses: [...losses] };
}

/** An upstream's refusal in the client's protocol; undefined where its body has no words. */
export function translateRefusal(
  upstream: Codec,
  client: Codec,
  body: Uint8Array,
  status: number,
  requestId: string,
): string | undefined {
  let words: UpstreamErrorText | undefined;
  try {
    words = upstream.readError(parsedBody(body));
  } catch {
    return undefined;
  }
  return words === undefined ? undefined : client.renderRefusal(status, words, requestId);
}
