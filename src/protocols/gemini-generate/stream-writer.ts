// A Gemini stream, written. A call goes out whole, when its arguments are; reasons, usage and what is cited go out with
// the last event. Nothing else ends the stream.

import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import type { ReplyContext, StreamWriter } from '../../plugin/codec.ts';
import type { Citation, JsonObject, Signature } from '../../plugin/conversation.ts';
import type { Annotation, BlockHead, ReplyHead, Stop } from '../../plugin/conversation-reply.ts';
import type { UsageParts } from '../../plugin/usage.ts';
import { unstatedStop } from '../translation/reply-choices.ts';
import { errorEvent } from './error-body.ts';
import { callPart, contentOf, mediaPart } from './reply-parts.ts';
import { finishReason, groundingOf, isPlain, logprobsResult, signedPart } from './reply-words.ts';
import { geminiUsage } from './usage-block.ts';

interface ChoiceState {
  head: BlockHead | undefined;
  /** All around the JSON of a delta's text. */
  before: string;
  behind: string;
  /** Arguments so far, of an open call. */
  text: string;
  empty: boolean;
  signature: Signature | undefined;
  readonly citations: Citation[];
  plain: boolean;
  /** A call was left out, because its arguments were cut. */
  cut: boolean;
  stop: Stop;
}

export class GeminiStreamWriter implements StreamWriter {
  /** Google's older client takes nothing but data. */
  readonly keepAlive = '';
  readonly #context: ReplyContext;
  readonly #losses = new Set<string>();
  readonly #choices: ChoiceState[] = [];
  /** The members that every event ends with. */
  #closing = '';

  constructor(context: ReplyContext) {
    this.#context = context;
  }

  get losses(): readonly string[] {
    return [...this.#losses];
  }

  head(head: ReplyHead): string {
    const { request } = this.#context;
    const members = { modelVersion: request.model, responseId: head.id ?? this.#context.newId() };
    this.#closing = `${JSON.stringify(members).slice(1)}\n\n`;
    return '';
  }

  blockStart(choice: number, head: BlockHead): string {
    const state = this.#state(choice);
    state.head = head;
    state.text = '';
    state.empty = true;
    state.signature = undefined;
    switch (head.kind) {
      case 'refusal':
        this.#losses.add('refusal');
        this.#frame(state, choice, '');
        return '';
      case 'text':
        this.#frame(state, choice, '');
        return '';
      case 'thinking':
        this.#frame(state, choice, ',"thought":true');
        return '';
      case 'tool-call':
        return '';
      case 'media': {
        const part = mediaPart(head.part);
        if (part !== undefined) return this.#event(choice, { content: contentOf([part]) });
        this.#losses.add('media-output');
        return '';
      }
      case 'native':
        if (head.part.protocol === 'gemini-generate')
          return this.#event(choice, { content: contentOf([head.part.value]) });
        this.#losses.add('native-block');
        return '';
    }
  }

  delta(choice: number, text: string): string {
    const state = this.#state(choice);
    const kind = state.head?.kind;
    if (kind === 'tool-call') {
      state.text += text;
      return '';
    }
    state.empty = false;
    if (kind === 'text' && state.plain) state.plain = isPlain(text);
    return state.before + JSON.stringify(text) + state.behind;
  }

  annotate(choice: number, annotation: Annotation): string {
    const state = this.#state(choice);
    switch (annotation.kind) {
      case 'signature': {
        const { signature } = annotation;
        if (state.head?.kind === 'tool-call') {
          state.signature = signature;
          return '';
        }
        const part = signedPart(signature);
        return this.#event(choice, { content: contentOf([state.empty ? part : { ...part, thought: true }]) });
      }
      case 'citation':
        state.citations.push(annotation.citation);
        return '';
      case 'logprobs':
        return this.#event(choice, {
          content: contentOf([{ text: '' }]),
          logprobsResult: logprobsResult(annotation.tokens),
        });
    }
  }

  blockEnd(choice: number): string {
    const state = this.#state(choice);
    const { head } = state;
    state.head = undefined;
    if (head?.kind !== 'tool-call') return '';
    const part = callPart(head, state.text, state.signature);
    state.text = '';
    if (part === undefined) {
      state.cut = true;
      this.#losses.add('tool-arguments');
      return '';
    }
    return `${opening(choice)}{"content":{"parts":[${part}],"role":"model"},"index":${choice}}],${this.#closing}`;
  }

  stop(choice: number, stop: Stop): string {
    this.#state(choice).stop = stop;
    if (stop.sequence !== undefined) this.#losses.add('stop-sequences');
    return '';
  }

  end(usage: UsageParts | undefined): string {
    const candidates = this.#choices.map((state, index) => ({
      content: contentOf([{ text: '' }]),
      finishReason: reasonOf(state),
      index,
      ...(state.citations.length > 0 ? { groundingMetadata: groundingOf(state.citations, state.plain) } : {}),
    }));
    const counted = usage === undefined ? {} : { usageMetadata: geminiUsage(usage) };
    return `data: ${JSON.stringify({ candidates, ...counted }).slice(0, -1)},${this.#closing}`;
  }

  error(code: ErrorCode, details: ErrorDetails, requestId: string): string {
    return errorEvent(code, details, requestId);
  }

  #state(choice: number): ChoiceState {
    let state = this.#choices[choice];
    if (state === undefined) {
      const none = { head: undefined, signature: undefined, stop: unstatedStop };
      state = { before: '', behind: '', text: '', empty: true, citations: [], plain: true, cut: false, ...none };
      this.#choices[choice] = state;
    }
    return state;
  }

  /** A delta costs one concatenation: all around its text is made once a block. */
  #frame(state: ChoiceState, choice: number, thought: string): void {
    state.before = `${opening(choice)}{"content":{"parts":[{"text":`;
    state.behind = `${thought}}],"role":"model"},"index":${choice}}],${this.#closing}`;
  }

  #event(choice: number, said: JsonObject): string {
    return `${opening(choice)}${JSON.stringify({ ...said, index: choice })}],${this.#closing}`;
  }
}

/** Clients read candidates by their place as well as by their index: those before one say nothing. */
function opening(choice: number): string {
  let text = 'data: {"candidates":[';
  for (let i = 0; i < choice; i++) text += `{"content":{"parts":[{"text":""}],"role":"model"},"index":${i}},`;
  return text;
}

/** A call that was cut must not look like an answer without one. */
export const reasonOf = ({ stop, cut }: { readonly stop: Stop; readonly cut: boolean }): string =>
  cut && stop.kind === 'tool-calls' ? 'MALFORMED_FUNCTION_CALL' : finishReason(stop);
