// A reply is a script: a lazy list of steps that one player performs. Honest answers and faults differ in
// nothing else, so every fault is exact to the byte, and an endless one costs no memory.

export type Step =
  /**
   * Put these bytes on the wire, in a write of their own. The next step waits until the socket has taken
   * them.
   */
  | { readonly kind: 'write'; readonly bytes: Uint8Array }
  | { readonly kind: 'wait'; readonly ms: number }
  /** The reply is whole: the connection may carry the next request. */
  | { readonly kind: 'finish' }
  /** FIN after what was written. */
  | { readonly kind: 'close' }
  /** RST at once. */
  | { readonly kind: 'reset' }
  /** Say nothing more, and keep the connection until the client closes it. */
  | { readonly kind: 'hang' };

/** Every script ends with one of finish, close, reset or hang. */
export type Script = Generator<Step, void, undefined>;

export const finish: Step = { kind: 'finish' };
export const close: Step = { kind: 'close' };
export const reset: Step = { kind: 'reset' };
export const hang: Step = { kind: 'hang' };

export function write(content: string | Uint8Array): Step {
  return { kind: 'write', bytes: typeof content === 'string' ? Buffer.from(content) : content };
}

export function wait(ms: number): Step {
  return { kind: 'wait', ms };
}
