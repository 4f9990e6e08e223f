// The messages of a chat completion, read into turns. A tool's message is a turn of the user's with one result.

import { invalid } from '../../core/json-scan.ts';
import type {
  AssistantTurn,
  CacheMark,
  InputPart,
  JsonObject,
  JsonValue,
  MediaPart,
  OutputPart,
  TextPart,
  ThinkingPart,
  Turn,
  Unmapped,
} from '../../plugin/conversation.ts';
import { isList, isObject, listOf, objectOf, stringOf } from '../json-fields.ts';
import { cacheOf } from '../cache-mark.ts';
import { sourceOfUrl } from '../data-url.ts';
import { openSignature } from '../translation/signature-envelope.ts';

export function parseMessages(value: JsonValue | undefined, unmapped: Unmapped[]): readonly Turn[] {
  if (!isList(value)) throw invalid('messages', 'must be a list of messages');
  return value.map((message, index) => parseMessage(objectOf(message), `messages[${index}]`, unmapped));
}

function parseMessage(message: JsonObject, path: string, unmapped: Unmapped[]): Turn {
  const name = stringOf(message['name']);
  switch (message['role']) {
    case 'system':
    case 'developer':
      return { role: 'system', authority: message['role'], parts: textParts(message['content'], `${path}.content`) };
    case 'user':
      return { role: 'user', name, parts: inputParts(message['content'], `${path}.content`) };
    case 'assistant':
      return assistantTurn(message, path, name, unmapped);
    case 'tool':
      return {
        role: 'user',
        parts: [
          {
            kind: 'tool-result',
            callId: required(message, 'tool_call_id', path),
            name,
            parts: inputParts(message['content'], `${path}.content`),
            cache: cacheOf(message),
          },
        ],
      };
    case 'function':
      return {
        role: 'user',
        parts: [
          {
            kind: 'tool-result',
            callId: legacyCallId(required(message, 'name', path)),
            name,
            parts: inputParts(message['content'], path),
          },
        ],
      };
    default:
      throw invalid(`${path}.role`, 'must be "system", "developer", "user", "assistant" or "tool"');
  }
}

function required(message: JsonObject, field: string, path: string): string {
  const value = stringOf(message[field]);
  if (value === undefined || value === '') throw invalid(`${path}.${field}`, 'is missing');
  return value;
}

/** The older `function_call` has no ids: its name stands for one. */
const legacyCallId = (name: string): string => `call_${name}`;

function assistantTurn(
  message: JsonObject,
  path: string,
  name: string | undefined,
  unmapped: Unmapped[],
): AssistantTurn {
  const parts: OutputPart[] = [...thinkingParts(message), ...contentParts(message['content'], `${path}.content`)];
  const refusal = stringOf(message['refusal']);
  if (refusal !== undefined && refusal !== '') parts.push({ kind: 'refusal', text: refusal });
  for (const image of listOf(message['images'])) {
    const url = stringOf(objectOf(objectOf(image)['image_url'])['url']);
    if (url !== undefined) parts.push({ kind: 'image', source: sourceOfUrl(url) });
  }
  if (isObject(message['audio'])) unmapped.push({ path: `${path}.audio`, weight: 'meaning' });
  for (const [index, call] of listOf(message['tool_calls']).entries())
    parts.push(callPart(objectOf(call), `${path}.tool_calls[${index}]`));
  if (isObject(message['function_call'])) {
    const called = message['function_call'];
    const called_ = required(called, 'name', `${path}.function_call`);
    parts.push({ kind: 'tool-call', id: legacyCallId(called_), name: called_, arguments: argumentsOf(called) });
  }
  return { role: 'assistant', name, parts };
}

function callPart(call: JsonObject, path: string): OutputPart {
  const id = required(call, 'id', path);
  if (isObject(call['custom'])) {
    const { custom } = call;
    return {
      kind: 'tool-call',
      id,
      custom: true,
      name: required(custom, 'name', `${path}.custom`),
      arguments: stringOf(custom['input']) ?? '',
    };
  }
  const called = objectOf(call['function']);
  const google = objectOf(objectOf(call['extra_content'])['google']);
  const signed = stringOf(google['thought_signature']);
  return {
    kind: 'tool-call',
    id,
    name: required(called, 'name', `${path}.function`),
    arguments: argumentsOf(called),
    cache: cacheOf(call),
    signature:
      signed === undefined
        ? undefined
        : (openSignature(signed) ?? { protocol: 'gemini-generate', form: 'signature', value: signed }),
  };
}

/** Text as the model wrote it; some clients send the object. */
function argumentsOf(called: JsonObject): string {
  const value = called['arguments'];
  if (typeof value === 'string') return value.trim() === '' ? '{}' : value;
  return isObject(value) ? JSON.stringify(value) : '{}';
}

/** Thinking that clients replay: OpenRouter's details keep signatures, the other two are text alone. */
function thinkingParts(message: JsonObject): readonly OutputPart[] {
  const details = listOf(message['reasoning_details']).map(objectOf);
  const signed = details.flatMap((detail): ThinkingPart[] => {
    const signature = openSignature(stringOf(detail['signature']) ?? stringOf(detail['data']) ?? '');
    if (signature === undefined) return [];
    return [{ kind: 'thinking', text: stringOf(detail['text']) ?? stringOf(detail['summary']) ?? '', signature }];
  });
  const text = stringOf(message['reasoning_content']) ?? stringOf(message['reasoning']) ?? '';
  const [first] = signed;
  if (first === undefined) return text === '' ? [] : [{ kind: 'thinking', text }];
  // In a stream the details have the signature, and the other field the text.
  if (signed.every((part) => part.text === '')) return [{ ...first, text }, ...signed.slice(1)];
  return signed;
}

function contentParts(value: JsonValue | undefined, path: string): readonly OutputPart[] {
  if (!isList(value)) return textParts(value, path);
  return value.map((each, index): OutputPart => {
    const part = objectOf(each);
    switch (part['type']) {
      case 'refusal':
        return { kind: 'refusal', text: stringOf(part['refusal']) ?? '' };
      case 'thinking':
        return { kind: 'thinking', text: thinkingText(part['thinking']) };
      default:
        return textPart(part, `${path}[${index}]`);
    }
  });
}

/** Mistral's thinking is a list of text parts. */
export const thinkingText = (value: JsonValue | undefined): string =>
  typeof value === 'string'
    ? value
    : listOf(value)
        .map((each) => stringOf(objectOf(each)['text']) ?? '')
        .join('');

function textParts(value: JsonValue | undefined, path: string): readonly TextPart[] {
  if (typeof value === 'string') return [{ kind: 'text', text: value }];
  if (value === undefined || value === null) return [];
  if (!isList(value)) throw invalid(path, 'must be a text or a list of parts');
  return value.map((each, index) =>
    typeof each === 'string' ? { kind: 'text', text: each } : textPart(objectOf(each), `${path}[${index}]`),
  );
}

function textPart(part: JsonObject, path: string): TextPart {
  const text = stringOf(part['text']);
  if (text === undefined) throw invalid(`${path}.type`, 'is not known here, or its text is missing; send a text part');
  return { kind: 'text', text, cache: cacheOf(part) };
}

function inputParts(value: JsonValue | undefined, path: string): readonly InputPart[] {
  if (!isList(value)) return textParts(value, path);
  return value.map((each, index) => inputPart(each, `${path}[${index}]`));
}

function inputPart(value: JsonValue, path: string): InputPart {
  if (typeof value === 'string') return { kind: 'text', text: value };
  const part = objectOf(value);
  const cache = cacheOf(part);
  switch (part['type']) {
    case 'image_url': {
      const image = objectOf(part['image_url']);
      const url = stringOf(part['image_url']) ?? stringOf(image['url']);
      if (url === undefined) throw invalid(`${path}.image_url.url`, 'is missing');
      return { kind: 'image', source: sourceOfUrl(url), detail: stringOf(image['detail']), cache };
    }
    case 'video_url': {
      const url = stringOf(objectOf(part['video_url'])['url']);
      if (url === undefined) throw invalid(`${path}.video_url.url`, 'is missing');
      return { kind: 'video', source: sourceOfUrl(url), cache };
    }
    case 'input_audio': {
      const audio = objectOf(part['input_audio']);
      const data = stringOf(audio['data']);
      if (data === undefined) throw invalid(`${path}.input_audio.data`, 'is missing');
      const format = stringOf(audio['format']) ?? 'wav';
      return {
        kind: 'audio',
        source: { from: 'base64', mediaType: audioTypes[format] ?? `audio/${format}`, data },
        cache,
      };
    }
    case 'file':
      return filePart(objectOf(part['file']), path, cache);
    default:
      return textPart(part, path);
  }
}

const audioTypes: Readonly<Record<string, string>> = { mp3: 'audio/mpeg', wav: 'audio/wav' };

function filePart(file: JsonObject, path: string, cache: CacheMark | undefined): MediaPart {
  const fileName = stringOf(file['filename']);
  const id = stringOf(file['file_id']);
  const data = stringOf(file['file_data']);
  if (data !== undefined) {
    const source = data.startsWith('data:') || data.startsWith('http') ? sourceOfUrl(data) : undefined;
    return {
      kind: 'document',
      source: source ?? { from: 'base64', mediaType: 'application/pdf', data },
      fileName,
      cache,
    };
  }
  if (id === undefined) throw invalid(`${path}.file`, 'must have file_data or file_id');
  return { kind: 'document', source: { from: 'stored', protocol: 'openai-chat', id }, fileName, cache };
}
