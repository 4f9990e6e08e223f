// Tells when a JSON object that comes in pieces is complete, without keeping or parsing it.

export class JsonEnd {
  #depth = 0;
  #inString = false;
  #escaped = false;
  #begun = false;
  /** True once the outermost bracket was closed. False for ever for text that is no object. */
  complete = false;
  /** True while nothing but white space came. */
  empty = true;

  push(text: string): void {
    for (let i = 0; i < text.length && !this.complete; i++) {
      const code = text.charCodeAt(i);
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (code === 0x5c) this.#escaped = true;
        else if (code === 0x22) this.#inString = false;
        continue;
      }
      if (code <= 0x20) continue;
      this.empty = false;
      if (code === 0x7b || code === 0x5b) {
        this.#begun = true;
        this.#depth++;
      } else if (code === 0x7d || code === 0x5d) {
        this.#depth--;
        this.complete = this.#begun && this.#depth <= 0;
      } else if (code === 0x22) this.#inString = true;
    }
  }
}
