// A stream of Gemini's, read event by event. It has no terminal event: a finish reason and a clean end are its end.

import type { StreamReader } from '../../plugin/codec.ts';
import type { ReplySink } from '../../plugin/conversation-reply.ts';
import { isObject, parsedJson } from '../json-fields.ts';
import { GeminiReplyReader } from './read-reply.ts';

export class GeminiStreamReader implements StreamReader {
  complete = false;
  readonly #reader: GeminiReplyReader;

  constructor(sink: ReplySink) {
    this.#reader = new GeminiReplyReader(sink);
  }

  get finished(): boolean {
    return this.#reader.finished;
  }

  event(_name: string, data: string): void {
    const body = parsedJson(data);
    if (isObject(body)) this.#reader.read(body);
  }

  end(): void {
    this.complete = this.#reader.finished;
  }
}
