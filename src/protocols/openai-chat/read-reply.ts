// What a chat completion says, whole or as one event of a stream: both have choices with nearly the same members, so
// one reader serves both, and they cannot disagree.

import type { JsonObject } from '../../plugin/conversation.ts';
import type { ReplySink, Stop, StopKind } from '../../plugin/conversation-reply.ts';
import { isList, isObject, listOf, numberOf, objectOf, stringOf } from '../json-fields.ts';
import { sourceOfUrl } from '../data-url.ts';
import { errorWords, logprobsOf } from '../openai-reply-words.ts';
import { openSignature } from '../translation/signature-envelope.ts';
import { thinkingText } from './parse-messages.ts';

/** Choices of one request; what lies beyond cannot have been asked for. */
const choicesMax = 128;

/** Which block of a choice the deltas go to. Numbers rise as blocks begin. */
interface ChoiceState {
  next: number;
  /** The block that text, thinking or a refusal goes on in, while nothing else came between. */
  current: { readonly kind: 'text' | 'thinking' | 'refusal'; readonly block: number } | undefined;
  /** Blocks of tool calls by the upstream's index or id. */
  readonly calls: Map<string, number>;
  /** The id, with its index, under which a call's block was begun. */
  readonly ids: Map<number, string>;
  lastCall: string | undefined;
  finished: boolean;
}

export class ChatReplyReader {
  readonly #sink: ReplySink;
  readonly #choices = new Map<number, ChoiceState>();
  #headed = false;

  constructor(sink: ReplySink) {
    this.#sink = sink;
  }

  /** A finish reason came for every choice that was begun. */
  get finished(): boolean {
    if (this.#choices.size === 0) return false;
    for (const { finished } of this.#choices.values()) if (!finished) return false;
    return true;
  }

  /** `member` is where a choice has what it says. */
  read(body: JsonObject, member: 'message' | 'delta'): void {
    const { error } = body;
    if (isObject(error) || (typeof error === 'string' && error !== '')) {
      this.#sink.failed(errorWords(error));
      return;
    }
    this.#head(body);
    for (const choice of listOf(body['choices'])) if (isObject(choice)) this.#choice(choice, member);
    const usage = body['usage'] ?? objectOf(body['x_groq'])['usage'];
    if (isObject(usage)) this.#sink.usage(usage);
  }

  #head(body: JsonObject): void {
    if (this.#headed || (body['id'] === undefined && body['model'] === undefined)) return;
    // Azure's first chunk is about the prompt's filters, and has neither name nor id.
    if (listOf(body['choices']).length === 0 && !isObject(body['usage'])) return;
    this.#headed = true;
    this.#sink.head({
      id: stringOf(body['id']),
      model: stringOf(body['model']),
      serviceTier: stringOf(body['service_tier']),
    });
  }

  #choice(choice: JsonObject, member: 'message' | 'delta'): void {
    const index = numberOf(choice['index']) ?? 0;
    if (!Number.isInteger(index) || index < 0 || index >= choicesMax) return;
    const state = this.#state(index);
    const said = isObject(choice[member]) ? choice[member] : objectOf(choice['message']);
    this.#thinking(index, state, said);
    this.#content(index, state, said);
    const refusal = stringOf(said['refusal']);
    if (refusal !== undefined) this.#text(index, state, 'refusal', refusal);
    this.#calls(index, state, said);
    this.#beside(index, state, choice, said);
    const reason = stringOf(choice['finish_reason']);
    if (reason === undefined || reason === '') return;
    state.finished = true;
    this.#sink.stop(index, stopOf(reason, state, choice));
  }

  #state(index: number): ChoiceState {
    let state = this.#choices.get(index);
    if (state === undefined) {
      state = { next: 0, current: undefined, calls: new Map(), ids: new Map(), lastCall: undefined, finished: false };
      this.#choices.set(index, state);
    }
    return state;
  }

  #thinking(index: number, state: ChoiceState, said: JsonObject): void {
    const text = stringOf(said['reasoning_content']) ?? stringOf(said['reasoning']);
    if (text !== undefined) this.#text(index, state, 'thinking', text);
    for (const each of listOf(said['reasoning_details'])) {
      const detail = objectOf(each);
      if (text === undefined)
        this.#text(index, state, 'thinking', stringOf(detail['text']) ?? stringOf(detail['summary']) ?? '');
      const signature = openSignature(stringOf(detail['signature']) ?? stringOf(detail['data']) ?? '');
      if (signature === undefined) continue;
      const block = this.#blockFor(index, state, 'thinking');
      this.#sink.annotate(index, block, { kind: 'signature', signature });
    }
  }

  #content(index: number, state: ChoiceState, said: JsonObject): void {
    const { content } = said;
    if (typeof content === 'string') this.#text(index, state, 'text', content);
    else if (isList(content)) {
      // Mistral's thinking comes as a part of the content.
      for (const each of content) {
        const part = objectOf(each);
        if (part['type'] === 'thinking') this.#text(index, state, 'thinking', thinkingText(part['thinking']));
        else if (part['type'] === 'refusal') this.#text(index, state, 'refusal', stringOf(part['refusal']) ?? '');
        else this.#text(index, state, 'text', stringOf(part['text']) ?? '');
      }
    }
  }

  #text(index: number, state: ChoiceState, kind: 'text' | 'thinking' | 'refusal', text: string): void {
    if (text === '') return;
    this.#sink.delta(index, this.#blockFor(index, state, kind), text);
  }

  #blockFor(index: number, state: ChoiceState, kind: 'text' | 'thinking' | 'refusal'): number {
    if (state.current?.kind === kind) return state.current.block;
    const block = state.next++;
    state.current = { kind, block };
    this.#sink.blockStart(index, block, { kind });
    return block;
  }

  #calls(index: number, state: ChoiceState, said: JsonObject): void {
    for (const [position, each] of listOf(said['tool_calls']).entries()) {
      const call = objectOf(each);
      const called = isCustom(call) ? objectOf(call['custom']) : objectOf(call['function']);
      const block = this.#callBlock(index, state, call, called, position);
      if (block === undefined) continue;
      const pieces = called['arguments'] ?? called['input'];
      const text = isObject(pieces) ? JSON.stringify(pieces) : stringOf(pieces);
      if (text !== undefined) this.#sink.delta(index, block, text);
      const signed = stringOf(objectOf(objectOf(call['extra_content'])['google'])['thought_signature']);
      if (signed === undefined) continue;
      const signature = openSignature(signed) ?? { protocol: 'gemini-generate', form: 'signature', value: signed };
      this.#sink.annotate(index, block, { kind: 'signature', signature });
    }
    const called = objectOf(said['function_call']);
    if (!stringOf(called['name']) && !stringOf(called['arguments'])) return;
    const block = this.#callBlock(index, state, { index: 0, id: 'legacy' }, called, 0);
    const text = stringOf(called['arguments']);
    if (block !== undefined && text !== undefined) this.#sink.delta(index, block, text);
  }

  /**
   * A delta belongs to the call of its index. Some vendors state none: then a new id begins a call, and what has
   * neither goes on with the last. One index may also serve two calls, told apart by their ids.
   */
  #callBlock(
    index: number,
    state: ChoiceState,
    call: JsonObject,
    called: JsonObject,
    position: number,
  ): number | undefined {
    const id = stringOf(call['id']) || undefined;
    const stated = numberOf(call['index']);
    const slot = stated === undefined ? undefined : `#${stated}`;
    const byId = id === undefined ? undefined : `id:${slot ?? ''}:${id}`;
    const bySlot = slot ?? (id === undefined ? state.lastCall : undefined);
    const known = (byId === undefined ? undefined : state.calls.get(byId)) ?? this.#knownSlot(state, bySlot, id);
    if (known !== undefined) {
      state.lastCall = byId ?? bySlot;
      return known;
    }
    const name = stringOf(called['name']);
    // Arguments of a call whose name never came.
    if (name === undefined && id === undefined) return undefined;
    const block = state.next++;
    state.current = undefined;
    this.#sink.blockStart(index, block, {
      kind: 'tool-call',
      id: id === 'legacy' ? undefined : id,
      name: name ?? '',
      custom: isCustom(call) ? true : undefined,
    });
    const key = byId ?? slot ?? `@${position}:${block}`;
    state.calls.set(key, block);
    if (slot !== undefined) state.calls.set(slot, block);
    if (byId !== undefined) state.ids.set(block, byId);
    state.lastCall = key;
    return block;
  }

  /** The block of an index, unless another id says that a new call begins there. */
  #knownSlot(state: ChoiceState, slot: string | undefined, id: string | undefined): number | undefined {
    if (slot === undefined) return undefined;
    const block = state.calls.get(slot);
    if (block === undefined || id === undefined) return block;
    return (state.ids.get(block) ?? `id:${slot}:${id}`) === `id:${slot}:${id}` ? block : undefined;
  }

  /** Probabilities, citations, pictures and sound. */
  #beside(index: number, state: ChoiceState, choice: JsonObject, said: JsonObject): void {
    const logprobs = objectOf(choice['logprobs']);
    const tokens = logprobsOf([...listOf(logprobs['content']), ...listOf(logprobs['refusal'])]);
    if (tokens.length > 0)
      this.#sink.annotate(index, this.#blockFor(index, state, state.current?.kind ?? 'text'), {
        kind: 'logprobs',
        tokens,
      });
    for (const each of listOf(said['annotations'])) {
      const cited = objectOf(objectOf(each)['url_citation']);
      const url = stringOf(cited['url']);
      if (url === undefined) continue;
      const block = this.#blockFor(index, state, 'text');
      this.#sink.annotate(index, block, {
        kind: 'citation',
        citation: {
          url,
          title: stringOf(cited['title']),
          start: numberOf(cited['start_index']),
          end: numberOf(cited['end_index']),
        },
      });
    }
    const audio = objectOf(said['audio']);
    if (stringOf(audio['data']) || stringOf(audio['transcript'])) this.#sink.lost('media-output');
    for (const each of listOf(said['images'])) {
      const url = stringOf(objectOf(objectOf(each)['image_url'])['url']);
      if (url === undefined) continue;
      state.current = undefined;
      this.#sink.blockStart(index, state.next++, { kind: 'media', part: { kind: 'image', source: sourceOfUrl(url) } });
    }
  }
}

/** Snowflake sends the members of both kinds, the other one's empty. */
const isCustom = (call: JsonObject): boolean => Boolean(stringOf(objectOf(call['custom'])['name']));

const stops: Readonly<Record<string, StopKind>> = {
  stop: 'end',
  length: 'length',
  model_length: 'context-window',
  tool_calls: 'tool-calls',
  function_call: 'tool-calls',
  content_filter: 'content-filter',
  error: 'error',
};

/** Some vendors say `stop` although they call tools. */
function stopOf(reason: string, state: ChoiceState, choice: JsonObject): Stop {
  const known = Object.hasOwn(stops, reason) ? (stops[reason] ?? 'end') : 'end';
  const kind = known === 'end' && state.calls.size > 0 ? 'tool-calls' : known;
  const sequence = stringOf(choice['stop_reason']) ?? stringOf(choice['matched_stop']);
  return { kind: kind === 'end' && sequence !== undefined ? 'stop-sequence' : kind, native: reason, sequence };
}
