// Reads a stream of responses beside its relay. `response.completed` or `response.incomplete` ends it, and states the
// usage. Deltas, which are nearly all of it, are told by their event's name and not parsed.

import { bounds } from '../../core/bounds.ts';
import { textBetween } from '../../core/byte-text.ts';
import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import { decodedLength, stringEnd } from '../../core/json-cursor.ts';
import type { EventView } from '../../core/sse.ts';
import type { JsonObject } from '../../plugin/conversation.ts';
import type { ReplyReading, StreamOptions } from '../../plugin/protocol.ts';
import { isObject, numberOf, objectOf, parsedJson, stringOf } from '../json-fields.ts';
import { RelayTap } from '../relay-tap.ts';
import type { Verdict } from '../relay-tap.ts';
import { KeptReply } from './kept-reply.ts';
import { producedBytes } from './produced-bytes.ts';
import { failureOf, streamErrorEvent } from './stream-error.ts';

const encoder = new TextEncoder();
const { indexOf } = Buffer.prototype;

/** The last event repeats the whole reply, pictures included: whatever an event may have, it is read whole. */
const wholeEvents = { heldEventBytes: bounds.eventBytes, eventBytes: bounds.eventBytes } as const;

/** How the content of a delta begins. Inside a text these quotes would be escaped. */
const deltaKeys = ['"delta":"', '"delta": "'].map((key) => Buffer.from(key));
const isDelta = (name: string): boolean => name.endsWith('.delta') && name.startsWith('response.');

/** Events that say again what came, or will come: relayed without a look. */
const repeating: ReadonlySet<string> = new Set([
  'response.in_progress',
  'response.output_text.done',
  'response.output_text.annotation.added',
  'response.refusal.done',
  'response.reasoning_summary_text.done',
  'response.reasoning_text.done',
  'response.function_call_arguments.done',
  'response.custom_tool_call_input.done',
]);

/** A response of which the upstream said nothing. */
const unknownResponse: JsonObject = {
  id: 'resp_end',
  object: 'response',
  created_at: 0,
  status: 'in_progress',
  error: null,
  incomplete_details: null,
  instructions: null,
  max_output_tokens: null,
  metadata: {},
  model: '',
  output: [],
  parallel_tool_calls: true,
  temperature: 1,
  tool_choice: 'auto',
  tools: [],
  top_p: 1,
};

export class ResponsesTap extends RelayTap {
  private readonly kept = new KeptReply();
  private usage: JsonObject | undefined;
  /** What the upstream said at the start, without what it repeats of the request, which may be large. */
  private response: JsonObject | undefined;
  private id: string | undefined;
  /** Of the last event that went out. */
  private sequence = -1;

  constructor(options: StreamOptions) {
    super(options, wholeEvents);
  }

  reading(): ReplyReading {
    const reading = this.readingWith(this.usage);
    return this.id === undefined ? reading : { ...reading, id: this.id };
  }

  /** Behind the error the response is said to have failed, which is all that some agents listen to. */
  errorEvent(code: ErrorCode, details: ErrorDetails): Uint8Array {
    const error = streamErrorEvent(code, details, ++this.sequence);
    if (this.response === undefined) return encoder.encode(error);
    const response = { ...this.response, status: 'failed', error: failureOf(code, details), output: this.kept.output };
    return encoder.encode(error + this.ours({ type: 'response.failed', response }));
  }

  shortEnd(): Uint8Array {
    const begin = this.response === undefined ? this.ours({ type: 'response.created', response: unknownResponse }) : '';
    const events = this.kept.close().map((event) => this.ours(event));
    const response: JsonObject = {
      ...(this.response ?? unknownResponse),
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output: this.kept.output,
    };
    return encoder.encode(begin + events.join('') + this.ours({ type: 'response.incomplete', response }));
  }

  protected completeAtEnd(): boolean {
    return false;
  }

  protected judge(view: EventView): Verdict {
    this.sequence++;
    if (!this.ending) {
      if (isDelta(view.name)) {
        this.countDelta(view);
        return 'relay';
      }
      if (this.response !== undefined && repeating.has(view.name)) return 'relay';
    }
    const body = parsedJson(textBetween(view.data, view.dataStart, view.dataEnd));
    if (!isObject(body)) {
      if (view.name === 'error') this.failWith();
      // Some servers end with OpenAI's older mark, behind the terminal event or without any.
      return this.ending ? 'drop' : 'relay';
    }
    this.sequence = numberOf(body['sequence_number']) ?? this.sequence;
    return this.read(body, stringOf(body['type']) ?? view.name, view);
  }

  private read(body: JsonObject, type: string, view: EventView): Verdict {
    switch (type) {
      case 'response.created':
      case 'response.queued':
      case 'response.in_progress':
        this.remember(objectOf(body['response']));
        return 'relay';
      case 'response.completed':
      case 'response.incomplete':
        this.note(objectOf(body['response']));
        return 'terminal';
      case 'response.failed':
        this.note(objectOf(body['response']));
        this.failWith();
        return 'relay';
      case 'error':
        this.failWith();
        return 'relay';
      case 'response.output_item.added': {
        const name = stringOf(objectOf(body['item'])['name']);
        if (name !== undefined) this.count(Buffer.byteLength(name));
        this.kept.take(type, body);
        return 'relay';
      }
      default:
        if (isDelta(type)) this.countDelta(view);
        else this.kept.take(type, body);
        return 'relay';
    }
  }

  private remember(response: JsonObject): void {
    this.id ??= stringOf(response['id']);
    this.response ??= { ...unknownResponse, ...response, instructions: null, tools: [], usage: null };
  }

  private note(response: JsonObject): void {
    this.id ??= stringOf(response['id']);
    if (isObject(response['usage'])) this.usage = response['usage'];
    // Servers that send nothing but the end have their content there.
    if (this.contentEvents === 0) this.count(producedBytes(response));
  }

  private countDelta({ data, dataStart, dataEnd }: EventView): void {
    for (const key of deltaKeys) {
      const at = indexOf.call(data, key, dataStart);
      if (at < 0 || at >= dataEnd) continue;
      const start = at + key.length;
      const end = stringEnd(data, start, dataEnd);
      if (end < 0) return;
      this.count(decodedLength(data, start, end));
      this.kept.delta(data, start, end);
      return;
    }
  }

  private ours(event: JsonObject & { readonly type: string }): string {
    const { type, ...rest } = event;
    const body = { type, sequence_number: ++this.sequence, ...rest };
    return `event: ${type}\ndata: ${JSON.stringify(body)}\n\n`;
  }
}
