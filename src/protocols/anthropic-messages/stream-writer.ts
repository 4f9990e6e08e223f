// A stream of Anthropic's messages, written: blocks are numbered in the order of their beginning, and stop reason and
// usage go out with the end.

import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import type { ReplyContext, StreamWriter } from '../../plugin/codec.ts';
import type { JsonObject, JsonValue } from '../../plugin/conversation.ts';
import type { Annotation, BlockHead, ReplyHead, Stop } from '../../plugin/conversation-reply.ts';
import type { UsageParts } from '../../plugin/usage.ts';
import { errorJson } from './error-body.ts';
import { citationJson, messageId, signatureText, stopReason } from './reply-words.ts';
import { messagesUsage } from './usage-block.ts';

const event = (body: JsonObject): string => `event: ${String(body['type'])}\ndata: ${JSON.stringify(body)}\n\n`;

type OpenKind = 'text' | 'thinking' | 'tool-call' | 'none';

export class MessagesStreamWriter implements StreamWriter {
  readonly keepAlive = 'event: ping\ndata: {"type":"ping"}\n\n';
  readonly #context: ReplyContext;
  readonly #losses = new Set<string>();
  #index = -1;
  #open: OpenKind = 'none';
  #custom = '';
  #stop: Stop | undefined;
  /** What a delta of the open block begins and ends with, around the JSON of its text. */
  #before = '';
  #behind = '';

  constructor(context: ReplyContext) {
    this.#context = context;
  }

  get losses(): readonly string[] {
    return [...this.#losses];
  }

  head(head: ReplyHead): string {
    return event({
      type: 'message_start',
      message: {
        id: messageId(head.id, () => this.#context.newId()),
        type: 'message',
        role: 'assistant',
        model: this.#context.request.model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        // Nobody knows yet: the end states it.
        usage: { ...messagesUsage({}) },
      },
    });
  }

  blockStart(choice: number, head: BlockHead): string {
    if (choice > 0) return this.#lose('choices');
    switch (head.kind) {
      case 'text':
      case 'refusal':
        return this.#begin('text', { type: 'text', text: '' }, '{"type":"text_delta","text":');
      case 'thinking': {
        const block = { type: 'thinking', thinking: '', signature: '' };
        return this.#begin('thinking', block, '{"type":"thinking_delta","thinking":');
      }
      case 'tool-call': {
        const block = { type: 'tool_use', id: head.id ?? '', name: head.name, input: {} };
        this.#custom = head.custom === true ? '{"input":' : '';
        return this.#begin('tool-call', block, '{"type":"input_json_delta","partial_json":');
      }
      case 'media':
        return this.#lose('media-output');
      case 'native':
        return this.#lose('native-block');
    }
  }

  delta(choice: number, text: string): string {
    if (choice > 0 || this.#open === 'none') return '';
    // The input of a custom tool is free text, and here every input is an object.
    if (this.#custom !== '') return this.#customDelta(text);
    return this.#before + JSON.stringify(text) + this.#behind;
  }

  annotate(choice: number, annotation: Annotation): string {
    if (choice > 0) return '';
    switch (annotation.kind) {
      case 'signature': {
        const text = signatureText(annotation.signature);
        if (this.#open === 'thinking') return this.#delta({ type: 'signature_delta', signature: text });
        // Calls have no place for one: it goes with thinking before or behind them, which comes back in the next turn.
        return this.#besideOpen(text);
      }
      case 'citation': {
        const citation: JsonValue | undefined = citationJson(annotation.citation);
        if (citation !== undefined && this.#open === 'text') return this.#delta({ type: 'citations_delta', citation });
        return this.#lose('citations');
      }
      case 'logprobs':
        return this.#lose('logprobs');
    }
  }

  blockEnd(choice: number): string {
    if (choice > 0 || this.#open === 'none') return '';
    const closing = this.#custom === '' || this.#custom === '{"input":' ? '' : this.#customEnd();
    this.#open = 'none';
    this.#custom = '';
    const after = this.#pending;
    this.#pending = '';
    const closed = closing + event({ type: 'content_block_stop', index: this.#index });
    return after === '' ? closed : closed + this.#signed(after);
  }

  stop(choice: number, stop: Stop): string {
    if (choice === 0) this.#stop = stop;
    return '';
  }

  end(usage: UsageParts | undefined): string {
    const stop = this.#stop ?? { kind: 'end', native: '' };
    const delta = { stop_reason: stopReason(stop), stop_sequence: stop.sequence ?? null };
    return event({ type: 'message_delta', delta, usage: messagesUsage(usage ?? {}) }) + event({ type: 'message_stop' });
  }

  error(code: ErrorCode, details: ErrorDetails, requestId: string): string {
    return `event: error\ndata: ${errorJson(code, details, requestId)}\n\n`;
  }

  /** A signature of a call that is open: what it belongs to follows in the next block. */
  #pending = '';

  #besideOpen(text: string): string {
    if (this.#open === 'none') return this.#signed(text);
    this.#pending = text;
    return '';
  }

  /** An empty thinking block that is signed is valid, and clients send it back. */
  #signed(signature: string): string {
    const index = ++this.#index;
    return (
      event({ type: 'content_block_start', index, content_block: { type: 'thinking', thinking: '', signature: '' } }) +
      event({ type: 'content_block_delta', index, delta: { type: 'signature_delta', signature } }) +
      event({ type: 'content_block_stop', index })
    );
  }

  #begin(kind: OpenKind, block: JsonObject, before: string): string {
    this.#open = kind;
    this.#index++;
    this.#before = `event: content_block_delta\ndata: {"type":"content_block_delta","index":${this.#index},"delta":${before}`;
    this.#behind = '}}\n\n';
    return event({ type: 'content_block_start', index: this.#index, content_block: block });
  }

  #delta(delta: JsonObject): string {
    return event({ type: 'content_block_delta', index: this.#index, delta });
  }

  #customDelta(text: string): string {
    const inner = JSON.stringify(text).slice(1, -1);
    const begun = this.#custom === '{"input":' ? '{"input":"' : '';
    this.#custom = '"}';
    return this.#before + JSON.stringify(begun + inner) + this.#behind;
  }

  #customEnd(): string {
    return this.#before + JSON.stringify(this.#custom) + this.#behind;
  }

  #lose(loss: string): string {
    this.#losses.add(loss);
    return '';
  }
}
