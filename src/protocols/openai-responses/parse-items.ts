// Items of a response's input, read into turns. What the model produced in a row is one turn of its; results of its
// calls are the user's.

import { invalid } from '../../core/json-scan.ts';
import type {
  InputPart,
  JsonObject,
  JsonValue,
  MediaPart,
  OutputPart,
  TextPart,
  ToolResultPart,
  Turn,
  Unmapped,
} from '../../plugin/conversation.ts';
import { isList, listOf, objectOf, stringOf } from '../json-fields.ts';
import { sourceOfUrl } from '../openai-chat/parse-messages.ts';
import { openSignature } from '../translation/signature-envelope.ts';

const own = 'openai-responses';

/** Turns that grow while items of one side follow each other. */
class Turns {
  readonly turns: Turn[] = [];
  #parts: OutputPart[] | undefined;

  produced(...parts: readonly OutputPart[]): void {
    if (this.#parts === undefined) {
      this.#parts = [];
      this.turns.push({ role: 'assistant', parts: this.#parts });
    }
    this.#parts.push(...parts);
  }

  said(turn: Turn): void {
    this.#parts = undefined;
    this.turns.push(turn);
  }
}

export function parseItems(value: JsonValue | undefined, unmapped: Unmapped[]): readonly Turn[] {
  if (typeof value === 'string') return [{ role: 'user', parts: [{ kind: 'text', text: value }] }];
  // A stored prompt, or a stored response, may say all that there is.
  if (value === undefined || value === null) return [];
  if (!isList(value)) throw invalid('input', 'must be a text or a list of items');
  const turns = new Turns();
  for (const [index, item] of value.entries()) parseItem(item, `input[${index}]`, turns, unmapped);
  return turns.turns;
}

function parseItem(value: JsonValue, path: string, turns: Turns, unmapped: Unmapped[]): void {
  const item = objectOf(value);
  const type = stringOf(item['type']) ?? (item['role'] === undefined ? undefined : 'message');
  switch (type) {
    case 'message':
      messageItem(item, path, turns);
      return;
    case 'reasoning':
      turns.produced(reasoningPart(item));
      return;
    case 'function_call':
      turns.produced({
        kind: 'tool-call',
        id: required(item, 'call_id', path),
        name: required(item, 'name', path),
        arguments: stringOf(item['arguments']) || '{}',
        itemId: stringOf(item['id']),
      });
      return;
    case 'custom_tool_call':
      turns.produced({
        kind: 'tool-call',
        custom: true,
        id: required(item, 'call_id', path),
        name: required(item, 'name', path),
        arguments: stringOf(item['input']) ?? '',
        itemId: stringOf(item['id']),
      });
      return;
    case 'function_call_output':
    case 'custom_tool_call_output':
      turns.said({ role: 'user', parts: [resultPart(item, path)] });
      return;
    case 'item_reference': {
      const id = stringOf(item['id']) ?? '';
      // Thinking that only its vendor has: the answer is as good without it. Anything else would be missing.
      unmapped.push({ path, weight: id.startsWith('rs_') ? 'hint' : 'meaning' });
      return;
    }
    case undefined:
      throw invalid(`${path}.type`, 'is missing');
    default:
      turns.produced({ kind: 'native', protocol: own, type, value, path });
  }
}

function required(item: JsonObject, field: string, path: string): string {
  const value = stringOf(item[field]);
  if (value === undefined || value === '') throw invalid(`${path}.${field}`, 'is missing');
  return value;
}

function messageItem(item: JsonObject, path: string, turns: Turns): void {
  const content = `${path}.content`;
  switch (item['role']) {
    case 'system':
    case 'developer':
      turns.said({ role: 'system', authority: item['role'], parts: textParts(item['content'], content) });
      return;
    case 'user':
      turns.said({ role: 'user', parts: inputParts(item['content'], content) });
      return;
    case 'assistant':
      turns.produced(...outputParts(item['content'], content));
      return;
    default:
      throw invalid(`${path}.role`, 'must be "user", "assistant", "system" or "developer"');
  }
}

function textParts(value: JsonValue | undefined, path: string): readonly TextPart[] {
  if (typeof value === 'string') return [{ kind: 'text', text: value }];
  return listOf(value).map((each, index) => textPart(objectOf(each), `${path}[${index}]`));
}

function textPart(part: JsonObject, path: string): TextPart {
  const text = stringOf(part['text']);
  if (text === undefined) throw invalid(`${path}.type`, 'is not known here, or its text is missing');
  return { kind: 'text', text };
}

function inputParts(value: JsonValue | undefined, path: string): readonly InputPart[] {
  if (typeof value === 'string') return [{ kind: 'text', text: value }];
  return listOf(value).map((each, index) => inputPart(objectOf(each), `${path}[${index}]`));
}

function inputPart(part: JsonObject, path: string): InputPart {
  switch (part['type']) {
    case 'input_image': {
      const url = stringOf(part['image_url']);
      const id = stringOf(part['file_id']);
      const detail = stringOf(part['detail']);
      if (url !== undefined) return { kind: 'image', source: sourceOfUrl(url), detail };
      if (id === undefined) throw invalid(`${path}.image_url`, 'is missing');
      return { kind: 'image', source: { from: 'stored', protocol: own, id }, detail };
    }
    case 'input_file':
      return filePart(part, path);
    case 'input_audio': {
      const audio = objectOf(part['input_audio']);
      const format = stringOf(audio['format']) ?? 'wav';
      const mediaType = format === 'mp3' ? 'audio/mpeg' : `audio/${format}`;
      return { kind: 'audio', source: { from: 'base64', mediaType, data: stringOf(audio['data']) ?? '' } };
    }
    default:
      return textPart(part, path);
  }
}

function filePart(part: JsonObject, path: string): MediaPart {
  const fileName = stringOf(part['filename']);
  const data = stringOf(part['file_data']);
  const url = stringOf(part['file_url']);
  const id = stringOf(part['file_id']);
  if (data !== undefined) {
    const source = data.startsWith('data:') ? sourceOfUrl(data) : undefined;
    return { kind: 'document', fileName, source: source ?? { from: 'base64', mediaType: 'application/pdf', data } };
  }
  if (url !== undefined) return { kind: 'document', fileName, source: { from: 'url', url } };
  if (id === undefined) throw invalid(`${path}.file_data`, 'is missing');
  return { kind: 'document', fileName, source: { from: 'stored', protocol: own, id } };
}

function outputParts(value: JsonValue | undefined, path: string): readonly OutputPart[] {
  if (typeof value === 'string') return [{ kind: 'text', text: value }];
  return listOf(value).map((each, index): OutputPart => {
    const part = objectOf(each);
    if (part['type'] === 'refusal') return { kind: 'refusal', text: stringOf(part['refusal']) ?? '' };
    return textPart(part, `${path}[${index}]`);
  });
}

export function reasoningPart(item: JsonObject): OutputPart {
  const summary = listOf(item['summary']).map((each) => stringOf(objectOf(each)['text']) ?? '');
  const content = listOf(item['content']).map((each) => stringOf(objectOf(each)['text']) ?? '');
  const text = content.join('') || summary.join('\n\n');
  const sealed = stringOf(item['encrypted_content']);
  if (sealed === undefined || sealed === '') return { kind: 'thinking', text, summary: content.length === 0 };
  const signature = openSignature(sealed) ?? {
    protocol: own,
    form: 'encrypted',
    value: sealed,
    id: stringOf(item['id']),
  };
  return { kind: 'thinking', text, summary: content.length === 0, signature };
}

function resultPart(item: JsonObject, path: string): ToolResultPart {
  const { output } = item;
  return {
    kind: 'tool-result',
    callId: required(item, 'call_id', path),
    parts: inputParts(output ?? '', `${path}.output`),
    failed: item['status'] === 'incomplete' ? true : undefined,
  };
}
