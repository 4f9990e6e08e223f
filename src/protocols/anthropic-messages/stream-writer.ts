// A stream of Anthropic's messages, written: blocks are numbered in the order of their beginning, and stop reason and
// usage go out with the end. Empty texts, which other protocols send beside calls, begin no block.

import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import type { ReplyContext, StreamWriter } from '../../plugin/codec.ts';
import type { JsonObject, JsonValue, Signature } from '../../plugin/conversation.ts';
import type { Annotation, BlockHead, ReplyHead, Stop } from '../../plugin/conversation-reply.ts';
import type { UsageParts } from '../../plugin/usage.ts';
import { unstatedStop } from '../translation/reply-choices.ts';
import { objectOf } from '../json-fields.ts';
import { errorEvent } from './error-body.ts';
import { own } from './parse-content.ts';
import {
  calledDirectly,
  callSignature,
  citationJson,
  isRedacted,
  messageId,
  signatureText,
  stopReason,
} from './reply-words.ts';
import { messagesUsage, servedHow, unsaid } from './usage-block.ts';

const event = (body: JsonObject): string => `event: ${String(body['type'])}\ndata: ${JSON.stringify(body)}\n\n`;
const unsigned = { type: 'thinking', thinking: '', signature: '' } as const;

export class MessagesStreamWriter implements StreamWriter {
  readonly keepAlive = 'event: ping\ndata: {"type":"ping"}\n\n';
  readonly #context: ReplyContext;
  readonly #losses = new Set<string>();
  #index = -1;
  /** The block that is open to the host; it has begun for the client once `#begun`. */
  #open: BlockHead | undefined;
  #begun = false;
  /** What a delta of the open block begins with, up to the JSON of its text. */
  #before = '';
  /** Goes out behind the open block: a call was signed after its arguments had begun. */
  #after: string | undefined;
  #stop: Stop = unstatedStop;

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
        ...unsaid,
        // Nobody knows yet: the end states it.
        usage: { ...messagesUsage({}), ...servedHow },
      },
    });
  }

  blockStart(choice: number, head: BlockHead): string {
    if (choice > 0) return this.#lose('choices');
    this.#open = undefined;
    if (head.kind === 'media') return this.#lose('media-output');
    if (head.kind === 'native') {
      if (head.part.protocol !== own) return this.#lose('native-block');
      return this.#whole(objectOf(head.part.value));
    }
    this.#open = head;
    this.#begun = false;
    return '';
  }

  delta(choice: number, text: string): string {
    const head = this.#open;
    if (choice > 0 || head === undefined) return '';
    const begin = this.#begun ? '' : this.#begin(head);
    const custom = head.kind === 'tool-call' && head.custom === true;
    // The input of a custom tool is free text, and here every input is an object: it is one string of such.
    const written = custom ? (begin === '' ? '' : '{"input":"') + JSON.stringify(text).slice(1, -1) : text;
    return `${begin}${this.#before}${JSON.stringify(written)}}}\n\n`;
  }

  annotate(choice: number, annotation: Annotation): string {
    const head = this.#open;
    if (choice > 0 || head === undefined) return '';
    switch (annotation.kind) {
      case 'signature': {
        const { signature } = annotation;
        if (head.kind === 'thinking') return this.#sign(head, signature);
        if (head.kind !== 'tool-call') return this.#lose('signature');
        const text = callSignature(signature, head.id ?? '');
        if (!this.#begun) return this.#signed(text);
        this.#after = text;
        return '';
      }
      case 'citation': {
        const citation: JsonValue | undefined = citationJson(annotation.citation);
        if (citation === undefined || head.kind !== 'text') return this.#lose('citations');
        const begin = this.#begun ? '' : this.#begin(head);
        return begin + this.#delta({ type: 'citations_delta', citation });
      }
      case 'logprobs':
        return this.#lose('logprobs');
    }
  }

  blockEnd(choice: number): string {
    const head = this.#open;
    if (choice > 0 || head === undefined) return '';
    const isCall = head.kind === 'tool-call';
    const begin = isCall && !this.#begun ? this.#begin(head) : '';
    this.#open = undefined;
    if (!this.#begun) return '';
    let last = '';
    if (isCall && head.custom === true) {
      last = this.#delta({ type: 'input_json_delta', partial_json: begin === '' ? '"}' : '{"input":""}' });
    }
    const end = this.#close();
    const after = this.#after === undefined ? '' : this.#signed(this.#after);
    this.#after = undefined;
    return begin + last + end + after;
  }

  stop(choice: number, stop: Stop): string {
    if (choice === 0) this.#stop = stop;
    return '';
  }

  end(usage: UsageParts | undefined): string {
    const stop = this.#stop;
    const delta = {
      stop_reason: stopReason(stop),
      stop_sequence: stop.sequence ?? null,
      stop_details: null,
      container: null,
    };
    return event({ type: 'message_delta', delta, usage: messagesUsage(usage ?? {}) }) + event({ type: 'message_stop' });
  }

  error(code: ErrorCode, details: ErrorDetails, requestId: string): string {
    return errorEvent(code, details, requestId);
  }

  #begin(head: BlockHead): string {
    this.#begun = true;
    switch (head.kind) {
      case 'tool-call': {
        const call = { type: 'tool_use', id: head.id ?? '', name: head.name, input: {}, caller: calledDirectly };
        return this.#start(call, 'input_json_delta', 'partial_json');
      }
      case 'thinking':
        return this.#start(unsigned, 'thinking_delta', 'thinking');
      default:
        // Its words are kept; that they stand apart from an answer is not.
        if (head.kind === 'refusal') this.#losses.add('refusal');
        return this.#start({ type: 'text', text: '', citations: null }, 'text_delta', 'text');
    }
  }

  #start(block: JsonObject, type: string, member: string): string {
    const index = ++this.#index;
    this.#before =
      'event: content_block_delta\ndata: {"type":"content_block_delta",' +
      `"index":${index},"delta":{"type":"${type}","${member}":`;
    return event({ type: 'content_block_start', index, content_block: block });
  }

  #delta(delta: JsonObject): string {
    return event({ type: 'content_block_delta', index: this.#index, delta });
  }

  /** A block to which nothing is added. */
  #whole(block: JsonObject): string {
    const index = ++this.#index;
    return event({ type: 'content_block_start', index, content_block: block }) + this.#close();
  }

  #close(): string {
    return event({ type: 'content_block_stop', index: this.#index });
  }

  #sign(head: BlockHead, signature: Signature): string {
    if (isRedacted(signature) && !this.#begun) {
      this.#open = undefined;
      return this.#whole({ type: 'redacted_thinking', data: signature.value });
    }
    const begin = this.#begun ? '' : this.#begin(head);
    return begin + this.#delta({ type: 'signature_delta', signature: signatureText(signature) });
  }

  /** An empty thinking block that is signed is valid, and clients send it back. */
  #signed(signature: string): string {
    const index = ++this.#index;
    const start = event({ type: 'content_block_start', index, content_block: unsigned });
    return start + this.#delta({ type: 'signature_delta', signature }) + this.#close();
  }

  #lose(loss: string): string {
    this.#losses.add(loss);
    return '';
  }
}
