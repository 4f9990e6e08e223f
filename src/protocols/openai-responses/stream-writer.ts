// A stream of responses, written. Its last event repeats the whole reply, so that this writer, unlike the others, keeps
// what it has written.

import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import type { ReplyContext, StreamWriter } from '../../plugin/codec.ts';
import type { JsonObject, JsonValue } from '../../plugin/conversation.ts';
import type { Annotation, BlockHead, ReplyHead, Stop, TokenLogprob } from '../../plugin/conversation-reply.ts';
import type { UsageParts } from '../../plugin/usage.ts';
import { unstatedStop } from '../translation/reply-choices.ts';
import { isObject } from '../json-fields.ts';
import { calledName } from './namespaces.ts';
import {
  callItem,
  endStatus,
  logprobJson,
  messageItem,
  reasoningItem,
  refusalPart,
  responseId,
  responseJson,
  sealedText,
  textPart,
  urlAnnotation,
} from './response-json.ts';
import { failureOf, streamErrorEvent } from './stream-error.ts';

interface OpenItem {
  readonly kind: 'text' | 'refusal' | 'thinking' | 'call' | 'custom-call';
  readonly id: string;
  readonly callId: string;
  readonly name: string;
  /** Pieces, joined once at the end. */
  readonly texts: string[];
  readonly annotations: JsonValue[];
  readonly logprobs: JsonValue[];
  sealed: string | undefined;
  /** What a delta has before its sequence number, and between that and its text. */
  readonly type: string;
  readonly place: string;
}

export class ResponsesStreamWriter implements StreamWriter {
  readonly keepAlive = ':\n\n';
  readonly #context: ReplyContext;
  readonly #losses = new Set<string>();
  readonly #output: JsonValue[] = [];
  #head: ReplyHead & { readonly id: string } = { id: '' };
  #sequence = 0;
  #open: OpenItem | undefined;
  #stop: Stop = unstatedStop;
  /** A proof that belongs to a call: it goes with thinking behind it. */
  #pendingSeal: string | undefined;

  constructor(context: ReplyContext) {
    this.#context = context;
  }

  get losses(): readonly string[] {
    return [...this.#losses];
  }

  head(head: ReplyHead): string {
    this.#head = { ...head, id: responseId(head.id, this.#context) };
    const response = responseJson(this.#head, this.#context, 'in_progress', []);
    return this.#event('response.created', { response }) + this.#event('response.in_progress', { response });
  }

  blockStart(choice: number, head: BlockHead): string {
    if (choice > 0) return this.#lose('choices');
    switch (head.kind) {
      case 'text':
        return this.#begin('text', 'msg', 'response.output_text.delta', head);
      case 'refusal':
        return this.#begin('refusal', 'msg', 'response.refusal.delta', head);
      case 'thinking':
        return this.#begin('thinking', 'rs', 'response.reasoning_summary_text.delta', head);
      case 'tool-call':
        return head.custom === true
          ? this.#begin('custom-call', 'ctc', 'response.custom_tool_call_input.delta', head)
          : this.#begin('call', 'fc', 'response.function_call_arguments.delta', head);
      case 'media':
        return this.#lose('media-output');
      case 'native':
        return head.part.protocol === 'openai-responses' ? this.#native(head.part.value) : this.#lose('native-block');
    }
  }

  delta(choice: number, text: string): string {
    const open = this.#open;
    if (choice > 0 || open === undefined) return '';
    const begun = open.kind === 'thinking' && open.texts.length === 0 ? this.#beginSummary(open) : '';
    open.texts.push(text);
    const logprobs = open.kind === 'text' ? ',"logprobs":[]' : '';
    return (
      `${begun}event: ${open.type}\ndata: {"type":"${open.type}","sequence_number":${this.#sequence++},` +
      `${open.place},"delta":${JSON.stringify(text)}${logprobs}}\n\n`
    );
  }

  annotate(choice: number, annotation: Annotation): string {
    const open = this.#open;
    if (choice > 0) return '';
    switch (annotation.kind) {
      case 'signature': {
        const sealed = sealedText(annotation.signature);
        if (open?.kind === 'thinking') open.sealed = sealed;
        else this.#pendingSeal = sealed;
        return '';
      }
      case 'citation': {
        const rendered = urlAnnotation(annotation.citation);
        if (open?.kind !== 'text' || rendered === undefined) return this.#lose('citations');
        open.annotations.push(rendered);
        return this.#event('response.output_text.annotation.added', {
          ...this.#places(open),
          annotation_index: open.annotations.length - 1,
          annotation: rendered,
        });
      }
      case 'logprobs':
        return open?.kind === 'text' ? this.#logprobs(open, annotation.tokens) : '';
    }
  }

  blockEnd(choice: number): string {
    const open = this.#open;
    if (choice > 0 || open === undefined) return '';
    this.#open = undefined;
    const text = open.texts.join('');
    const out = this.#endParts(open, text) + this.#endItem(this.#itemOf(open, text, false));
    const sealed = this.#pendingSeal;
    this.#pendingSeal = undefined;
    return sealed === undefined ? out : out + this.#sealedAlone(sealed);
  }

  stop(choice: number, stop: Stop): string {
    if (choice === 0) this.#stop = stop;
    return '';
  }

  end(usage: UsageParts | undefined): string {
    const stop = this.#stop;
    const status = endStatus(stop);
    const response = responseJson(this.#head, this.#context, status, this.#output, { stop, usage });
    return this.#event(`response.${status}`, { response });
  }

  /** Behind the error the response is said to have failed, which is all that some agents listen to. */
  error(code: ErrorCode, details: ErrorDetails): string {
    const error = streamErrorEvent(code, details, this.#sequence++);
    if (this.#head.id === '') return error;
    const failure = { error: failureOf(code, details) };
    const response = responseJson(this.#head, this.#context, 'failed', this.#output, failure);
    return error + this.#event('response.failed', { response });
  }

  /** They come behind their text: in a delta of their own, which adds none. */
  #logprobs(open: OpenItem, tokens: readonly TokenLogprob[]): string {
    const logprobs = tokens.map(logprobJson);
    for (const each of logprobs) open.logprobs.push(each);
    return this.#event(open.type, { ...this.#places(open), delta: '', logprobs });
  }

  #begin(kind: OpenItem['kind'], prefix: string, type: string, head: BlockHead): string {
    const id = `${prefix}_${this.#context.newId()}`;
    const index = this.#output.length;
    const within =
      kind === 'thinking' ? ',"summary_index":0' : kind === 'text' || kind === 'refusal' ? ',"content_index":0' : '';
    const call = head.kind === 'tool-call' ? head : undefined;
    const open: OpenItem = {
      kind,
      id,
      callId: call?.id ?? '',
      name: call?.name ?? '',
      texts: [],
      annotations: [],
      logprobs: [],
      sealed: undefined,
      type,
      place: `"item_id":"${id}","output_index":${index}${within}`,
    };
    this.#open = open;
    const added = this.#event('response.output_item.added', {
      output_index: index,
      item: kind === 'text' || kind === 'refusal' ? messageItem(id, 'in_progress', []) : this.#itemOf(open, '', true),
    });
    if (kind !== 'text' && kind !== 'refusal') return added;
    const part = kind === 'text' ? textPart('', [], []) : refusalPart('');
    return added + this.#event('response.content_part.added', { ...this.#places(open), part });
  }

  #beginSummary(open: OpenItem): string {
    return this.#event('response.reasoning_summary_part.added', {
      ...this.#places(open),
      part: { type: 'summary_text', text: '' },
    });
  }

  #endParts(open: OpenItem, text: string): string {
    const places = this.#places(open);
    switch (open.kind) {
      case 'text': {
        const part = textPart(text, open.annotations, open.logprobs);
        return (
          this.#event('response.output_text.done', { ...places, text, logprobs: open.logprobs }) +
          this.#event('response.content_part.done', { ...places, part })
        );
      }
      case 'refusal':
        return (
          this.#event('response.refusal.done', { ...places, refusal: text }) +
          this.#event('response.content_part.done', { ...places, part: refusalPart(text) })
        );
      case 'thinking':
        if (text === '') return '';
        return (
          this.#event('response.reasoning_summary_text.done', { ...places, text }) +
          this.#event('response.reasoning_summary_part.done', { ...places, part: { type: 'summary_text', text } })
        );
      case 'call':
        return this.#event('response.function_call_arguments.done', {
          ...places,
          ...calledName(open.name, this.#context.request.tools),
          arguments: text,
        });
      case 'custom-call':
        return this.#event('response.custom_tool_call_input.done', { ...places, input: text });
    }
  }

  #endItem(item: JsonObject): string {
    const index = this.#output.push(item) - 1;
    return this.#event('response.output_item.done', { output_index: index, item });
  }

  #sealedAlone(sealed: string): string {
    return this.#whole(reasoningItem(`rs_${this.#context.newId()}`, '', sealed));
  }

  #native(value: JsonValue): string {
    return isObject(value) ? this.#whole(value) : this.#lose('native-block');
  }

  /** An item that is complete as it is. */
  #whole(item: JsonObject): string {
    const index = this.#output.length;
    return this.#event('response.output_item.added', { output_index: index, item }) + this.#endItem(item);
  }

  #places(open: OpenItem): JsonObject {
    const index = this.#output.length;
    if (open.kind === 'thinking') return { item_id: open.id, output_index: index, summary_index: 0 };
    if (open.kind === 'text' || open.kind === 'refusal')
      return { item_id: open.id, output_index: index, content_index: 0 };
    return { item_id: open.id, output_index: index };
  }

  #event(type: string, rest: JsonObject): string {
    return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: this.#sequence++, ...rest })}\n\n`;
  }

  #lose(loss: string): string {
    this.#losses.add(loss);
    return '';
  }

  #itemOf(open: OpenItem, text: string, began: boolean): JsonObject {
    const status = began ? 'in_progress' : 'completed';
    switch (open.kind) {
      case 'text':
        return messageItem(open.id, status, [textPart(text, open.annotations, open.logprobs)]);
      case 'refusal':
        return messageItem(open.id, status, [refusalPart(text)]);
      case 'thinking':
        return reasoningItem(open.id, text, open.sealed);
      case 'call':
      case 'custom-call':
        return callItem({ ...open, custom: open.kind === 'custom-call' }, text, began, this.#context);
    }
  }
}
