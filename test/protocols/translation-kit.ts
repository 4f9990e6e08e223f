// What the tests of every codec need: a reply read into the neutral form, and one written out of it.

import { protocolOf } from '../../src/protocols/protocols.ts';
import { LossList } from '../../src/protocols/translation/carriage.ts';
import { dialectOf } from '../../src/protocols/translation/dialects.ts';
import { BlockOrder } from '../../src/protocols/translation/block-order.ts';
import { ReplyGatherer } from '../../src/protocols/translation/gather-reply.ts';
import { TranslatedTap } from '../../src/protocols/translation/translated-tap.ts';
import type { Codec, Dialect, ReplyContext } from '../../src/plugin/codec.ts';
import type { Conversation, JsonObject, JsonValue } from '../../src/plugin/conversation.ts';
import type { ConversationReply } from '../../src/plugin/conversation-reply.ts';
import type { ProtocolName } from '../../src/plugin/operations.ts';
import type { UsageParts } from '../../src/plugin/usage.ts';

export const emptyConversation: Conversation = { model: 'm', stream: true, turns: [], tools: [], unmapped: [] };

export function testContext(usageOf: (raw: JsonValue) => UsageParts | undefined = () => undefined): ReplyContext {
  let ids = 0;
  return {
    request: { ...emptyConversation, choices: 8 },
    createdAt: 1_790_000_000,
    newId: () => `made${String((ids += 1)).padStart(20, '0')}`,
    usageOf,
    wantsUsage: true,
  };
}

export interface Written {
  readonly body: JsonObject;
  readonly losses: readonly string[];
}

/** The request that an upstream of this protocol gets, and what it lost on the way. Throws what is refused. */
export function writtenTo(
  protocol: ProtocolName,
  conversation: Partial<Conversation>,
  dialect: Partial<Dialect> = {},
  outputTokensMax = 1_000,
): Written {
  const { codec } = protocolOf(protocol);
  if (codec === undefined) throw new Error(`${protocol} has no codec`);
  const losses = new LossList(protocol);
  const target = { model: 'm', stream: false, dialect: dialectOf(protocol, dialect), outputTokensMax, askUsage: false };
  const text = codec.renderRequest({ ...emptyConversation, ...conversation }, target, losses);
  const body: JsonObject = JSON.parse(text);
  return { body, losses: losses.names };
}

/** The message by which something is refused; empty if it is not. */
export function refusal(run: () => unknown): string {
  try {
    run();
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : 'not an error';
  }
}

export interface ReadReply {
  readonly reply: ConversationReply;
  readonly usage: JsonValue | undefined;
  readonly error: string | undefined;
  readonly complete: boolean;
  readonly losses: readonly string[];
}

function gathering(): { readonly order: BlockOrder; readonly gatherer: ReplyGatherer } {
  const gatherer = new ReplyGatherer();
  let ids = 0;
  return { order: new BlockOrder(gatherer, () => `made${(ids += 1)}`), gatherer };
}

const readOut = (order: BlockOrder, gatherer: ReplyGatherer, complete: boolean): ReadReply => {
  order.finish();
  const { lastUsage: usage, error, losses } = order;
  return { reply: gatherer.reply(), usage, error: error?.message, complete, losses };
};

export function readWhole(codec: Codec, body: JsonValue): ReadReply {
  const { order, gatherer } = gathering();
  codec.readReply(body, order);
  return readOut(order, gatherer, true);
}

/** Events as a splitter would hand them out; of a body that is text. */
export function eventsIn(body: string): readonly { readonly name: string; readonly data: string }[] {
  return body.split(/\r\n\r\n|\n\n|\r\r/).flatMap((block) => {
    let name = '';
    const data: string[] = [];
    for (const line of block.split(/\r\n|\n|\r/)) {
      if (line.startsWith('event:')) name = line.slice('event:'.length).replace(/^ /, '');
      else if (line.startsWith('data:')) data.push(line.slice('data:'.length).replace(/^ /, ''));
    }
    return data.length === 0 ? [] : [{ name, data: data.join('\n') }];
  });
}

export function readStream(codec: Codec, body: string): ReadReply {
  const { order, gatherer } = gathering();
  const reader = codec.openReader(order);
  for (const { name, data } of eventsIn(body)) reader.event(name, data);
  reader.end();
  return readOut(order, gatherer, reader.complete || reader.finished);
}

export interface Translated {
  readonly body: string;
  /** What was kept back for the settlement is the end of the body. */
  readonly held: string;
  readonly complete: boolean;
  readonly fault: string | undefined;
  readonly losses: readonly string[];
}

/** A stream of one protocol as a client of another gets it, from these chunks. */
export function translated(
  upstream: Codec,
  client: Codec,
  chunks: readonly Uint8Array[],
  context: ReplyContext = testContext(),
  end: 'done' | 'finish-reason' = 'finish-reason',
): Translated {
  const tap = new TranslatedTap(upstream, client, context, { hideUsage: false, end });
  const pieces: Uint8Array[] = [];
  for (const chunk of chunks) {
    const bytes = tap.push(chunk);
    if (bytes !== undefined) pieces.push(new Uint8Array(bytes));
  }
  const rest = tap.end();
  if (rest !== undefined) pieces.push(new Uint8Array(rest));
  const held = Buffer.from(tap.held()).toString();
  return {
    body: Buffer.concat(pieces).toString() + held,
    held,
    complete: tap.complete,
    fault: tap.fault,
    losses: tap.reading().losses ?? [],
  };
}

/** Cut at every byte, or at places that chance picks. */
export function cutAt(bytes: Uint8Array, chance: (() => number) | undefined, most = 64): readonly Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = chance === undefined ? 1 : 1 + Math.floor(chance() * most);
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}
