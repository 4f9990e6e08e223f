// A raw-TCP upstream that says exactly the bytes a test wants, and a sink that records what came of them.

import type { TransportFault, UpstreamHeaders, UpstreamSink } from '../../../src/pipeline/transport/transport.ts';

export type UpstreamSocket = Bun.Socket<Peer>;

interface Peer {
  pending: Buffer;
  /** Which connection this is, from 0. */
  readonly index: number;
  requests: number;
}

export interface SeenRequest {
  readonly head: string;
  readonly body: Buffer;
  readonly connection: number;
}

export interface FakeUpstream {
  readonly port: number;
  readonly requests: readonly SeenRequest[];
  /** Connections accepted, and of those the ones that are closed again. */
  readonly accepted: number;
  readonly closed: number;
  /** Bytes received on all connections. */
  readonly bytesReceived: number;
  readonly sockets: readonly UpstreamSocket[];
  stop(): void;
}

export interface FakeUpstreamOptions {
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly hostname?: string;
  readonly onOpen?: (socket: UpstreamSocket) => void;
  /** Called with each whole request. */
  readonly onRequest?: (socket: UpstreamSocket, request: SeenRequest) => void;
  readonly onDrain?: (socket: UpstreamSocket) => void;
  /** Called with every read, before it is looked at. */
  readonly onBytes?: (socket: UpstreamSocket, bytes: Buffer) => void;
}

export function startUpstream(options: FakeUpstreamOptions): FakeUpstream {
  const requests: SeenRequest[] = [];
  const sockets: UpstreamSocket[] = [];
  let closed = 0;
  let bytesReceived = 0;

  function take(socket: UpstreamSocket): boolean {
    const peer = socket.data;
    const headEnd = peer.pending.indexOf('\r\n\r\n');
    if (headEnd < 0) return false;
    const head = peer.pending.toString('latin1', 0, headEnd);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (peer.pending.length < headEnd + 4 + length) return false;
    const body = peer.pending.subarray(headEnd + 4, headEnd + 4 + length);
    peer.pending = peer.pending.subarray(headEnd + 4 + length);
    peer.requests += 1;
    const request = { head, body, connection: peer.index };
    requests.push(request);
    options.onRequest?.(socket, request);
    return true;
  }

  const server = Bun.listen<Peer>({
    hostname: options.hostname ?? '127.0.0.1',
    port: 0,
    ...(options.tls === undefined ? {} : { tls: options.tls }),
    socket: {
      open(socket) {
        socket.data = { pending: Buffer.alloc(0), index: sockets.length, requests: 0 };
        sockets.push(socket);
        options.onOpen?.(socket);
      },
      data(socket, bytes) {
        bytesReceived += bytes.length;
        options.onBytes?.(socket, bytes);
        if (options.onRequest === undefined) return;
        socket.data.pending = Buffer.concat([socket.data.pending, bytes]);
        while (take(socket));
      },
      drain: (socket) => options.onDrain?.(socket),
      close() {
        closed += 1;
      },
      error() {},
    },
  });

  return {
    port: server.port,
    requests,
    sockets,
    get accepted() { return sockets.length; },
    get closed() { return closed; },
    get bytesReceived() { return bytesReceived; },
    stop: () => server.stop(true),
  };
}

export type Outcome =
  | { readonly kind: 'end'; readonly framed: boolean }
  | { readonly kind: 'fail'; readonly fault: TransportFault };

export class RecordingSink implements UpstreamSink {
  status: number | undefined;
  headers: UpstreamHeaders | undefined;
  bodyLength: number | undefined;
  /** Names of the callbacks in order, runs of `data` as one. */
  readonly calls: string[] = [];
  readonly chunks: Uint8Array[] = [];
  bytes = 0;
  readonly outcome: Promise<Outcome>;
  #settle!: (outcome: Outcome) => void;
  /** What `data` answers. */
  takes: (chunk: Uint8Array) => boolean = () => true;
  onHead: () => void = () => {};

  constructor() {
    this.outcome = new Promise((settle) => { this.#settle = settle; });
  }

  head(status: number, headers: UpstreamHeaders, bodyLength: number | undefined): void {
    this.#note('head');
    this.status = status;
    this.headers = headers;
    this.bodyLength = bodyLength;
    this.onHead();
  }

  data(chunk: Uint8Array): boolean {
    this.#note('data');
    this.bytes += chunk.byteLength;
    this.chunks.push(chunk);
    return this.takes(chunk);
  }

  end(framed: boolean): void {
    this.#note('end');
    this.#settle({ kind: 'end', framed });
  }

  fail(fault: TransportFault): void {
    this.#note('fail');
    this.#settle({ kind: 'fail', fault });
  }

  get body(): string {
    return Buffer.concat(this.chunks).toString();
  }

  #note(call: string): void {
    if (call !== 'data' || this.calls.at(-1) !== 'data') this.calls.push(call);
  }
}

/** Waits until the condition holds; fails after five seconds with what it was. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`did not come true: ${what}`);
    await Bun.sleep(2);
  }
}

/** Lets everything that is already under way happen. */
export async function settleLoop(turns = 5): Promise<void> {
  for (let i = 0; i < turns; i += 1) await new Promise<void>((resume) => { setImmediate(resume); });
}
