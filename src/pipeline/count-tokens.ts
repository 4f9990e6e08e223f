// Counting tokens, for the rare request whose bound by bytes does not fit the balance. Any caller can ask for that, so
// that it must cost nobody else anything: it happens in a worker, on bodies of bounded size, for a bounded time, a few
// at once. Whatever is beyond that, late or broken keeps its bound by bytes, which always holds.
//
// The whole body is counted, braces and all: an upper bound for text, and a tenth on top covers tokenizers that cut
// finer than this one.

import type { FromTokenWorker, ToTokenWorker } from './token-worker.ts';

export interface TokenCounter {
  /** Most tokens that the body's text has, never more than `bound`. Never rejects. */
  count(body: Uint8Array, bound: number): Promise<number>;
  /** The tokens of this text, to be shown and not to be held; undefined where it was not counted. Never rejects. */
  exactly(text: Uint8Array): Promise<number | undefined>;
  /** Ends the worker. Counts that wait, and those that come later, keep their bound. */
  close(): void;
}

/** The part of a Worker that is used here; tests put one in its place. */
export interface TokenThread {
  postMessage(message: ToTokenWorker, transfer: ArrayBuffer[]): void;
  terminate(): void;
  onmessage: ((event: { readonly data: FromTokenWorker }) => void) | null;
  /** It failed or ended. */
  onend: ((message: string) => void) | null;
}

export interface TokenCounterOptions {
  /** A line for the operator's log. */
  readonly warn: (message: string) => void;
  readonly startThread?: () => TokenThread;
  readonly deadlineMs?: number;
  readonly startMaxMs?: number;
  readonly idleMs?: number;
}

const MARGIN = 1.1;
/** Larger ones take longer than anybody should wait; their bound by bytes stays. */
export const COUNTED_BYTES_MAX = 256 * 1024;
/** Their bodies are copied, and each waits for those before it. */
export const COUNTS_WAITING_MAX = 4;
/** From the asking: enough for loading the tables first. A thread that answers nobody for so long is stuck. */
const DEADLINE_MS = 3_000;
/** For loading the tables. Nobody waits so long for them, but a slow machine must come to its tokenizer. */
const START_MAX_MS = 15_000;
/** Then the tables' memory is let go. */
const IDLE_MS = 60_000;

export function startTokenThread(): TokenThread {
  const worker = new Worker(new URL('./token-worker.ts', import.meta.url).href);
  worker.unref();
  const thread: TokenThread = {
    postMessage: (message, transfer) => worker.postMessage(message, transfer),
    terminate: () => worker.terminate(),
    onmessage: null,
    onend: null,
  };
  worker.onmessage = (event: MessageEvent<FromTokenWorker>) => thread.onmessage?.(event);
  worker.onerror = (event) => thread.onend?.(event.message);
  worker.addEventListener('close', () => thread.onend?.('the thread ended'));
  return thread;
}

export function createTokenCounter(options: TokenCounterOptions): TokenCounter {
  const { deadlineMs = DEADLINE_MS, startMaxMs = START_MAX_MS, idleMs = IDLE_MS } = options;
  const waiting = new Map<number, (tokens: number | undefined) => void>();
  let thread: TokenThread | undefined;
  let ready = false;
  let closed = false;
  let lastId = 0;
  /** Given to the thread and not answered by it: those that were late are among them. */
  let outstanding = 0;
  let answered = 0;
  /** Ends a thread that does not get ready, or that nobody has needed for a while. */
  let timer: ReturnType<typeof setTimeout> | undefined;

  const end = (warning?: string): void => {
    const ended = thread;
    thread = undefined;
    ready = false;
    outstanding = 0;
    clearTimeout(timer);
    if (ended !== undefined) {
      ended.onmessage = null;
      ended.onend = null;
      ended.terminate();
    }
    for (const answer of waiting.values()) answer(undefined);
    if (warning !== undefined) options.warn(`${warning}; requests are held for their bytes, and the next need starts it again`);
  };
  const endAfter = (waitMs: number, warning?: string): void => {
    clearTimeout(timer);
    timer = setTimeout(end, waitMs, warning);
    timer.unref();
  };
  const received = (message: FromTokenWorker): void => {
    ready = true;
    if (message.kind === 'counted') {
      outstanding -= 1;
      answered += 1;
      waiting.get(message.id)?.(message.tokens);
    }
    endAfter(idleMs);
  };
  const started = (): TokenThread => {
    const made = (options.startThread ?? startTokenThread)();
    made.onmessage = (event) => received(event.data);
    made.onend = (message) => end(`the tokenizer failed (${message})`);
    endAfter(startMaxMs, `the tokenizer was not loaded within ${startMaxMs} ms`);
    return made;
  };
  const ask = (body: Uint8Array): Promise<number | undefined> => {
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const id = (lastId += 1);
    const answeredBefore = answered;
    const deadline = setTimeout(() => {
      if (ready && answered === answeredBefore) end();
      else waiting.get(id)?.(undefined);
    }, deadlineMs);
    deadline.unref();
    waiting.set(id, (tokens) => {
      clearTimeout(deadline);
      waiting.delete(id);
      resolve(tokens);
    });
    try {
      if (ready) endAfter(idleMs);
      thread ??= started();
      // A copy of its own to give away: the body itself is still to be sent.
      const copy = new Uint8Array(body);
      outstanding += 1;
      thread.postMessage({ id, body: copy }, [copy.buffer]);
    } catch (error) {
      end(`the tokenizer failed (${error instanceof Error ? error.message : String(error)})`);
    }
    return promise;
  };
  return {
    async count(body, bound) {
      if (closed || body.byteLength > COUNTED_BYTES_MAX || outstanding >= COUNTS_WAITING_MAX) return bound;
      const tokens = await ask(body);
      return tokens === undefined ? bound : Math.min(bound, Math.ceil(tokens * MARGIN));
    },
    async exactly(text) {
      return closed || text.byteLength > COUNTED_BYTES_MAX ? undefined : ask(text);
    },
    close() {
      closed = true;
      end();
    },
  };
}
