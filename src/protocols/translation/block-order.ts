// Brings what an upstream says into strict order for a writer: one open block in a choice at a time. Some upstreams
// mix the pieces of parallel tool calls, or never say where one ends. A call that is open stays open until its
// arguments are a complete object; what comes for others meanwhile waits. So nothing waits without need.

import type { StreamWriter } from '../../plugin/codec.ts';
import type {
  Annotation,
  BlockHead,
  ReplyHead,
  ReplySink,
  Stop,
  UpstreamErrorText,
} from '../../plugin/conversation-reply.ts';
import type { JsonValue } from '../../plugin/conversation.ts';
import { JsonEnd } from './json-end.ts';
import { unstatedStop } from './reply-choices.ts';

/** A block as it stands: the open one, or one that waits. */
interface Block {
  readonly number: number;
  readonly head: BlockHead;
  /** Of a tool call with JSON arguments. */
  readonly end: JsonEnd | undefined;
  /** Texts and annotations that wait for their turn. */
  readonly waiting: (string | Annotation)[];
  ended: boolean;
}

/** Where nobody says how many were asked for. */
const choicesDefaultMax = 128;
/** Blocks of one reply: what is begun over and over is no answer. */
const blocksMax = 16_384;
/** Characters of a choice that wait at once: beyond them, too, the open call is ended. */
const waitingLengthMax = 1024 * 1024;
/** An annotation that waits counts as so many. */
const annotationLength = 256;

interface Choice {
  open: Block | undefined;
  readonly queue: Block[];
  /** Of what waits in the queue's blocks. */
  waitingLength: number;
  /** Heads of texts that were ended: what still comes for one goes on in a new block of its kind. */
  readonly closed: Map<number, BlockHead>;
  stop: Stop | undefined;
  /** A tool call has begun. */
  calls: boolean;
}

/** Blocks of a choice that wait at once: beyond them the open call is ended, whole or not. */
const waitingMax = 256;
/** Ended blocks that are remembered, the last ones. */
const closedMax = 4_096;

const called: Stop = { kind: 'tool-calls', native: '' };

export class BlockOrder implements ReplySink {
  /** What the writer has written and nobody has taken yet. */
  output = '';
  /** The upstream's last usage block. */
  lastUsage: JsonValue | undefined;
  error: UpstreamErrorText | undefined;
  /** Bytes of everything produced, and the calls of `delta` that brought some. */
  contentBytes = 0;
  contentPieces = 0;
  readonly #losses = new Set<string>();
  readonly #choices: Choice[] = [];
  readonly #writer: StreamWriter;
  readonly #newId: () => string;
  readonly #choicesMax: number;
  #headed = false;
  #blocks = 0;

  constructor(writer: StreamWriter, newId: () => string, choicesMax = choicesDefaultMax) {
    this.#writer = writer;
    this.#newId = newId;
    this.#choicesMax = choicesMax;
  }

  get losses(): readonly string[] {
    return [...new Set([...this.#losses, ...this.#writer.losses])];
  }

  head(head: ReplyHead): void {
    if (this.#headed) return;
    this.#headed = true;
    this.output += this.#writer.head(head);
  }

  blockStart(choice: number, number: number, head: BlockHead): void {
    if (this.#isBeyond(choice)) return;
    const state = this.#choice(choice);
    if (head.kind === 'tool-call') {
      this.#counted(head.name);
      state.calls = true;
    }
    this.#begin(state, choice, number, head);
  }

  delta(choice: number, number: number, text: string): void {
    if (text === '') return;
    this.#counted(text);
    if (this.#isBeyond(choice)) return;
    const state = this.#choice(choice);
    const { open } = state;
    if (open !== undefined && open.number === number && !open.ended) {
      // What such a block holds is whole when it begins.
      if (open.head.kind === 'native' || open.head.kind === 'media') return;
      this.output += this.#writer.delta(choice, text);
      if (open.end === undefined) return;
      open.end.push(text);
      if (open.end.complete && state.queue.length > 0) this.#next(state, choice);
      return;
    }
    const block = waitingBlock(state, number) ?? this.#again(state, choice, number);
    if (block === undefined) return;
    block.end?.push(text);
    if (block === state.open) this.output += this.#writer.delta(choice, text);
    else this.#wait(state, choice, block, text);
  }

  annotate(choice: number, number: number, annotation: Annotation): void {
    if (this.#isBeyond(choice)) return;
    const state = this.#choice(choice);
    if (state.open?.number === number) {
      this.output += this.#writer.annotate(choice, annotation);
      return;
    }
    const block = waitingBlock(state, number) ?? this.#again(state, choice, number);
    if (block === undefined) return;
    if (block === state.open) this.output += this.#writer.annotate(choice, annotation);
    else this.#wait(state, choice, block, annotation);
  }

  blockEnd(choice: number, number: number): void {
    if (this.#isBeyond(choice)) return;
    const state = this.#choice(choice);
    if (state.open?.number === number) {
      this.#next(state, choice);
      return;
    }
    const block = waitingBlock(state, number);
    if (block !== undefined) block.ended = true;
  }

  stop(choice: number, stop: Stop): void {
    if (!this.#isBeyond(choice)) this.#choice(choice).stop ??= stop;
  }

  usage(raw: JsonValue): void {
    this.lastUsage = raw;
  }

  lost(loss: string): void {
    this.#losses.add(loss);
  }

  failed(error: UpstreamErrorText): void {
    this.error ??= error;
  }

  /** What was written since the last call. */
  takeOutput(): string {
    const { output } = this;
    this.output = '';
    return output;
  }

  /** The reply is over: ends what is open and says how each choice stopped. The writer's own `end` is not called. */
  finish(): void {
    this.head({});
    if (this.#choices.length === 0) this.#choice(0);
    for (const [index, state] of this.#choices.entries()) {
      while (state.open !== undefined) this.#next(state, index);
      this.output += this.#writer.stop(index, state.stop ?? (state.calls ? called : unstatedStop));
    }
  }

  #counted(text: string): void {
    this.contentBytes += Buffer.byteLength(text);
    this.contentPieces++;
  }

  /** A choice that nobody asked for: writers put those before it into every event. */
  #isBeyond(choice: number): boolean {
    const beyond = choice >= this.#choicesMax;
    if (beyond) this.#losses.add('choices');
    return beyond;
  }

  #wait(state: Choice, choice: number, block: Block, said: string | Annotation): void {
    block.waiting.push(said);
    state.waitingLength += lengthOf(said);
    while (state.waitingLength > waitingLengthMax) this.#next(state, choice);
  }

  #choice(index: number): Choice {
    const known = this.#choices[index];
    if (known !== undefined) return known;
    // In order, so that no writer meets a gap; readers never hand on an index that is out of reason.
    while (this.#choices.length <= index)
      this.#choices.push({
        open: undefined,
        queue: [],
        waitingLength: 0,
        closed: new Map(),
        stop: undefined,
        calls: false,
      });
    return this.#choice(index);
  }

  #begin(state: Choice, choice: number, number: number, head: BlockHead): Block {
    this.head({});
    this.#blocks += 1;
    if (this.#blocks > blocksMax) this.failed({ message: `it began more than ${blocksMax} parts of a reply` });
    const nameless = head.kind === 'tool-call' && head.id === undefined;
    const identified = nameless ? { ...head, id: `call_${this.#newId()}` } : head;
    const block: Block = {
      number,
      head: identified,
      end: identified.kind === 'tool-call' && identified.custom !== true ? new JsonEnd() : undefined,
      waiting: [],
      ended: false,
    };
    const { open } = state;
    if (open === undefined) this.#open(state, choice, block);
    else {
      state.queue.push(block);
      const over = open.head.kind !== 'tool-call' || open.end?.complete === true;
      if (over || state.queue.length > waitingMax) this.#next(state, choice);
    }
    return block;
  }

  #open(state: Choice, choice: number, block: Block): void {
    state.open = block;
    this.output += this.#writer.blockStart(choice, block.head);
    for (const each of block.waiting) {
      state.waitingLength -= lengthOf(each);
      this.output += typeof each === 'string' ? this.#writer.delta(choice, each) : this.#writer.annotate(choice, each);
    }
    block.waiting.length = 0;
  }

  /** Ends the open block and begins those that waited, up to the first that may still grow. */
  #next(state: Choice, choice: number): void {
    for (;;) {
      const { open } = state;
      if (open === undefined) return;
      // A call without arguments has an empty object of them, in every protocol.
      if (open.end?.empty === true) this.output += this.#writer.delta(choice, '{}');
      this.output += this.#writer.blockEnd(choice);
      remember(state.closed, open);
      state.open = undefined;
      const block = state.queue.shift();
      if (block === undefined) return;
      this.#open(state, choice, block);
      const over = block.ended || block.head.kind !== 'tool-call' || block.end?.complete === true;
      if (!(block.ended || (over && state.queue.length > 0))) return;
    }
  }

  /** Text for a block that was ended goes on in another of its kind; a call that was ended takes no more. */
  #again(state: Choice, choice: number, number: number): Block | undefined {
    const head = state.closed.get(number);
    if (head === undefined) {
      this.#losses.add('late-delta');
      return undefined;
    }
    return this.#begin(state, choice, number, head);
  }
}

const lengthOf = (said: string | Annotation): number =>
  typeof said === 'string'
    ? said.length
    : annotationLength + (said.kind === 'signature' ? said.signature.value.length : 0);

/** Calls, pictures and the like take no more once they are ended. */
function remember(closed: Choice['closed'], { number, head }: Block): void {
  closed.delete(number);
  if (head.kind === 'tool-call' || head.kind === 'media' || head.kind === 'native') return;
  closed.set(number, head);
  const [oldest] = closed.keys();
  if (closed.size > closedMax && oldest !== undefined) closed.delete(oldest);
}

/** The last of that number: one that was ended may have been begun again. */
function waitingBlock(state: Choice, number: number): Block | undefined {
  for (let i = state.queue.length - 1; i >= 0; i--) {
    const block = state.queue[i];
    if (block?.number === number && !block.ended) return block;
  }
  return undefined;
}
