// Contents of a Gemini request, read into turns. Calls without an id, as older clients send them, are given the one of
// their place, and the results behind them find it by the function's name.

import { invalid } from '../../core/json-scan.ts';
import type {
  InputPart,
  JsonObject,
  JsonValue,
  MediaPart,
  OutputPart,
  Signature,
  ToolResultPart,
  Turn,
} from '../../plugin/conversation.ts';
import { booleanOf, isList, isObject, listOf, objectOf, stringOf } from '../json-fields.ts';
import { openSignature } from '../translation/signature-envelope.ts';
import { camelCased } from './spelling.ts';

const own = 'gemini-generate';
/** What Google lets clients send for a signature that they do not have. */
export const noSignature = 'skip_thought_signature_validator';

/** Calls that no result was found for yet, oldest first. */
interface OpenCall {
  readonly id: string;
  readonly name: string;
}

export function parseContents(value: JsonValue | undefined): readonly Turn[] {
  if (typeof value === 'string') return [{ role: 'user', parts: [{ kind: 'text', text: value }] }];
  if (isObject(value)) return parseContents([value]);
  if (!isList(value)) throw invalid('contents', 'must be a list of contents');
  const open: OpenCall[] = [];
  return value.map((each, index): Turn => {
    const content = objectOf(each);
    const path = `contents[${index}].parts`;
    const parts = listOf(content['parts']);
    switch (content['role']) {
      case 'model':
        return {
          role: 'assistant',
          parts: parts.map((part, at) => outputPart(part, `${path}[${at}]`, index, at, open)),
        };
      case 'user':
      case 'function':
      case 'tool':
      case undefined:
        return { role: 'user', parts: parts.map((part, at) => userPart(part, `${path}[${at}]`, open)) };
      default:
        throw invalid(`contents[${index}].role`, 'must be "user" or "model"');
    }
  });
}

export function signatureOf(value: JsonValue | undefined): Signature | undefined {
  const text = stringOf(value);
  if (text === undefined || text === '' || text === noSignature) return undefined;
  return openSignature(text) ?? { protocol: own, form: 'signature', value: text };
}

function userPart(value: JsonValue, path: string, open: OpenCall[]): InputPart | ToolResultPart {
  const part = camelCased(objectOf(value), path);
  if (!isObject(part['functionResponse'])) return inputPart(part, value, path);
  const result = camelCased(part['functionResponse'], path);
  const name = stringOf(result['name']);
  if (name === undefined) throw invalid(`${path}.functionResponse.name`, 'is missing');
  const id = stringOf(result['id']);
  const at = open.findIndex((call) => (id === undefined ? call.name === name : call.id === id));
  const [call] = at < 0 ? [] : open.splice(at, 1);
  const media = listOf(result['parts']).map((each) => inputPart(camelCased(objectOf(each), path), each, path));
  const response = objectOf(result['response']);
  const text = textOf(response);
  return {
    kind: 'tool-result',
    callId: id ?? call?.id ?? `call_${name}`,
    name,
    parts: [...(text === undefined ? [] : [{ kind: 'text', text } as const]), ...media],
    json: text === undefined ? response : undefined,
    failed: response['error'] !== undefined ? true : undefined,
  };
}

/** `{output: "…"}` and the like is how texts are wrapped, because a response must be an object. */
function textOf(response: JsonObject): string | undefined {
  const names = Object.keys(response);
  const [name] = names;
  if (names.length !== 1 || name === undefined) return undefined;
  return name === 'output' || name === 'result' || name === 'content' ? stringOf(response[name]) : undefined;
}

function inputPart(part: JsonObject, value: JsonValue, path: string): InputPart {
  const text = stringOf(part['text']);
  if (text !== undefined) return { kind: 'text', text };
  return mediaPart(part) ?? nativePart(part, value, path);
}

function nativePart(part: JsonObject, value: JsonValue, path: string) {
  const type = Object.keys(part).find((name) => name !== 'thoughtSignature' && name !== 'thought');
  if (type === undefined) throw invalid(path, 'is empty; send a text, data or a function call');
  return { kind: 'native', protocol: own, type, value, path } as const;
}

export function mediaPart(part: JsonObject): MediaPart | undefined {
  if (isObject(part['inlineData'])) {
    const inline = camelCased(part['inlineData'], 'inlineData');
    const mediaType = stringOf(inline['mimeType']) ?? 'application/octet-stream';
    const data = stringOf(inline['data']) ?? '';
    const fileName = stringOf(inline['displayName']);
    return { kind: kindOf(mediaType), source: { from: 'base64', mediaType, data }, fileName };
  }
  if (!isObject(part['fileData'])) return undefined;
  const file = camelCased(part['fileData'], 'fileData');
  const uri = stringOf(file['fileUri']) ?? '';
  const mediaType = stringOf(file['mimeType']);
  const kind = kindOf(mediaType ?? '');
  // A file of the vendor's own store means nothing elsewhere.
  if (!/^https?:/.test(uri) || uri.startsWith('https://generativelanguage.googleapis.com/'))
    return { kind, source: { from: 'stored', protocol: own, id: uri, mediaType } };
  return { kind, source: { from: 'url', url: uri, mediaType } };
}

function kindOf(mediaType: string): MediaPart['kind'] {
  if (mediaType.startsWith('image/')) return 'image';
  if (mediaType.startsWith('audio/')) return 'audio';
  return mediaType.startsWith('video/') ? 'video' : 'document';
}

function outputPart(value: JsonValue, path: string, index: number, at: number, open: OpenCall[]): OutputPart {
  const part = camelCased(objectOf(value), path);
  const signature = signatureOf(part['thoughtSignature']);
  const text = stringOf(part['text']);
  if (isObject(part['functionCall'])) {
    const called = camelCased(part['functionCall'], path);
    const name = stringOf(called['name']);
    if (name === undefined) throw invalid(`${path}.functionCall.name`, 'is missing');
    const id = stringOf(called['id']) ?? `call_${index}_${at}`;
    open.push({ id, name });
    return { kind: 'tool-call', id, name, arguments: JSON.stringify(called['args'] ?? {}), signature };
  }
  if (booleanOf(part['thought']) === true) return { kind: 'thinking', text: text ?? '', signature };
  if (text !== undefined) return { kind: 'text', text };
  if (signature !== undefined && Object.keys(part).length === 1) return { kind: 'thinking', text: '', signature };
  return mediaPart(part) ?? nativePart(part, value, path);
}
