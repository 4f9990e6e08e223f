// Turns as Anthropic's messages: system text in front, user and assistant in turns, results of tools before whatever
// else the user says, and no thinking but its own.

import type { Carriage, Dialect } from '../../plugin/codec.ts';
import type { AssistantTurn, JsonObject, JsonValue, OutputPart, TextPart, Turn } from '../../plugin/conversation.ts';
import { objectOf } from '../json-fields.ts';
import { mappedCallId } from '../translation/call-ids.ts';
import { mergeAuthorities } from '../translation/carriage.ts';
import { own } from './parse-content.ts';
import { callInput } from './call-input.ts';
import { inputBlocks, marked, nativeBlock, resultBlock, textBlocks } from './render-content.ts';

interface Message {
  readonly role: 'user' | 'assistant' | 'system';
  readonly content: JsonValue[];
}

export interface RenderedTurns {
  /** Text that stands before all else; and where none may stand among messages, all of it. */
  readonly system: readonly JsonObject[];
  readonly messages: readonly JsonValue[];
}

export function renderTurns(turns: readonly Turn[], dialect: Dialect, carriage: Carriage): RenderedTurns {
  mergeAuthorities(turns, carriage);
  const system: JsonObject[] = [];
  const messages: Message[] = [];
  /** Blocks of the last turn that went to the front. */
  let leading = 0;
  const among = new SystemAmong(messages, system, carriage);
  for (const turn of turns) {
    if (turn.role === 'system') {
      const content = turn.parts.flatMap((part) => textBlocks(part, carriage));
      if (messages.length > 0 && dialect.systemAmongTurns) among.say(content);
      else {
        system.push(...content);
        leading = content.length || leading;
        if (messages.length > 0 && content.length > 0) carriage.lost('system-position');
      }
      continue;
    }
    if (turn.name !== undefined) carriage.lost('speaker-name');
    const content =
      turn.role === 'assistant'
        ? turn.parts.flatMap((part) => assistantBlocks(part, carriage))
        : turn.parts.flatMap((part) =>
            part.kind === 'tool-result' ? [resultBlock(part, carriage)] : inputBlocks(part, carriage),
          );
    if (content.length > 0) among.before(turn.role);
    add(messages, { role: turn.role, content });
  }
  among.place();
  if (messages.length === 0) {
    // Others answer to system text alone; here the last word must be the user's.
    const last = system.splice(-Math.max(1, leading));
    if (last.length === 0) carriage.refuse('messages', 'say nothing; add a message of the user.');
    carriage.lost('system-position');
    messages.push({ role: 'user', content: last });
  }
  endPlainly(messages);
  return {
    system,
    messages: messages.map(({ role, content }) => ({
      role,
      content: role === 'user' ? resultsFirst(content) : content,
    })),
  };
}

/**
 * System text among the messages: it is taken right behind what the user says and before what the model says, and
 * nowhere else. What stands elsewhere waits for the next such place, or goes to the front.
 */
class SystemAmong {
  readonly #messages: Message[];
  readonly #front: JsonObject[];
  readonly #carriage: Carriage;
  #waiting: JsonObject[] = [];
  #moved = false;

  constructor(messages: Message[], front: JsonObject[], carriage: Carriage) {
    this.#messages = messages;
    this.#front = front;
    this.#carriage = carriage;
  }

  say(content: readonly JsonObject[]): void {
    this.#waiting.push(...content);
  }

  before(role: 'user' | 'assistant'): void {
    if (role === 'assistant') this.place();
    else this.#moved = this.#waiting.length > 0;
  }

  place(): void {
    if (this.#waiting.length === 0) return;
    const placed = this.#messages.at(-1)?.role === 'user';
    if (placed) this.#messages.push({ role: 'system', content: this.#waiting });
    else this.#front.push(...this.#waiting);
    if (!placed || this.#moved) this.#carriage.lost('system-position');
    this.#waiting = [];
    this.#moved = false;
  }
}

/** Turns of one side that follow each other are one message: that is how results of parallel calls must come. */
function add(messages: Message[], message: Message): void {
  if (message.content.length === 0) return;
  const last = messages.at(-1);
  if (last?.role === message.role) last.content.push(...message.content);
  else messages.push(message);
}

/** An answer that the model is to go on with may not end in blanks. */
function endPlainly(messages: readonly Message[]): void {
  const last = messages.at(-1);
  const block = objectOf(last?.content.at(-1));
  if (last?.role === 'assistant' && typeof block['text'] === 'string')
    last.content[last.content.length - 1] = { ...block, text: block['text'].trimEnd() };
}

function resultsFirst(content: readonly JsonValue[]): readonly JsonValue[] {
  const isResult = (block: JsonValue) => objectOf(block)['type'] === 'tool_result';
  if (!content.some(isResult)) return content;
  return [...content.filter(isResult), ...content.filter((block) => !isResult(block))];
}

function assistantBlocks(part: OutputPart, carriage: Carriage): readonly JsonValue[] {
  switch (part.kind) {
    case 'text':
      return citedBlocks(part, carriage);
    case 'refusal':
      return textBlocks({ kind: 'text', text: part.text }, carriage);
    case 'thinking': {
      const { signature } = part;
      // Unsigned, or signed by somebody else: it would be refused.
      if (signature === undefined || signature.protocol !== own) {
        carriage.lost('thinking-history');
        return [];
      }
      return signature.form === 'redacted'
        ? [{ type: 'redacted_thinking', data: signature.value }]
        : [{ type: 'thinking', thinking: part.text, signature: signature.value }];
    }
    case 'tool-call': {
      if (part.signature !== undefined) carriage.lost('signature');
      const id = mappedCallId(part.id, 'plain');
      const input = callInput(part, (loss) => carriage.lost(loss));
      return [{ type: 'tool_use', id, name: part.name, input, ...marked(part.cache) }];
    }
    case 'native':
      return [nativeBlock(part, carriage)];
    case 'image':
    case 'audio':
    case 'video':
    case 'document':
      carriage.lost('media-output');
      return [];
  }
}

function citedBlocks(part: TextPart, carriage: Carriage): readonly JsonValue[] {
  const given = part.citations ?? [];
  // A page that another vendor cited was shown without the index that only Anthropic makes, and accepts.
  const citations = given.flatMap(({ native }) =>
    native?.protocol === own && objectOf(native.value)['encrypted_index'] !== '' ? [native.value] : [],
  );
  if (given.length > citations.length) carriage.lost('citations');
  const blocks = textBlocks(part, carriage);
  return citations.length === 0 ? blocks : blocks.map((block) => ({ ...block, citations }));
}

/**
 * Whether a budget for thinking may be asked for: while tools are being called the turn of the model is not over, and
 * must begin with its thinking; another vendor's cannot be given.
 */
export function mayThink(turns: readonly Turn[]): boolean {
  const asked = turns.findLastIndex(
    (turn) => turn.role === 'user' && turn.parts.some(({ kind }) => kind !== 'tool-result'),
  );
  const running = turns.slice(asked + 1).filter((turn): turn is AssistantTurn => turn.role === 'assistant');
  const [first] = running;
  if (!running.some(({ parts }) => parts.some(({ kind }) => kind === 'tool-call'))) return true;
  const [opening] = first?.parts.filter(({ kind }) => kind !== 'refusal') ?? [];
  return opening?.kind === 'thinking' && opening.signature?.protocol === own;
}
