// A stream of one protocol read, and written in another as it comes. To the pipeline it is a tap like any other: what
// ends the stream is kept back until the charge is settled, and a stream that was cut is not passed off as whole.

import { bounds } from '../../core/bounds.ts';
import { textBetween } from '../../core/byte-text.ts';
import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import { EventSplitter } from '../../core/sse.ts';
import type { EventSink, EventView } from '../../core/sse.ts';
import type { Codec, ReplyContext, StreamReader, StreamWriter } from '../../plugin/codec.ts';
import type { ReplyReading, StreamOptions, StreamTap } from '../../plugin/protocol.ts';
import { parsedJson } from '../json-fields.ts';
import { readingOf } from '../reply-reading.ts';
import { StreamStart } from '../stream-start.ts';
import { BlockOrder } from './block-order.ts';

const encoder = new TextEncoder();
const nothing = new Uint8Array();
/** An event is read whole, so it is kept back up to what it may have. */
const splitterBounds = { heldEventBytes: bounds.eventBytes, eventBytes: bounds.eventBytes } as const;

export class TranslatedTap implements StreamTap, EventSink {
  complete = false;
  fault: StreamTap['fault'] = undefined;
  private readonly splitter = new EventSplitter(this, splitterBounds);
  private readonly writer: StreamWriter;
  private readonly order: BlockOrder;
  private readonly reader: StreamReader;
  private readonly context: ReplyContext;
  private readonly endsWith: StreamOptions['end'];
  private readonly start = new StreamStart();
  private ending = false;
  private contentEvents = 0;
  /** Bytes: readers and writers keep parts of a reply, and some all of it, so that it may be as long as a whole one. */
  private received = 0;
  private heldBytes: Uint8Array = nothing;

  constructor(upstream: Codec, client: Codec, context: ReplyContext, options: StreamOptions) {
    this.context = context;
    this.endsWith = options.end;
    this.writer = client.openWriter(context);
    this.order = new BlockOrder(this.writer, () => context.newId(), context.request.choices ?? 1);
    this.reader = upstream.openReader(this.order);
  }

  push(chunk: Uint8Array): Uint8Array | undefined {
    if (this.complete || this.fault !== undefined) return undefined;
    if (this.start.isOfAnother(chunk)) {
      this.fault = 'not-a-stream';
      return undefined;
    }
    this.received += chunk.length;
    this.splitter.push(chunk);
    if (this.splitter.oversized || this.received > bounds.replyBytes) this.fault ??= 'oversized-event';
    return this.taken();
  }

  end(): Uint8Array | undefined {
    if (this.complete || this.fault !== undefined) return undefined;
    this.ending = true;
    this.splitter.end();
    if (!this.complete && this.fault === undefined) {
      this.reader.end();
      this.noteEnd(this.reader.complete || (this.endsWith === 'finish-reason' && this.reader.finished));
    }
    return this.taken();
  }

  held(): Uint8Array {
    return this.heldBytes;
  }

  reading(): ReplyReading {
    const { lastUsage, contentBytes, losses } = this.order;
    const failed = this.fault === 'error-event' && contentBytes === 0;
    return {
      ...readingOf(lastUsage, contentBytes, this.contentEvents, failed),
      manyTokensAnEvent: this.reader.manyTokensAnEvent,
      ...(losses.length > 0 ? { losses } : {}),
    };
  }

  errorEvent(code: ErrorCode, details: ErrorDetails, requestId: string): Uint8Array {
    return encoder.encode(this.writer.error(code, details, requestId));
  }

  shortEnd(): Uint8Array {
    this.order.takeOutput();
    this.order.stop(0, { kind: 'length', native: '' });
    this.order.finish();
    return encoder.encode(this.order.takeOutput() + this.writer.end(this.usage()));
  }

  event(view: EventView): void {
    if (this.complete || this.fault !== undefined) return;
    if (this.ending && isTorn(view)) return;
    const { order } = this;
    if (!view.hasData || view.name === 'ping') {
      // The line feed of a CRLF that was torn by a chunk's end is no sign of life.
      if (view.end - view.start > 1) order.output += this.writer.keepAlive;
      return;
    }
    const before = order.contentPieces;
    this.reader.event(view.name, textBetween(view.data, view.dataStart, view.dataEnd));
    if (order.contentPieces > before) this.contentEvents++;
    if (order.error !== undefined) this.failWith(order.error.message);
    else this.noteEnd(this.reader.complete);
  }

  /** Never called: events are kept back up to their bound. */
  part(): void {
    this.fault = 'oversized-event';
  }

  /** The upstream says that it failed, in words that the client may have: they are about its request. */
  private failWith(message: string): void {
    this.fault = 'error-event';
    const text = message.slice(0, 2_000);
    this.order.output += this.writer.error('upstream_failed', { message: `The upstream failed: ${text}` }, '');
  }

  private noteEnd(complete: boolean): void {
    if (!complete) return;
    this.complete = true;
    const { order } = this;
    const sent = order.takeOutput();
    order.finish();
    this.heldBytes = encoder.encode(order.takeOutput() + this.writer.end(this.usage()));
    order.output = sent;
  }

  private usage() {
    const { lastUsage } = this.order;
    return lastUsage === undefined ? undefined : this.context.usageOf(lastUsage);
  }

  private taken(): Uint8Array | undefined {
    const { order } = this;
    if (order.output === '') return undefined;
    return encoder.encode(order.takeOutput());
  }
}

/** An event that the body's end cut: its name alone must not pass for what it would have said, least of all the end. */
function isTorn({ name, hasData, data, dataStart, dataEnd }: EventView): boolean {
  if (name === 'error') return false;
  const text = hasData ? textBetween(data, dataStart, dataEnd) : '';
  return text.trim() !== '[DONE]' && parsedJson(text) === undefined;
}
