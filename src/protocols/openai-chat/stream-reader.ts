// A chat stream, read event by event. `[DONE]` ends it; for vendors that leave it out a finish reason and a clean end
// do.

import type { StreamReader } from '../../plugin/codec.ts';
import type { ReplySink } from '../../plugin/conversation-reply.ts';
import { isObject, parsedJson } from '../json-fields.ts';
import { ChatReplyReader } from './read-reply.ts';
import { errorWords } from '../openai-reply-words.ts';

export class ChatStreamReader implements StreamReader {
  readonly manyTokensAnEvent = false;
  complete = false;
  readonly #sink: ReplySink;
  readonly #reader: ChatReplyReader;

  constructor(sink: ReplySink) {
    this.#sink = sink;
    this.#reader = new ChatReplyReader(sink);
  }

  get finished(): boolean {
    return this.#reader.finished;
  }

  event(name: string, data: string): void {
    if (this.complete) return;
    if (data.length < 32 && data.trim() === '[DONE]') {
      this.complete = true;
      return;
    }
    const body = parsedJson(data);
    if (name === 'error')
      this.#sink.failed(isObject(body) && body['error'] !== undefined ? errorWords(body['error']) : errorWords(body));
    else if (isObject(body)) this.#reader.read(body, 'delta');
  }

  end(): void {
    // Nothing is left: every event was read as it came.
  }
}
