// A stream of Gemini's, written. Text goes out as it comes; a call goes out whole, because Gemini's are, so that its
// arguments are kept until they are.

import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import type { ReplyContext, StreamWriter } from '../../plugin/codec.ts';
import type { Citation, JsonObject, JsonValue, Signature } from '../../plugin/conversation.ts';
import type { Annotation, BlockHead, ReplyHead, Stop, TokenLogprob } from '../../plugin/conversation-reply.ts';
import type { UsageParts } from '../../plugin/usage.ts';
import { errorJson } from './error-body.ts';
import {
  callPart,
  finishReason,
  groundingOf,
  logprobsResult,
  mediaJson,
  signatureText,
  usageMetadata,
} from './reply-words.ts';

interface ChoiceState {
  call: { readonly id: string; readonly name: string; readonly custom: boolean; readonly texts: string[] } | undefined;
  signature: Signature | undefined;
  thinking: boolean;
  /** What a delta of text or thinking has around the JSON of its text. */
  before: string;
  behind: string;
  readonly citations: Citation[];
  readonly logprobs: TokenLogprob[];
  stop: Stop | undefined;
}

export class GeminiStreamWriter implements StreamWriter {
  /** Google's older client takes nothing but data. */
  readonly keepAlive = '';
  readonly #context: ReplyContext;
  readonly #losses = new Set<string>();
  readonly #choices: ChoiceState[] = [];
  /** Members behind the candidates of every event, without the closing brace. */
  #tail = '';

  constructor(context: ReplyContext) {
    this.#context = context;
  }

  get losses(): readonly string[] {
    return [...this.#losses];
  }

  /** There is no event for it: the first that says something says this, too. */
  head(head: ReplyHead): string {
    const { request } = this.#context;
    const id = head.id ?? this.#context.newId();
    this.#tail = `,"modelVersion":${JSON.stringify(request.model)},"responseId":${JSON.stringify(id)}`;
    return '';
  }

  blockStart(choice: number, head: BlockHead): string {
    const state = this.#state(choice);
    state.signature = undefined;
    state.call = undefined;
    switch (head.kind) {
      case 'text':
      case 'refusal':
      case 'thinking': {
        state.thinking = head.kind === 'thinking';
        state.before = 'data: {"candidates":[{"content":{"parts":[{"text":';
        state.behind = `${state.thinking ? ',"thought":true' : ''}}],"role":"model"},"index":${choice}}]${this.#tail}}\n\n`;
        return '';
      }
      case 'tool-call':
        state.call = { id: head.id ?? '', name: head.name, custom: head.custom === true, texts: [] };
        return '';
      case 'media': {
        const part = mediaJson(head.part);
        return part === undefined ? this.#lose('media-output') : this.#parts(choice, [part]);
      }
      case 'native':
        return this.#lose('native-block');
    }
  }

  delta(choice: number, text: string): string {
    const state = this.#state(choice);
    if (state.call === undefined) return state.before + JSON.stringify(text) + state.behind;
    state.call.texts.push(text);
    return '';
  }

  annotate(choice: number, annotation: Annotation): string {
    const state = this.#state(choice);
    switch (annotation.kind) {
      case 'signature':
        state.signature = annotation.signature;
        break;
      case 'citation':
        if (annotation.citation.url === undefined) this.#lose('citations');
        else state.citations.push(annotation.citation);
        break;
      case 'logprobs':
        state.logprobs.push(...annotation.tokens);
        break;
    }
    return '';
  }

  blockEnd(choice: number): string {
    const { call, signature, thinking } = this.#state(choice);
    if (call !== undefined) {
      const part = callPart(call.id, call.name, call.texts.join(''), call.custom, signature);
      this.#state(choice).call = undefined;
      return this.#parts(choice, [part]);
    }
    if (signature === undefined || !thinking) return '';
    this.#state(choice).signature = undefined;
    return this.#parts(choice, [{ text: '', thought: true, thoughtSignature: signatureText(signature) }]);
  }

  stop(choice: number, stop: Stop): string {
    this.#state(choice).stop = stop;
    return '';
  }

  end(usage: UsageParts | undefined): string {
    const candidates = this.#choices.map(({ stop, citations, logprobs }, index): JsonObject => {
      const grounding = groundingOf(citations);
      return {
        content: { parts: [{ text: '' }], role: 'model' },
        finishReason: finishReason(stop ?? { kind: 'end', native: '' }),
        index,
        ...(grounding === undefined ? {} : { groundingMetadata: grounding }),
        ...(logprobs.length === 0 ? {} : { logprobsResult: logprobsResult(logprobs) }),
      };
    });
    const counted = usage === undefined ? '' : `,"usageMetadata":${JSON.stringify(usageMetadata(usage))}`;
    return `data: {"candidates":${JSON.stringify(candidates)}${counted}${this.#tail}}\n\n`;
  }

  error(code: ErrorCode, details: ErrorDetails, requestId: string): string {
    return `data: ${errorJson(code, details, requestId)}\n\n`;
  }

  #state(choice: number): ChoiceState {
    let state = this.#choices[choice];
    if (state === undefined) {
      const none = { call: undefined, signature: undefined, stop: undefined };
      state = { ...none, thinking: false, before: '', behind: '', citations: [], logprobs: [] };
      this.#choices[choice] = state;
    }
    return state;
  }

  #parts(choice: number, parts: readonly JsonValue[]): string {
    const candidate = JSON.stringify({ content: { parts, role: 'model' }, index: choice });
    return `data: {"candidates":[${candidate}]${this.#tail}}\n\n`;
  }

  #lose(loss: string): string {
    this.#losses.add(loss);
    return '';
  }
}
