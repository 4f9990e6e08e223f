// The client's body, kept as long as an upstream may still be asked with it and no longer: prompts are large, and
// streams are long.

import type { Conversation } from '../plugin/conversation.ts';

export class RequestBody {
  readonly byteLength: number;
  #bytes: Uint8Array | undefined;
  #conversation: Conversation | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.byteLength = bytes.byteLength;
  }

  /** Throws once it was let go: whoever asks then is out of order. */
  get bytes(): Uint8Array {
    if (this.#bytes === undefined) throw new Error('the body of this request was let go');
    return this.#bytes;
  }

  /** What it says in the neutral form: read once, however many upstreams are tried. */
  conversation(readFrom: (bytes: Uint8Array) => Conversation): Conversation {
    this.#conversation ??= readFrom(this.bytes);
    return this.#conversation;
  }

  /** No upstream will be asked any more. */
  letGo(): void {
    this.#bytes = undefined;
    this.#conversation = undefined;
  }
}
