// One HTTP/1.1 keep-alive connection on raw TCP for the driver: one request at a time, replies by length or chunked.

import type { Socket } from 'bun';

export interface Reply {
  readonly status: number;
  readonly body: string;
  /** When the first byte of the body came, on the monotonic clock. */
  readonly firstByteAtMs: number;
}

export interface Connection {
  readonly alive: boolean;
  /** Sends a whole request; `onReply` or `onLost` is called once for it. */
  send(request: string): void;
  close(): void;
}

export interface Events {
  onReply(reply: Reply): void;
  /** The connection broke before the reply was complete; `got` is what had come. */
  onLost(got: string): void;
}

const headEnd = Buffer.from('\r\n\r\n');
const LINE_FEED = 10;

class ReplyReader {
  private pending: Buffer | undefined;
  private headRead = false;
  private status = 0;
  /** Bytes to go when the length is known; -1 otherwise. */
  private bytesLeft = -1;
  private chunked = false;
  /** Bytes to go in this chunk, its line end included. */
  private chunkLeft = 0;
  private parts: string[] = [];
  private firstByteAtMs = 0;
  keepAlive = true;

  get text(): string {
    return this.parts.length === 1 ? (this.parts[0] ?? '') : this.parts.join('');
  }

  get endsWithConnection(): boolean {
    return this.headRead && this.bytesLeft < 0 && !this.chunked;
  }

  reply(): Reply {
    return { status: this.status, body: this.text, firstByteAtMs: this.firstByteAtMs };
  }

  /** Returns true when the reply is complete. */
  read(bytes: Buffer): boolean {
    const data = this.pending === undefined ? bytes : Buffer.concat([this.pending, bytes]);
    this.pending = undefined;
    let at = 0;
    if (!this.headRead) {
      at = this.readHead(data);
      if (at < 0) return false;
    }
    if (this.firstByteAtMs === 0 && data.length > at) this.firstByteAtMs = performance.now();
    return this.chunked ? this.readChunks(data, at) : this.readPlain(data, at);
  }

  private readHead(data: Buffer): number {
    const end = data.indexOf(headEnd);
    if (end < 0) {
      this.pending = Buffer.from(data);
      return -1;
    }
    const head = data.toString('latin1', 0, end).toLowerCase();
    this.status = Number(head.slice(9, 12));
    const length = head.indexOf('\r\ncontent-length:');
    if (length >= 0) this.bytesLeft = Number.parseInt(head.slice(length + 17, length + 30), 10);
    else this.chunked = head.includes('\r\ntransfer-encoding: chunked');
    this.keepAlive = !head.includes('\r\nconnection: close');
    this.headRead = true;
    return end + headEnd.length;
  }

  private readPlain(data: Buffer, at: number): boolean {
    if (at < data.length) {
      this.parts.push(data.toString('latin1', at, data.length));
      if (this.bytesLeft >= 0) this.bytesLeft -= data.length - at;
    }
    return this.bytesLeft === 0;
  }

  private readChunks(data: Buffer, from: number): boolean {
    let at = from;
    for (;;) {
      if (this.chunkLeft > 0) {
        const text = Math.min(Math.max(0, this.chunkLeft - 2), data.length - at);
        if (text > 0) this.parts.push(data.toString('latin1', at, at + text));
        const taken = Math.min(this.chunkLeft, data.length - at);
        at += taken;
        this.chunkLeft -= taken;
        if (this.chunkLeft > 0) return false;
      }
      if (at >= data.length) return false;
      const lineEnd = data.indexOf(LINE_FEED, at);
      const size = lineEnd < 0 ? -1 : Number.parseInt(data.toString('latin1', at, lineEnd), 16);
      if (size === 0 && data.length >= lineEnd + 3) return true;
      if (size <= 0) {
        this.pending = Buffer.from(data.subarray(at));
        return false;
      }
      at = lineEnd + 1;
      this.chunkLeft = size + 2;
    }
  }
}

export async function connect(port: number, events: Events): Promise<Connection> {
  let alive = true;
  let reader: ReplyReader | undefined;
  let unsent: Buffer | undefined;

  const flush = (): void => {
    if (unsent === undefined) return;
    const sent = Math.max(0, socket.write(unsent));
    unsent = sent >= unsent.length ? undefined : unsent.subarray(sent);
  };
  const finish = (done: ReplyReader): void => {
    reader = undefined;
    if (!done.keepAlive) {
      alive = false;
      socket.end();
    }
    events.onReply(done.reply());
  };

  // Named inside its own handlers: they need it only once a request was sent.
  const socket: Socket = await Bun.connect({
    hostname: '127.0.0.1',
    port,
    socket: {
      data(_socket, bytes) {
        if (reader === undefined) events.onLost(`bytes that nobody asked for: ${bytes.toString('latin1', 0, 200)}`);
        else if (reader.read(bytes)) finish(reader);
      },
      drain: flush,
      close() {
        alive = false;
        if (reader === undefined) return;
        const cut = reader;
        if (cut.endsWithConnection) finish(cut);
        else {
          reader = undefined;
          events.onLost(cut.text);
        }
      },
      error() {},
    },
  });
  socket.setNoDelay(true);
  return {
    get alive() {
      return alive;
    },
    send(request) {
      reader = new ReplyReader();
      const sent = Math.max(0, socket.write(request));
      if (sent < request.length) unsent = Buffer.from(request.slice(sent), 'latin1');
    },
    close() {
      socket.end();
    },
  };
}
