// A stream of Anthropic's messages, read event by event.

import type { StreamReader } from '../../plugin/codec.ts';
import type { JsonObject, JsonValue } from '../../plugin/conversation.ts';
import type { ReplySink } from '../../plugin/conversation-reply.ts';
import { isObject, numberOf, objectOf, stringOf } from '../json-fields.ts';
import { exactJson } from '../translation/exact-numbers.ts';
import { parseCitation } from './parse-content.ts';
import { signatureOf } from './parse-messages.ts';
import { beginBlock, errorWords, nativeBlock, readHead, stopOf } from './read-reply.ts';
import { mergedUsage } from './usage-block.ts';

/** A block that only this protocol has, until it is whole. */
interface Native {
  readonly start: JsonObject;
  /** JSON of its input, in pieces. */
  readonly input: string[];
  /** What it holds besides: the text of a compaction. */
  content: string | undefined;
}

export class MessagesStreamReader implements StreamReader {
  readonly manyTokensAnEvent = true;
  complete = false;
  finished = false;
  readonly #sink: ReplySink;
  #usage: JsonObject = {};
  /** Calls whose input the start stated whole: some vendors do, and send no deltas. */
  readonly #stated = new Map<number, JsonObject>();
  readonly #natives = new Map<number, Native>();

  constructor(sink: ReplySink) {
    this.#sink = sink;
  }

  event(name: string, data: string): void {
    if (this.complete) return;
    const body = objectOf(exactJson(data));
    const index = numberOf(body['index']) ?? 0;
    switch (stringOf(body['type']) ?? name) {
      case 'content_block_delta':
        this.#delta(objectOf(body['delta']), index);
        return;
      case 'message_start': {
        const message = objectOf(body['message']);
        readHead(message, this.#sink);
        this.#count(message['usage']);
        return;
      }
      case 'content_block_start':
        this.#begin(objectOf(body['content_block']), index);
        return;
      case 'content_block_stop':
        this.#end(index);
        return;
      case 'message_delta': {
        const delta = objectOf(body['delta']);
        const reason = stringOf(delta['stop_reason']);
        this.#count(body['usage']);
        if (reason === undefined) return;
        this.finished = true;
        this.#sink.stop(0, stopOf(reason, stringOf(delta['stop_sequence'])));
        return;
      }
      case 'message_stop':
        this.complete = true;
        return;
      case 'error':
        this.#sink.failed(errorWords(body));
    }
  }

  end(): void {
    // Its own terminal event says that it is over.
  }

  #begin(block: JsonObject, index: number): void {
    const kind = beginBlock(block, index, this.#sink);
    if (kind === 'native') this.#natives.set(index, { start: block, input: [], content: undefined });
    const { input } = block;
    if (kind === 'tool-call' && isObject(input) && Object.keys(input).length > 0) this.#stated.set(index, input);
  }

  #delta(delta: JsonObject, index: number): void {
    const sink = this.#sink;
    switch (delta['type']) {
      case 'text_delta':
        sink.delta(0, index, stringOf(delta['text']) ?? '');
        return;
      case 'thinking_delta':
        sink.delta(0, index, stringOf(delta['thinking']) ?? '');
        return;
      case 'input_json_delta': {
        const text = stringOf(delta['partial_json']) ?? '';
        const native = this.#natives.get(index);
        if (native !== undefined) native.input.push(text);
        else {
          if (text !== '') this.#stated.delete(index);
          sink.delta(0, index, text);
        }
        return;
      }
      case 'signature_delta': {
        const signature = signatureOf(delta['signature']);
        if (signature !== undefined) sink.annotate(0, index, { kind: 'signature', signature });
        return;
      }
      case 'citations_delta':
        sink.annotate(0, index, { kind: 'citation', citation: parseCitation(delta['citation'] ?? null) });
        return;
      case 'compaction_delta': {
        const native = this.#natives.get(index);
        if (native !== undefined) native.content = (native.content ?? '') + (stringOf(delta['content']) ?? '');
        return;
      }
      default:
        sink.lost('native-block');
    }
  }

  #end(index: number): void {
    const native = this.#natives.get(index);
    if (native !== undefined) {
      this.#natives.delete(index);
      nativeBlock(wholeOf(native), index, this.#sink);
      return;
    }
    const stated = this.#stated.get(index);
    if (stated !== undefined) this.#sink.delta(0, index, JSON.stringify(stated));
    this.#stated.delete(index);
    this.#sink.blockEnd(0, index);
  }

  #count(usage: JsonValue | undefined): void {
    if (!isObject(usage)) return;
    this.#usage = mergedUsage(this.#usage, usage);
    this.#sink.usage(this.#usage);
  }
}

function wholeOf({ start, input, content }: Native): JsonObject {
  const parsed = input.length === 0 ? undefined : exactJson(input.join(''));
  return {
    ...start,
    ...(parsed === undefined ? {} : { input: parsed }),
    ...(content === undefined ? {} : { content }),
  };
}
