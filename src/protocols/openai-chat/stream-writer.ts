// A chat stream, written. The finish reasons go out with the end, because usage and `[DONE]` follow them at once.

import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import type { ReplyContext, StreamWriter } from '../../plugin/codec.ts';
import type { JsonObject } from '../../plugin/conversation.ts';
import type { Annotation, BlockHead, ReplyHead, Stop } from '../../plugin/conversation-reply.ts';
import type { UsageParts } from '../../plugin/usage.ts';
import { openAiErrorEvent } from '../openai-error-body.ts';
import { urlOfSource } from '../data-url.ts';
import {
  finishReason,
  googleSigned,
  logprobJson,
  signedThinking,
  stopBeside,
  tierBeside,
  urlCitation,
} from './reply-words.ts';
import { chatUsage } from './usage-block.ts';

interface ChoiceState {
  /** What the open block is, and how its deltas begin and end around the JSON of their text. */
  kind: BlockHead['kind'] | undefined;
  before: string;
  behind: string;
  calls: number;
  begun: boolean;
}

export class ChatStreamWriter implements StreamWriter {
  readonly keepAlive = ':\n\n';
  readonly #context: ReplyContext;
  readonly #losses = new Set<string>();
  readonly #choices: ChoiceState[] = [];
  readonly #stops: (Stop | undefined)[] = [];
  /** The members that every chunk begins with. */
  #opening = '';

  constructor(context: ReplyContext) {
    this.#context = context;
  }

  get losses(): readonly string[] {
    return [...this.#losses];
  }

  head(head: ReplyHead): string {
    const { request, createdAt } = this.#context;
    const id = head.id !== undefined && head.id.startsWith('chatcmpl') ? head.id : `chatcmpl-${this.#context.newId()}`;
    const members = {
      id,
      object: 'chat.completion.chunk',
      created: createdAt,
      model: request.model,
      ...tierBeside(head.serviceTier),
    };
    this.#opening = `data: ${JSON.stringify(members).slice(0, -1)},"choices":[`;
    return this.#begin(0);
  }

  blockStart(choice: number, head: BlockHead): string {
    const begun = this.#begin(choice);
    const state = this.#state(choice);
    state.kind = head.kind;
    switch (head.kind) {
      case 'text':
        this.#frame(state, choice, '"content":', '');
        return begun;
      case 'thinking':
        this.#frame(state, choice, '"reasoning_content":', '');
        return begun;
      case 'refusal':
        this.#frame(state, choice, '"refusal":', '');
        return begun;
      case 'tool-call': {
        const index = state.calls++;
        const field = head.custom === true ? 'custom' : 'function';
        const text = head.custom === true ? 'input' : 'arguments';
        this.#frame(state, choice, `"tool_calls":[{"index":${index},"${field}":{"${text}":`, '}}]');
        const called = { name: head.name, [text]: '' };
        return begun + this.#chunk(choice, { tool_calls: [{ index, id: head.id, type: field, [field]: called }] });
      }
      case 'media': {
        const { source, kind } = head.part;
        const url = kind === 'image' ? urlOfSource(source) : undefined;
        if (url === undefined) {
          this.#losses.add('media-output');
          return begun;
        }
        return begun + this.#chunk(choice, { images: [{ type: 'image_url', image_url: { url }, index: 0 }] });
      }
      case 'native':
        this.#losses.add('native-block');
        return begun;
    }
  }

  delta(choice: number, text: string): string {
    const state = this.#state(choice);
    return state.before + JSON.stringify(text) + state.behind;
  }

  annotate(choice: number, annotation: Annotation): string {
    const state = this.#state(choice);
    switch (annotation.kind) {
      case 'signature':
        if (state.kind === 'tool-call') {
          // Clients that check chunks want a function in each piece of a call.
          const piece = { index: state.calls - 1, function: { arguments: '' } };
          const signed = { ...piece, extra_content: googleSigned(annotation.signature) };
          return this.#chunk(choice, { tool_calls: [signed] });
        }
        return this.#chunk(choice, { reasoning_details: [signedThinking('', annotation.signature)] });
      case 'citation': {
        const cited = urlCitation(annotation.citation);
        if (cited !== undefined) return this.#chunk(choice, { annotations: [cited] });
        this.#losses.add('citations');
        return '';
      }
      case 'logprobs':
        return this.#chunk(choice, {}, { logprobs: { content: annotation.tokens.map(logprobJson), refusal: null } });
    }
  }

  blockEnd(choice: number): string {
    this.#state(choice).kind = undefined;
    return '';
  }

  stop(choice: number, stop: Stop): string {
    this.#stops[choice] = stop;
    return '';
  }

  end(usage: UsageParts | undefined): string {
    let out = '';
    for (const [choice, stop] of this.#stops.entries()) {
      if (stop === undefined) continue;
      out += this.#begin(choice);
      out += this.#chunk(choice, {}, { finish_reason: finishReason(stop), ...stopBeside(stop) });
    }
    if (this.#context.wantsUsage && usage !== undefined) {
      out += `${this.#opening}],"usage":${JSON.stringify(chatUsage(usage))}}\n\n`;
    }
    return `${out}data: [DONE]\n\n`;
  }

  error(code: ErrorCode, details: ErrorDetails): string {
    return openAiErrorEvent(code, details);
  }

  #state(choice: number): ChoiceState {
    let state = this.#choices[choice];
    if (state === undefined) {
      state = { kind: undefined, before: '', behind: '', calls: 0, begun: false };
      this.#choices[choice] = state;
    }
    return state;
  }

  /** The first chunk of a choice says whose words follow. */
  #begin(choice: number): string {
    const state = this.#state(choice);
    if (state.begun) return '';
    state.begun = true;
    return this.#chunk(choice, { role: 'assistant', content: '' });
  }

  /** A delta costs one concatenation: all around its text is made once a block. */
  #frame(state: ChoiceState, choice: number, before: string, behind: string): void {
    state.before = `${this.#opening}{"index":${choice},"delta":{${before}`;
    state.behind = `${behind}},"logprobs":null,"finish_reason":null}]}\n\n`;
  }

  #chunk(choice: number, delta: JsonObject, beside: JsonObject = {}): string {
    const said = JSON.stringify({ index: choice, delta, logprobs: null, finish_reason: null, ...beside });
    return `${this.#opening}${said}]}\n\n`;
  }
}
