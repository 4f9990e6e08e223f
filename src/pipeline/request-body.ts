// The client's body, kept as long as an upstream may still be asked with it and no longer: prompts are large, and
// streams are long.

export class RequestBody {
  readonly byteLength: number;
  #bytes: Uint8Array | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.byteLength = bytes.byteLength;
  }

  /** Throws once it was let go: whoever asks then is out of order. */
  get bytes(): Uint8Array {
    if (this.#bytes === undefined) throw new Error('the body of this request was let go');
    return this.#bytes;
  }

  /** No upstream will be asked any more. */
  letGo(): void {
    this.#bytes = undefined;
  }
}
