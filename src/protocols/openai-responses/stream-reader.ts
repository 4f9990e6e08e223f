// A stream of responses, read event by event. Deltas are told to the sink as they come; what an item brings only when
// it is done is told then.

import type { StreamReader } from '../../plugin/codec.ts';
import type { JsonObject } from '../../plugin/conversation.ts';
import type { ReplySink } from '../../plugin/conversation-reply.ts';
import { isObject, listOf, numberOf, objectOf, parsedJson, stringOf } from '../json-fields.ts';
import { beginCall, citationOf, failureWords, ItemReader, readEnd, readFailure, readHead } from './read-reply.ts';
import { logprobsOf } from '../openai-reply-words.ts';
import { sealedOf } from './parse-items.ts';

export class ResponsesStreamReader implements StreamReader {
  readonly manyTokensAnEvent = false;
  complete = false;
  finished = false;
  readonly #sink: ReplySink;
  readonly #items: ItemReader;
  /** Blocks by the place of what they hold: `output_index`, and within it the part. */
  readonly #blocks = new Map<string, number>();
  /** Items of which something came. */
  readonly #seen = new Set<number>();
  /** Blocks of which a citation came in an event of its own; and those whose probabilities came with their text. */
  readonly #cited = new Set<number>();
  readonly #logged = new Set<number>();
  #lastSummary = -1;

  constructor(sink: ReplySink) {
    this.#sink = sink;
    this.#items = new ItemReader(sink);
  }

  event(name: string, data: string): void {
    if (this.complete) return;
    const body = objectOf(parsedJson(data));
    const type = stringOf(body['type']) ?? name;
    const at = numberOf(body['output_index']) ?? 0;
    switch (type) {
      case 'response.created':
      case 'response.in_progress':
      case 'response.queued':
        readHead(objectOf(body['response']), this.#sink);
        return;
      case 'response.output_item.added':
        this.#added(objectOf(body['item']), at);
        return;
      case 'response.output_text.delta':
        this.#delta(this.#textKey(body, at), at, 'text', body);
        return;
      case 'response.refusal.delta':
        this.#delta(this.#textKey(body, at), at, 'refusal', body);
        return;
      case 'response.reasoning_text.delta':
      case 'response.reasoning.delta':
        this.#delta(`${at}:thinking`, at, 'thinking', body);
        return;
      case 'response.reasoning_summary_text.delta':
        this.#summary(body, at);
        return;
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta':
        this.#arguments(body, at);
        return;
      case 'response.output_text.annotation.added':
        this.#annotated(body, at);
        return;
      case 'response.output_item.done':
        this.#done(objectOf(body['item']), at);
        return;
      case 'response.completed':
      case 'response.incomplete':
        this.#ended(objectOf(body['response']));
        return;
      case 'response.failed':
        readFailure(objectOf(body['response']), this.#sink);
        return;
      case 'error':
        this.#sink.failed(failureWords(isObject(body['error']) ? body['error'] : body));
    }
  }

  end(): void {
    // Its own terminal event says that it is over.
  }

  #textKey(body: JsonObject, at: number): string {
    return `${at}:${numberOf(body['content_index']) ?? 0}`;
  }

  #added(item: JsonObject, at: number): void {
    if (item['type'] !== 'function_call' && item['type'] !== 'custom_tool_call') return;
    const block = this.#items.nextBlock();
    this.#blocks.set(`${at}:call`, block);
    beginCall(item, block, this.#sink);
  }

  #delta(key: string, at: number, kind: 'text' | 'refusal' | 'thinking', body: JsonObject): void {
    const block = this.#block(key, at, kind, kind === 'thinking' ? false : undefined);
    this.#sink.delta(0, block, stringOf(body['delta']) ?? '');
    if (kind !== 'text' || listOf(body['logprobs']).length === 0) return;
    this.#logged.add(block);
    this.#sink.annotate(0, block, { kind: 'logprobs', tokens: logprobsOf(body['logprobs']) });
  }

  #block(key: string, at: number, kind: 'text' | 'refusal' | 'thinking', summary?: boolean): number {
    this.#seen.add(at);
    const known = this.#blocks.get(key);
    if (known !== undefined) return known;
    const block = this.#items.nextBlock();
    this.#blocks.set(key, block);
    this.#sink.blockStart(0, block, { kind, summary });
    return block;
  }

  /** Parts of a summary are paragraphs. */
  #summary(body: JsonObject, at: number): void {
    const key = `${at}:thinking`;
    const begun = this.#blocks.has(key);
    const block = this.#block(key, at, 'thinking', true);
    const part = numberOf(body['summary_index']) ?? 0;
    if (begun && part !== this.#lastSummary) this.#sink.delta(0, block, '\n\n');
    this.#lastSummary = part;
    this.#sink.delta(0, block, stringOf(body['delta']) ?? '');
  }

  #arguments(body: JsonObject, at: number): void {
    const block = this.#blocks.get(`${at}:call`);
    if (block === undefined) return;
    this.#seen.add(at);
    this.#sink.delta(0, block, stringOf(body['delta']) ?? '');
  }

  #annotated(body: JsonObject, at: number): void {
    const block = this.#blocks.get(this.#textKey(body, at));
    const citation = citationOf(body['annotation'] ?? null);
    if (block === undefined || citation === undefined) this.#sink.lost('citations');
    else {
      this.#cited.add(block);
      this.#sink.annotate(0, block, { kind: 'citation', citation });
    }
  }

  /** What came of a part only when it was done: some servers send no event for a citation, or none for a whole part. */
  #endPart(key: string, part: JsonObject): void {
    const block = this.#blocks.get(key);
    if (block === undefined) {
      this.#items.readPart(part);
      return;
    }
    const tokens = this.#logged.has(block) ? [] : logprobsOf(part['logprobs']);
    if (tokens.length > 0) this.#sink.annotate(0, block, { kind: 'logprobs', tokens });
    for (const each of this.#cited.has(block) ? [] : listOf(part['annotations'])) {
      const citation = citationOf(each);
      if (citation !== undefined) this.#sink.annotate(0, block, { kind: 'citation', citation });
    }
    this.#sink.blockEnd(0, block);
  }

  #done(item: JsonObject, at: number): void {
    const call = this.#blocks.get(`${at}:call`);
    if (call !== undefined) {
      if (!this.#seen.has(at)) this.#sink.delta(0, call, stringOf(item['arguments']) ?? stringOf(item['input']) ?? '');
      this.#seen.add(at);
      this.#sink.blockEnd(0, call);
      return;
    }
    if (!this.#seen.has(at)) {
      this.#seen.add(at);
      this.#items.readItem(item);
      return;
    }
    const thinking = this.#blocks.get(`${at}:thinking`);
    if (thinking !== undefined) {
      const signature = sealedOf(item);
      if (signature !== undefined) this.#sink.annotate(0, thinking, { kind: 'signature', signature });
      this.#sink.blockEnd(0, thinking);
      return;
    }
    for (const [index, part] of listOf(item['content']).entries()) this.#endPart(`${at}:${index}`, objectOf(part));
  }

  #ended(response: JsonObject): void {
    readHead(response, this.#sink);
    // Some servers send nothing but the end.
    if (this.#seen.size === 0 && this.#blocks.size === 0) this.#items.readAll(response);
    readEnd(response, this.#sink);
    this.complete = this.finished = true;
  }
}
