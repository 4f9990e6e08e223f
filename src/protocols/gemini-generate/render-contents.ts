// Turns as Gemini's contents. Results of tools are a content of their own, right behind the calls; a call needs the
// signature of the thinking before it, or the word by which Google does without.

import { bounds } from '../../core/bounds.ts';
import type { Carriage, Dialect } from '../../plugin/codec.ts';
import type {
  AssistantTurn,
  InputPart,
  JsonObject,
  JsonValue,
  MediaPart,
  OutputPart,
  ToolCallPart,
  ToolResultPart,
  Turn,
  UserTurn,
} from '../../plugin/conversation.ts';
import { isObject } from '../json-fields.ts';
import { exactJson } from '../translation/exact-numbers.ts';
import { joinResults, mergeAuthorities, refuseNative, refuseStored } from '../translation/carriage.ts';
import { typeByName } from './parse-contents.ts';
import { noSignature, signedPart } from './reply-words.ts';

interface Content {
  readonly role: 'user' | 'model';
  readonly parts: JsonValue[];
  /** Nothing but results of tools. */
  readonly results: boolean;
}

export interface RenderedTurns {
  readonly systemInstruction: JsonObject | undefined;
  readonly contents: readonly JsonValue[];
}

export function renderTurns(stated: readonly Turn[], dialect: Dialect, carriage: Carriage): RenderedTurns {
  const turns = joinResults(stated);
  const writer = new ContentsWriter(dialect, carriage);
  const system = systemTexts(turns, carriage);
  const current = currentTurnStart(turns);
  for (const [index, turn] of turns.entries()) {
    if (turn.role === 'user') writer.user(turn);
    else if (turn.role === 'assistant') writer.assistant(turn, index >= current);
  }
  writer.endStep();
  const contents = writer.contents.map(({ role, parts }) => ({ role, parts }));
  return {
    systemInstruction: system.length === 0 ? undefined : { parts: system.map((text) => ({ text })) },
    // Without any the request is refused, though the instruction alone may say all.
    contents: contents.length === 0 ? [{ role: 'user', parts: [{ text: '' }] }] : contents,
  };
}

function systemTexts(turns: readonly Turn[], carriage: Carriage): readonly string[] {
  mergeAuthorities(turns, carriage);
  let begun = false;
  return turns.flatMap((turn) => {
    if (turn.role !== 'system') {
      begun = true;
      return [];
    }
    if (begun) carriage.lost('system-position');
    if (turn.parts.some(({ cache }) => cache !== undefined)) carriage.lost('cache-control');
    return turn.parts.map(({ text }) => text).filter((text) => text !== '');
  });
}

/** Behind the last that a person said. Signatures are asked for from there on. */
function currentTurnStart(turns: readonly Turn[]): number {
  return turns.findLastIndex(({ role, parts }) => role === 'user' && !parts.some(({ kind }) => kind === 'tool-result'));
}

/** A call as it stands in a content: its signature may come behind it. */
type WrittenCall = { readonly functionCall: JsonObject; thoughtSignature: string | undefined };

class ContentsWriter {
  readonly contents: Content[] = [];
  readonly #dialect: Dialect;
  readonly #carriage: Carriage;
  readonly #names = new Map<string, string>();
  /** The first call of the step, where its signature will be looked for; and the last part, if it is a call. */
  #first: WrittenCall | undefined;
  #last: WrittenCall | undefined;

  constructor(dialect: Dialect, carriage: Carriage) {
    this.#dialect = dialect;
    this.#carriage = carriage;
  }

  user(turn: UserTurn): void {
    this.endStep();
    if (turn.name !== undefined) this.#carriage.lost('speaker-name');
    const results: JsonValue[] = [];
    const parts: JsonValue[] = [];
    for (const part of turn.parts) {
      if (part.kind === 'tool-result') results.push(this.#result(part, parts));
      else if (part.kind !== 'text' || part.text !== '') parts.push(...this.#input(part));
      else if (turn.parts.length === 1) parts.push({ text: '' });
    }
    const last = this.contents.at(-1);
    if (results.length > 0) {
      // All results of parallel calls stand in one content.
      if (last?.results === true) last.parts.push(...results);
      else this.contents.push({ role: 'user', parts: results, results: true });
    }
    if (parts.length > 0) this.contents.push({ role: 'user', parts, results: false });
  }

  /** Turns that follow each other are one step: their calls are answered together. */
  assistant(turn: AssistantTurn, current: boolean): void {
    if (turn.name !== undefined) this.#carriage.lost('speaker-name');
    const parts: JsonValue[] = [];
    for (const part of turn.parts) {
      if (part.kind === 'tool-call') {
        const call = this.#call(part);
        if (current) this.#first ??= call;
        this.#last = call;
        parts.push(call);
      } else if (!this.#signs(part)) {
        this.#last = undefined;
        parts.push(...this.#output(part));
      }
    }
    if (parts.length === 0) return;
    const last = this.contents.at(-1);
    if (last?.role === 'model') last.parts.push(...parts);
    else this.contents.push({ role: 'model', parts, results: false });
  }

  /** The model's step is over: what has no signature by now has none. Only models that are told a level look for it. */
  endStep(): void {
    if (this.#dialect.thinking === 'level' && this.#first !== undefined) this.#first.thoughtSignature ??= noSignature;
    this.#first = this.#last = undefined;
  }

  #call(part: ToolCallPart): WrittenCall {
    const { id, name, signature } = part;
    this.#names.set(id, name);
    if (part.cache !== undefined) this.#carriage.lost('cache-control');
    const own = signature?.protocol === 'gemini-generate' ? signature.value : undefined;
    if (signature !== undefined && own === undefined) this.#carriage.lost('signature');
    return { functionCall: { id, name, args: this.#arguments(part) }, thoughtSignature: own };
  }

  /**
   * A thought without words right behind a call: clients of the other protocols have no other place for its signature.
   */
  #signs(part: OutputPart): boolean {
    if (part.kind !== 'thinking' || part.text !== '' || part.signature?.protocol !== 'gemini-generate') return false;
    if (this.#last === undefined || this.#last.thoughtSignature !== undefined) return false;
    this.#last.thoughtSignature = part.signature.value;
    return true;
  }

  /** What is no object was never run, or is the free text of a custom tool: it is shown as it is. */
  #arguments(part: ToolCallPart): JsonObject {
    const value = part.custom === true ? undefined : exactJson(part.arguments, bounds.requestDepth);
    if (isObject(value)) return value;
    if (part.custom !== true) this.#carriage.lost('tool-arguments');
    return { input: part.arguments };
  }

  #output(part: Exclude<OutputPart, ToolCallPart>): readonly JsonValue[] {
    switch (part.kind) {
      case 'text':
        if (part.cache !== undefined) this.#carriage.lost('cache-control');
        if (part.citations !== undefined) this.#carriage.lost('citations');
        return part.text === '' ? [] : [{ text: part.text }];
      case 'thinking': {
        const { text, signature } = part;
        if (signature?.protocol !== 'gemini-generate') {
          this.#carriage.lost('thinking-history');
          return [];
        }
        return text === '' ? [signedPart(signature)] : [{ text, thought: true, thoughtSignature: signature.value }];
      }
      case 'refusal':
        this.#carriage.lost('refusal');
        return part.text === '' ? [] : [{ text: part.text }];
      case 'image':
      case 'audio':
      case 'video':
      case 'document':
      case 'native':
        return this.#input(part);
    }
  }

  #input(part: InputPart): readonly JsonValue[] {
    if (part.kind === 'native') {
      if (part.protocol === 'gemini-generate') return [part.value];
      return refuseNative(part, this.#carriage);
    }
    if (part.cache !== undefined) this.#carriage.lost('cache-control');
    return part.kind === 'text' ? [{ text: part.text }] : this.#media(part);
  }

  /** Names what is said about a medium and has no place beside it. */
  #loseAbout({ detail, fileName, title, citable }: MediaPart): void {
    if (detail !== undefined && detail !== 'auto') this.#carriage.lost('detail');
    if (fileName !== undefined || title !== undefined) this.#carriage.lost('document-name');
    if (citable === true) this.#carriage.lost('citations');
  }

  #media(part: MediaPart): readonly JsonValue[] {
    const { context, source } = part;
    this.#loseAbout(part);
    const before = context === undefined || context === '' ? [] : [{ text: context }];
    switch (source.from) {
      case 'base64':
        return [...before, { inlineData: { mimeType: source.mediaType, data: source.data } }];
      case 'text':
        return [
          ...before,
          { inlineData: { mimeType: source.mediaType, data: Buffer.from(source.text).toString('base64') } },
        ];
      case 'url': {
        if (!/^https?:/i.test(source.url))
          return this.#carriage.refuse('messages', 'refers to an address that is no http(s) one; send the bytes.');
        const mimeType = source.mediaType ?? typeByName(source.url) ?? commonTypes[part.kind];
        return [...before, { fileData: { mimeType, fileUri: source.url } }];
      }
      case 'stored':
        if (source.protocol !== 'gemini-generate') return refuseStored(this.#carriage);
        return [...before, { fileData: { mimeType: source.mediaType, fileUri: source.id } }];
    }
  }

  /** `moved` takes media that the result itself cannot hold. */
  #result(part: ToolResultPart, moved: JsonValue[]): JsonValue {
    if (part.cache !== undefined) this.#carriage.lost('cache-control');
    const name = part.name ?? this.#names.get(part.callId);
    if (name === undefined)
      return this.#carriage.refuse('messages', `has a result of "${part.callId}", which no call before it has.`);
    const texts: string[] = [];
    const held: JsonValue[] = [];
    for (const each of part.parts) {
      if (each.kind !== 'native' && each.cache !== undefined) this.#carriage.lost('cache-control');
      if (each.kind === 'text') texts.push(each.text);
      else if (each.kind !== 'native' && each.source.from === 'text') {
        this.#loseAbout(each);
        if (each.context !== undefined) texts.push(each.context);
        texts.push(each.source.text);
      } else if (each.kind !== 'native' && each.source.from === 'base64' && this.#dialect.thinking === 'level')
        held.push(...this.#media(each));
      else {
        this.#carriage.lost('tool-result-media-moved');
        moved.push(...this.#input(each));
      }
    }
    const response = part.json ?? { [part.failed === true ? 'error' : 'output']: texts.join('\n') };
    return { functionResponse: { id: part.callId, name, response, ...(held.length > 0 ? { parts: held } : {}) } };
  }
}

/** What a medium most often is, where nothing tells. */
const commonTypes: Readonly<Record<MediaPart['kind'], string>> = {
  image: 'image/jpeg',
  audio: 'audio/mpeg',
  video: 'video/mp4',
  document: 'application/pdf',
};
