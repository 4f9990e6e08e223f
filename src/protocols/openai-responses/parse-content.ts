// Content of messages and of results of tools, as parts.

import { invalid } from '../../core/json-scan.ts';
import type { InputPart, JsonObject, JsonValue, MediaPart, OutputPart, TextPart } from '../../plugin/conversation.ts';
import { isList, objectOf, stringOf } from '../json-fields.ts';
import { sourceOfUrl } from '../data-url.ts';

const own = 'openai-responses';

/** A text, or a list of which each part is read. */
function partsOf<T>(value: JsonValue | undefined, path: string, read: (part: JsonObject, path: string) => T) {
  if (typeof value === 'string') return [{ kind: 'text', text: value }] as const;
  if (!isList(value)) throw invalid(path, 'must be a text or a list of parts');
  return value.map((each, index) => read(objectOf(each), `${path}[${index}]`));
}

export const textParts = (value: JsonValue | undefined, path: string): readonly TextPart[] =>
  partsOf(value, path, textPart);

export const inputParts = (value: JsonValue | undefined, path: string): readonly InputPart[] =>
  partsOf(value, path, inputPart);

export const outputParts = (value: JsonValue | undefined, path: string): readonly OutputPart[] =>
  partsOf(value, path, outputPart);

function textPart(part: JsonObject, path: string): TextPart {
  const text = stringOf(part['text']);
  if (text === undefined) throw invalid(`${path}.type`, 'is not known in this place, or its text is missing');
  return { kind: 'text', text };
}

function outputPart(part: JsonObject, path: string): OutputPart {
  if (part['type'] !== 'refusal') return textPart(part, path);
  return { kind: 'refusal', text: stringOf(part['refusal']) ?? '' };
}

function inputPart(part: JsonObject, path: string): InputPart {
  switch (part['type']) {
    case 'input_image':
      return imagePart(part, path);
    case 'input_file':
      return filePart(part, path);
    case 'input_audio':
      return audioPart(part, path);
    default:
      return textPart(part, path);
  }
}

function imagePart(part: JsonObject, path: string): MediaPart {
  const url = stringOf(part['image_url']);
  const id = stringOf(part['file_id']);
  const detail = stringOf(part['detail']);
  if (url !== undefined) return { kind: 'image', source: sourceOfUrl(url), detail };
  if (id === undefined) throw invalid(`${path}.image_url`, 'is missing; send an address or a data URL');
  return { kind: 'image', source: { from: 'stored', protocol: own, id }, detail };
}

function filePart(part: JsonObject, path: string): MediaPart {
  const fileName = stringOf(part['filename']);
  const detail = stringOf(part['detail']);
  const data = stringOf(part['file_data']);
  const url = stringOf(part['file_url']);
  const id = stringOf(part['file_id']);
  if (data !== undefined) {
    const source = data.startsWith('data:') ? sourceOfUrl(data) : undefined;
    const bare = { from: 'base64', mediaType: 'application/pdf', data } as const;
    return { kind: 'document', fileName, detail, source: source ?? bare };
  }
  if (url !== undefined) return { kind: 'document', fileName, detail, source: { from: 'url', url } };
  if (id === undefined) throw invalid(`${path}.file_data`, 'is missing; send the file as a data URL');
  return { kind: 'document', fileName, detail, source: { from: 'stored', protocol: own, id } };
}

function audioPart(part: JsonObject, path: string): MediaPart {
  const audio = objectOf(part['input_audio']);
  const data = stringOf(audio['data']);
  if (data === undefined) throw invalid(`${path}.input_audio.data`, 'is missing; send the sound as base64');
  const format = stringOf(audio['format']) ?? 'wav';
  const mediaType = format === 'mp3' ? 'audio/mpeg' : `audio/${format}`;
  return { kind: 'audio', source: { from: 'base64', mediaType, data } };
}
