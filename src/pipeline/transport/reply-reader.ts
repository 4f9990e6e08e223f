// One reply from the bytes of a connection, split wherever the network likes. Invariant: the events depend on
// the bytes alone, never on where they were split, but for how content is divided among `replyData` calls.

import { ChunkedBody } from './chunked-body.ts';
import { contentOf } from './content-of.ts';
import { HEAD_BYTES_MAX, parseReplyHead } from './parse-reply-head.ts';
import type { ReplyHead } from './reply-head.ts';

export interface ReplyEvents {
  replyHead(head: ReplyHead): void;
  replyData(chunk: Uint8Array): void;
  /** `surplus`: bytes follow that belong to no reply, so that the connection must not be used again. */
  replyEnd(framed: boolean, surplus: boolean): void;
  replyBad(kind: 'bad-framing' | 'oversized-head' | 'reset', detail: string): void;
}

/** Interim replies (100, 102, 103) before the real one. */
const INTERIM_MAX = 16;
const HEAD_END = Buffer.from('\r\n\r\n');
const PROTOCOL = Buffer.from('HTTP/1.');

/** Whether the bytes from here are `HTTP/1.`, as far as they go. */
function isProtocol(buffer: Buffer, from: number): boolean {
  const length = Math.min(PROTOCOL.length, buffer.length - from);
  for (let i = 0; i < length; i += 1) if (buffer[from + i] !== PROTOCOL[i]) return false;
  return true;
}

const enum Phase { Head, Length, Chunked, UntilClose, Over }

export class ReplyReader {
  readonly #events: ReplyEvents;
  #phase = Phase.Over;
  /** Bytes of a head that has not ended yet: the first `#held` of this memory of our own. */
  #room: Buffer | undefined;
  #held = 0;
  #interim = 0;
  #left = 0;
  /** One for all streams of the connection. */
  #chunked: ChunkedBody | undefined;

  constructor(events: ReplyEvents) {
    this.#events = events;
  }

  /** Expects a reply from its first byte. */
  begin(): void {
    this.#phase = Phase.Head;
    this.#drop();
    this.#interim = 0;
  }

  /** Ignores everything until the next `begin`. */
  stop(): void {
    this.#phase = Phase.Over;
    this.#drop();
    this.#chunked?.reset();
  }

  /** Content chunks handed on are parts of `bytes`, which must not be reused by the caller. */
  read(bytes: Buffer): void {
    switch (this.#phase) {
      case Phase.Head:
        return this.#readHead(bytes);
      case Phase.Length:
      case Phase.Chunked:
      case Phase.UntilClose:
        return this.#readBody(bytes, 0);
      case Phase.Over:
        return;
    }
  }

  /** The connection closed: `clean` by the other end's own will, else broken. */
  closed(clean: boolean, detail: string): void {
    switch (this.#phase) {
      case Phase.UntilClose:
        if (clean) this.#end(false, false);
        else this.#fail('reset', detail);
        return;
      case Phase.Head:
        return this.#fail('reset', `closed before the reply's head ended: ${detail}`);
      case Phase.Length:
        return this.#fail('reset', `closed ${this.#left} bytes before the reply's end: ${detail}`);
      case Phase.Chunked:
        return this.#fail('reset', `closed before the last chunk: ${detail}`);
      case Phase.Over:
        return;
    }
  }

  #readHead(bytes: Buffer): void {
    let buffer = bytes;
    let from = 0;
    let searchFrom = 0;
    if (this.#held > 0) {
      searchFrom = Math.max(0, this.#held - 3);
      buffer = this.#joined(bytes);
    }
    for (;;) {
      // Anything else than our protocol is seen at its first bytes, without waiting for a head that will not
      // end.
      if (!isProtocol(buffer, from)) return this.#fail('bad-framing', 'reply does not begin with HTTP/1.');
      const end = buffer.indexOf(HEAD_END, searchFrom);
      if ((end < 0 ? buffer.length : end + HEAD_END.length) - from > HEAD_BYTES_MAX) {
        return this.#fail('oversized-head', `head larger than ${HEAD_BYTES_MAX} bytes`);
      }
      if (end < 0) return this.#hold(buffer, from);
      const head = parseReplyHead(buffer, from, end + 2);
      if (head.kind !== 'head') return this.#fail(head.kind, head.detail);
      from = searchFrom = end + HEAD_END.length;
      if (head.status >= 200) return this.#enterBody(head, buffer, from);
      this.#interim += 1;
      if (head.status === 101) return this.#fail('bad-framing', 'upstream switched protocols');
      if (this.#interim > INTERIM_MAX) return this.#fail('bad-framing', 'too many interim replies');
      if (from === buffer.length) return this.#drop();
    }
  }

  #enterBody(head: ReplyHead, buffer: Buffer, from: number): void {
    // What follows the head in this memory goes to the sink, so it must never be written to again.
    this.#drop();
    switch (head.framing) {
      case 'none':
      case 'length':
        this.#phase = Phase.Length;
        this.#left = head.length;
        break;
      case 'chunked':
        this.#phase = Phase.Chunked;
        this.#chunked ??= new ChunkedBody();
        break;
      case 'until-close':
        this.#phase = Phase.UntilClose;
        break;
    }
    this.#events.replyHead(head);
    this.#readBody(buffer, from);
  }

  #readBody(bytes: Buffer, from: number): void {
    // Taken now: what is handed on belongs to the sink, which may have given its memory back by the next line.
    const { length } = bytes;
    switch (this.#phase) {
      case Phase.Length: {
        const taken = Math.min(this.#left, length - from);
        this.#left -= taken;
        const done = this.#left === 0;
        const whole = taken === length;
        if (taken > 0) this.#events.replyData(whole ? bytes : contentOf(bytes, from, from + taken));
        if (done && this.#phase === Phase.Length) this.#end(true, from + taken < length);
        return;
      }
      case Phase.Chunked: {
        const step = this.#chunked!.read(bytes, from);
        const { state, used, detail } = step;
        if (step.content.length > 0) this.#events.replyData(step.content);
        if (this.#phase !== Phase.Chunked || state === 'more') return;
        if (state === 'bad') this.#fail('bad-framing', detail);
        else this.#end(true, used < length);
        return;
      }
      case Phase.UntilClose:
        if (from < length) this.#events.replyData(from === 0 ? bytes : bytes.subarray(from));
        return;
      case Phase.Head:
      case Phase.Over:
        return;
    }
  }

  #end(framed: boolean, surplus: boolean): void {
    this.stop();
    this.#events.replyEnd(framed, surplus);
  }

  #fail(kind: 'bad-framing' | 'oversized-head' | 'reset', detail: string): void {
    this.stop();
    this.#events.replyBad(kind, detail);
  }

  #hold(buffer: Buffer, from: number): void {
    if (from === 0 && buffer.buffer === this.#room?.buffer) {
      this.#held = buffer.length;
      return;
    }
    const held = buffer.length - from;
    this.#room = Buffer.allocUnsafeSlow(Math.max(2_048, held * 2));
    buffer.copy(this.#room, 0, from);
    this.#held = held;
  }

  /** Doubles its memory as it grows: a head that drips in byte by byte must not cost its square. */
  #joined(bytes: Buffer): Buffer {
    const length = this.#held + bytes.length;
    let room = this.#room!;
    if (room.length < length) {
      const larger = Buffer.allocUnsafeSlow(length * 2);
      room.copy(larger, 0, 0, this.#held);
      this.#room = room = larger;
    }
    room.set(bytes, this.#held);
    return room.subarray(0, length);
  }

  #drop(): void {
    this.#room = undefined;
    this.#held = 0;
  }
}
