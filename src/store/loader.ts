// The main thread's side of the loader: tells the worker how far the journal is durable, each thousand records or
// each second, and replaces it when it fails. Money does not depend on it: it lives in memory and in the journal.

import { TollgateError } from '../core/errors.ts';
import type { JournalPosition } from './journal-files.ts';
import type { FromLoader, ToLoader } from './loader-worker.ts';

/** The part of a Worker that is used here; tests put one in its place that dies. */
export interface LoaderThread {
  postMessage(message: ToLoader): void;
  terminate(): void;
  onmessage: ((event: { readonly data: FromLoader }) => void) | null;
  onerror: ((event: { readonly message: string }) => void) | null;
  onclose: (() => void) | null;
}

export interface LoaderOptions {
  readonly folder: string;
  readonly loaded: JournalPosition;
  readonly onLoaded: (position: JournalPosition) => void;
  /** A line for the operator's log. */
  readonly warn: (message: string) => void;
  readonly startThread?: () => LoaderThread;
}

/** Smaller batches cost more by the row. Whoever must read what is new asks, and does not wait for this. */
const BATCH_WAIT_MS = 1_000;
const BATCH_RECORDS = 1_000;
const QUICK_RESTARTS = 5;
const RESTART_FIRST_MS = 50;
/** A loader that keeps failing is tried again at this pace, for ever: a full disk may have been cleared. */
const RESTART_SLOW_MS = 30_000;

export function startLoaderThread(): LoaderThread {
  const worker = new Worker(new URL('./loader-worker.ts', import.meta.url).href);
  const thread: LoaderThread = {
    postMessage: (message) => worker.postMessage(message),
    terminate: () => worker.terminate(),
    onmessage: null,
    onerror: null,
    onclose: null,
  };
  worker.onmessage = (event: MessageEvent<FromLoader>) => thread.onmessage?.(event);
  worker.onerror = (event) => thread.onerror?.(event);
  worker.addEventListener('close', () => thread.onclose?.());
  return thread;
}

interface Waiter {
  readonly sequence: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Loader {
  readonly #options: LoaderOptions;
  #thread: LoaderThread | undefined;
  #loaded: JournalPosition;
  #durable: JournalPosition;
  #busy = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #waiters: Waiter[] = [];
  #closing: PromiseWithResolvers<void> | undefined;

  constructor(options: LoaderOptions) {
    this.#options = options;
    this.#loaded = options.loaded;
    this.#durable = options.loaded;
  }

  get loaded(): JournalPosition {
    return this.#loaded;
  }

  /** More of the journal is durable. Cheap: most calls only note it. */
  advance(durable: JournalPosition): void {
    this.#durable = durable;
    if (this.#busy || this.#closing !== undefined) return;
    if (this.#failures === 0 && durable.sequence - this.#loaded.sequence >= BATCH_RECORDS) return this.#send();
    this.#timer ??= setTimeout(this.#send, BATCH_WAIT_MS);
  }

  /** Resolves when that record can be read from the store. Rejects while the loader cannot load. */
  whenLoaded(sequence: number): Promise<void> {
    if (sequence <= this.#loaded.sequence) return Promise.resolve();
    if (this.#failures > QUICK_RESTARTS || this.#closing !== undefined) return Promise.reject(stoppedError());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiters.push({ sequence, resolve, reject });
    if (!this.#busy && this.#failures === 0) this.#send();
    return promise;
  }

  /** Waits for the batch that is being loaded, then ends the worker. The rest is loaded by whoever calls. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const closing = (this.#closing ??= Promise.withResolvers<void>());
    if (this.#thread === undefined) closing.resolve();
    else this.#thread.postMessage({ kind: 'close' });
    await closing.promise;
    this.#drop();
    this.#rejectWaiters();
  }

  readonly #send = (): void => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#busy || this.#closing !== undefined || this.#durable.sequence <= this.#loaded.sequence) return;
    const { segment, offset, sequence } = this.#durable;
    this.#busy = true;
    try {
      this.#thread ??= this.#start();
      this.#thread.postMessage({ kind: 'load', folder: this.#options.folder, segment, offset, sequence });
    } catch (error) {
      this.#failed(error instanceof Error ? error.message : String(error));
    }
  };

  #start(): LoaderThread {
    const thread = (this.#options.startThread ?? startLoaderThread)();
    thread.onmessage = (event) => this.#received(event.data);
    thread.onerror = (event) => this.#failed(event.message);
    thread.onclose = () => this.#failed('the loader thread ended');
    return thread;
  }

  #received(message: FromLoader): void {
    switch (message.kind) {
      case 'loaded': return this.#advanced(message);
      case 'failed': return this.#failed(message.message);
      case 'closed': return this.#closing?.resolve();
    }
  }

  #advanced({ segment, offset, sequence }: JournalPosition): void {
    this.#busy = false;
    this.#failures = 0;
    this.#loaded = { segment, offset, sequence };
    this.#options.onLoaded(this.#loaded);
    const done = this.#waiters.filter((waiter) => waiter.sequence <= sequence);
    if (done.length > 0) this.#waiters = this.#waiters.filter((waiter) => waiter.sequence > sequence);
    for (const waiter of done) waiter.resolve();
    if (this.#waiters.length > 0) this.#send();
    else if (this.#durable.sequence > sequence) this.advance(this.#durable);
  }

  #failed(message: string): void {
    if (this.#closing !== undefined) return this.#closing.resolve();
    if (this.#thread === undefined && this.#timer !== undefined) return;
    this.#drop();
    this.#busy = false;
    this.#failures += 1;
    const waitMs = this.#failures > QUICK_RESTARTS ? RESTART_SLOW_MS : RESTART_FIRST_MS * 2 ** (this.#failures - 1);
    this.#options.warn(`the ledger's loader failed (${message}); it is started again in ${waitMs} ms, money is not affected`);
    if (this.#failures > QUICK_RESTARTS) this.#rejectWaiters();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#send, waitMs);
  }

  #drop(): void {
    const thread = this.#thread;
    this.#thread = undefined;
    if (thread === undefined) return;
    thread.onmessage = null;
    thread.onerror = null;
    thread.onclose = null;
    thread.terminate();
  }

  #rejectWaiters(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(stoppedError());
  }
}

function stoppedError(): TollgateError {
  return new TollgateError('internal_error', {
    message: 'Usage records and movements cannot be read up to date at the moment. Try again later.',
    detail: 'the ledger loader does not run',
  });
}
