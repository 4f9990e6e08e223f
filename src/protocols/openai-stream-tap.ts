// Reads an OpenAI stream beside its relay: `data: [DONE]` ends it, usage comes in an event of its own. Where we asked
// for it and the client did not, that event is dropped, and where a vendor says `usage: null` in all others for our
// asking, that goes, too. Shared by chat and legacy completions.

import type { ErrorCode, ErrorDetails } from '../core/errors.ts';
import { copyOf } from '../core/sse.ts';
import type { EventView } from '../core/sse.ts';
import type { ReplyReading, StreamOptions, StreamTap } from '../plugin/protocol.ts';
import { EventShape } from './event-shape.ts';
import { renderOpenAiStreamError } from './openai-error-body.ts';
import { ReplyScanner } from './openai-reply-scan.ts';
import type { ContentPlace } from './openai-reply-scan.ts';
import { usageOf } from './openai-usage.ts';
import { RelayTap } from './relay-tap.ts';
import type { Verdict } from './relay-tap.ts';

/** All streams share them: an event is scanned, and what was found is noted, in one go. */
const scanners = { message: new ReplyScanner('message'), text: new ReplyScanner('text') } as const;

const encoder = new TextEncoder();
const shortEnds = {
  message: encoder.encode(
    'data: {"id":"chatcmpl-end","object":"chat.completion.chunk","created":0,"model":"",' +
      '"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}]}\n\ndata: [DONE]\n\n',
  ),
  text: encoder.encode(
    'data: {"id":"cmpl-end","object":"text_completion","created":0,"model":"",' +
      '"choices":[{"index":0,"text":"","logprobs":null,"finish_reason":"length"}]}\n\ndata: [DONE]\n\n',
  ),
} as const;

export function openOpenAiTap(place: ContentPlace, options: StreamOptions): StreamTap {
  return new OpenAiStreamTap(place, options);
}

class OpenAiStreamTap extends RelayTap {
  private readonly place: ContentPlace;
  private readonly scanner: ReplyScanner;
  private readonly shape = new EventShape();
  private usageBytes: Uint8Array | undefined;
  private finished = 0;
  private finishedInError = 0;

  constructor(place: ContentPlace, options: StreamOptions) {
    super(options);
    this.place = place;
    this.scanner = scanners[place];
  }

  reading(): ReplyReading {
    const { usage, usageText } = usageOf(this.usageBytes);
    const { contentBytes, contentEvents, finished, finishedInError } = this;
    return {
      usage,
      usageText,
      contentBytes,
      contentEvents,
      failed: this.failedAlone() || (finished > 0 && finished === finishedInError),
    };
  }

  errorEvent(code: ErrorCode, details: ErrorDetails): Uint8Array {
    return renderOpenAiStreamError(code, details);
  }

  shortEnd(): Uint8Array {
    return shortEnds[this.place].slice();
  }

  protected completeAtEnd(): boolean {
    return this.options.end === 'finish-reason' && this.finished > 0;
  }

  protected judge(view: EventView): Verdict {
    if (isDone(view)) return 'terminal';
    const { scanner, shape } = this;
    const textBytes = view.name === '' ? shape.textBytes(view.data, view.dataStart, view.dataEnd) : -1;
    if (textBytes >= 0 && !this.ending) {
      this.count(textBytes);
      if (shape.outLength > 0) {
        const start = shape.outStart(view.dataStart, view.dataEnd);
        this.leaveOut(view, start, start + shape.outLength);
      }
      return 'relay';
    }
    const readable = scanner.scan(view.data, view.dataStart, view.dataEnd);
    if (this.ending && !readable) return 'drop';
    if (readable && this.read(view)) return 'drop';
    if (view.name === 'error') this.failWith();
    return 'relay';
  }

  /** Notes what the event says. True if it is the usage-only event that the client did not ask for. */
  private read(view: EventView): boolean {
    const { scanner } = this;
    if (scanner.error) this.failWith();
    this.finished += scanner.finished;
    this.finishedInError += scanner.finishedInError;
    this.count(scanner.contentBytes);
    const { hideUsage, nullUsage = false } = this.options;
    const hidesNulls = hideUsage && nullUsage;
    const outStart = hidesNulls ? scanner.nullUsageStart : 0;
    const outEnd = hidesNulls ? scanner.nullUsageEnd : 0;
    this.leaveOut(view, outStart, outEnd);
    if (scanner.usageStart < 0) {
      const plain = scanner.texts === 1 && scanner.finished === 0 && !scanner.error;
      const { textStart, textEnd } = scanner;
      if (plain) this.shape.learn(view.data, view.dataStart, view.dataEnd, textStart, textEnd, outStart, outEnd);
      return false;
    }
    this.usageBytes = copyOf(view.data, scanner.usageStart, scanner.usageEnd);
    return hideUsage && scanner.choices <= 0 && !scanner.error;
  }
}

const done = encoder.encode('[DONE]');

function isDone(view: EventView): boolean {
  const { data } = view;
  let start = view.dataStart;
  let end = view.dataEnd;
  if (end - start < done.length || data[start] === 0x7b) return false;
  while (start < end && (data[start] ?? 0) <= 0x20) start++;
  while (end > start && (data[end - 1] ?? 0) <= 0x20) end--;
  if (end - start !== done.length) return false;
  for (let i = 0; i < done.length; i++) if (data[start + i] !== done[i]) return false;
  return true;
}
