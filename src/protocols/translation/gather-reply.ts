// Gathers a reply that was read into one value, for clients that do not stream.

import type { StreamWriter } from '../../plugin/codec.ts';
import type {
  Annotation,
  BlockHead,
  ConversationReply,
  ReplyHead,
  Stop,
  TokenLogprob,
} from '../../plugin/conversation-reply.ts';
import type { Citation, OutputPart, Signature } from '../../plugin/conversation.ts';
import { unstatedStop } from './reply-choices.ts';

interface Gathered {
  readonly parts: OutputPart[];
  stop: Stop;
  readonly logprobs: TokenLogprob[];
  head: BlockHead | undefined;
  texts: string[];
  citations: Citation[];
  signature: Signature | undefined;
}

/** A writer that writes nothing and remembers all. */
export class ReplyGatherer implements StreamWriter {
  readonly losses: readonly string[] = [];
  readonly keepAlive = '';
  #head: ReplyHead = {};
  readonly #choices: Gathered[] = [];

  reply(): ConversationReply {
    return {
      head: this.#head,
      choices: this.#choices.map(({ parts, stop, logprobs }) => ({ parts, stop, logprobs })),
    };
  }

  head(head: ReplyHead): string {
    this.#head = head;
    return '';
  }

  blockStart(choice: number, head: BlockHead): string {
    const state = this.#choice(choice);
    state.head = head;
    state.texts = [];
    state.citations = [];
    state.signature = undefined;
    return '';
  }

  delta(choice: number, text: string): string {
    this.#choice(choice).texts.push(text);
    return '';
  }

  annotate(choice: number, annotation: Annotation): string {
    const state = this.#choice(choice);
    switch (annotation.kind) {
      case 'signature':
        state.signature = annotation.signature;
        break;
      case 'citation':
        state.citations.push(annotation.citation);
        break;
      case 'logprobs':
        // One by one: they are more than a call takes arguments.
        for (const token of annotation.tokens) state.logprobs.push(token);
        break;
    }
    return '';
  }

  blockEnd(choice: number): string {
    const state = this.#choice(choice);
    if (state.head !== undefined) state.parts.push(partOf(state, state.head));
    state.head = undefined;
    return '';
  }

  stop(choice: number, stop: Stop): string {
    this.#choice(choice).stop = stop;
    return '';
  }

  end(): string {
    return '';
  }

  error(): string {
    return '';
  }

  #choice(index: number): Gathered {
    let state = this.#choices[index];
    if (state === undefined) {
      const none = { stop: unstatedStop, head: undefined, signature: undefined };
      state = { parts: [], logprobs: [], texts: [], citations: [], ...none };
      this.#choices[index] = state;
    }
    return state;
  }
}

function partOf({ texts, citations, signature }: Gathered, head: BlockHead): OutputPart {
  const text = texts.join('');
  const signed = signature === undefined ? {} : { signature };
  switch (head.kind) {
    case 'text':
      return { kind: 'text', text, ...(citations.length > 0 ? { citations } : {}) };
    case 'refusal':
      return { kind: 'refusal', text };
    case 'thinking':
      return { kind: 'thinking', text, ...(head.summary === undefined ? {} : { summary: head.summary }), ...signed };
    case 'tool-call':
      return {
        kind: 'tool-call',
        // Whoever orders the blocks has made one where the upstream gave none.
        id: head.id ?? '',
        name: head.name,
        arguments: text,
        ...(head.custom === undefined ? {} : { custom: head.custom }),
        ...(head.itemId === undefined ? {} : { itemId: head.itemId }),
        ...signed,
      };
    case 'media':
    case 'native':
      return head.part;
  }
}
