// translate: a call whose upstream does not speak the client's protocol. Its request is read once into the neutral
// conversation and written for each upstream that is tried; what comes back is written for the client.

import type { Codec, ReplyContext } from '../plugin/codec.ts';
import type { Conversation, JsonValue } from '../plugin/conversation.ts';
import type { ReplyReading, StreamTap } from '../plugin/protocol.ts';
import type { UsageParts } from '../plugin/usage.ts';
import { asJsonArray } from '../protocols/json-array-tap.ts';
import { dialectOf } from '../protocols/translation/dialects.ts';
import { fittingCodec } from '../protocols/translation/tool-names.ts';
import {
  conversationOf,
  translateRefusal,
  translateReply,
  translateRequest,
} from '../protocols/translation/translate.ts';
import { TranslatedTap } from '../protocols/translation/translated-tap.ts';
import type { Offer } from '../domain/catalog/catalog.ts';
import type { Routed } from './exchange.ts';
import type { Passage } from './passage.ts';
import type { PipelineServices } from './services.ts';

const encoder = new TextEncoder();
const idLetters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const idLength = 24;

export class Translation {
  readonly body: readonly Uint8Array[];
  /** What of the request the upstream was not told. */
  readonly losses: readonly string[];
  readonly #upstream: Codec;
  readonly #client: Codec;
  readonly #context: ReplyContext;
  readonly #routed: Routed;

  /** Throws TollgateError `invalid_request` where the upstream's protocol cannot carry what the request means. */
  constructor(services: PipelineServices, routed: Routed, offer: Offer, passage: Passage) {
    const client = routed.protocol.codec;
    const spoken = passage.protocol.codec;
    if (client === undefined || spoken === undefined)
      throw new Error('a protocol without a codec was to be translated');
    const conversation = routed.body.conversation((body) => conversationOf(client, body, routed.line));
    const upstream = fittingCodec(spoken, passage.protocol.name, conversation);
    this.#client = client;
    this.#upstream = upstream;
    this.#routed = routed;
    const { facts } = routed;
    const { provider } = offer.upstream;
    const translated = translateRequest(upstream, passage.protocol.name, conversation, {
      model: offer.model,
      stream: facts.stream,
      dialect: dialectOf(passage.protocol.name, passage.dialect),
      outputTokensMax: routed.model.outputTokensMax,
      askUsage: provider.quirks.usage === 'on-request',
    });
    this.body = [encoder.encode(translated.body)];
    this.losses = translated.losses;
    this.#context = contextOf(
      services,
      routed,
      conversation,
      (raw) => provider.usage(raw, routed.protocol.operation, passage.protocol.name)?.parts,
    );
  }

  openTap(end: 'done' | 'finish-reason'): StreamTap {
    const tap = new TranslatedTap(this.#upstream, this.#client, this.#context, { hideUsage: false, end });
    return this.#routed.facts.framing === 'json-array' ? asJsonArray(tap) : tap;
  }

  /** The whole reply for the client, with what it cannot be told; undefined where the upstream's is no JSON. */
  reply(body: Uint8Array, reading: ReplyReading): { body: Uint8Array; reading: ReplyReading } | undefined {
    const translated = translateReply(this.#upstream, this.#client, body, this.#context);
    if (translated === undefined) return undefined;
    return { body: encoder.encode(translated.body), reading: { ...reading, losses: translated.losses } };
  }

  /** The upstream's refusal in the client's form; empty where it has no words. */
  refusal(body: Uint8Array, status: number): Uint8Array {
    const { requestId } = this.#routed;
    return encoder.encode(translateRefusal(this.#upstream, this.#client, body, status, requestId) ?? '');
  }
}

/** The prompt is not kept for as long as the reply lasts: only its settings are. */
function contextOf(
  services: PipelineServices,
  routed: Routed,
  conversation: Conversation,
  usageOf: (raw: JsonValue) => UsageParts | undefined,
): ReplyContext {
  return {
    request: { ...conversation, turns: [] },
    createdAt: Math.floor(routed.admittedAt / 1000),
    newId: () => {
      let id = '';
      for (let i = 0; i < idLength; i++) id += idLetters[Math.floor(services.chance() * idLetters.length)];
      return id;
    },
    usageOf,
    wantsUsage: routed.facts.wantsUsage,
  };
}
