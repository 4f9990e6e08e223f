// A stream of Anthropic's messages, read event by event.

import type { StreamReader } from '../../plugin/codec.ts';
import type { JsonObject } from '../../plugin/conversation.ts';
import type { ReplySink } from '../../plugin/conversation-reply.ts';
import { isObject, numberOf, objectOf, parsedJson, stringOf } from '../json-fields.ts';
import { parseCitation, signatureOf } from './parse-messages.ts';
import { beginBlock, errorWords, readHead, stopOf } from './read-reply.ts';
import { mergedUsage } from './usage-block.ts';

export class MessagesStreamReader implements StreamReader {
  complete = false;
  finished = false;
  readonly #sink: ReplySink;
  #usage: JsonObject = {};
  /** Blocks whose input the start stated whole: some vendors do, and send no deltas. */
  readonly #stated = new Map<number, JsonObject>();

  constructor(sink: ReplySink) {
    this.#sink = sink;
  }

  event(name: string, data: string): void {
    if (this.complete) return;
    const body = objectOf(parsedJson(data));
    const type = stringOf(body['type']) ?? name;
    const index = numberOf(body['index']) ?? 0;
    switch (type) {
      case 'message_start': {
        const message = objectOf(body['message']);
        readHead(message, this.#sink);
        this.#count(message['usage']);
        return;
      }
      case 'content_block_start':
        this.#begin(objectOf(body['content_block']), index);
        return;
      case 'content_block_delta':
        this.#delta(objectOf(body['delta']), index);
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
    const begun = beginBlock(block, index, this.#sink);
    if (begun === 'tool' && isObject(block['input']) && Object.keys(block['input']).length > 0)
      this.#stated.set(index, block['input']);
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
      case 'input_json_delta':
        this.#stated.delete(index);
        sink.delta(0, index, stringOf(delta['partial_json']) ?? '');
        return;
      case 'signature_delta': {
        const signature = signatureOf(delta['signature']);
        if (signature !== undefined) sink.annotate(0, index, { kind: 'signature', signature });
        return;
      }
      case 'citations_delta':
        sink.annotate(0, index, { kind: 'citation', citation: parseCitation(delta['citation'] ?? null) });
    }
  }

  #end(index: number): void {
    const stated = this.#stated.get(index);
    if (stated !== undefined) this.#sink.delta(0, index, JSON.stringify(stated));
    this.#stated.delete(index);
    this.#sink.blockEnd(0, index);
  }

  #count(usage: JsonObject[string]): void {
    if (!isObject(usage)) return;
    this.#usage = mergedUsage(this.#usage, usage);
    this.#sink.usage(this.#usage);
  }
}
