// A Gemini stream, read event by event. Nothing ends it but the end of the body, once every candidate had its reason.

import type { StreamReader } from '../../plugin/codec.ts';
import type { ReplySink } from '../../plugin/conversation-reply.ts';
import { isObject } from '../json-fields.ts';
import { exactJson } from '../translation/exact-numbers.ts';
import { errorWords } from './error-body.ts';
import { GeminiReplyReader } from './read-reply.ts';

export class GeminiStreamReader implements StreamReader {
  readonly manyTokensAnEvent = true;
  complete = false;
  readonly #sink: ReplySink;
  readonly #reader: GeminiReplyReader;

  constructor(sink: ReplySink) {
    this.#sink = sink;
    this.#reader = new GeminiReplyReader(sink);
  }

  get finished(): boolean {
    return this.#reader.finished;
  }

  event(name: string, data: string): void {
    const body = exactJson(data);
    if (isObject(body)) this.#reader.read(name === 'error' && body['error'] === undefined ? { error: body } : body);
    else if (name === 'error') this.#sink.failed(errorWords(body));
  }

  end(): void {
    this.complete = this.#reader.finished;
  }
}
