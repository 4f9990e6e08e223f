// Turns as Gemini's contents. Results name the function that was called, which is found by the call's id.

import type { Carriage } from '../../plugin/codec.ts';
import type {
  AssistantTurn,
  InputPart,
  JsonObject,
  JsonValue,
  MediaPart,
  ToolResultPart,
  Turn,
} from '../../plugin/conversation.ts';
import { objectOf, parsedJson } from '../json-fields.ts';
import { noSignature } from './parse-contents.ts';

const own = 'gemini-generate';

interface Content {
  readonly role: 'user' | 'model';
  readonly parts: JsonValue[];
}

export function renderContents(turns: readonly Turn[], carriage: Carriage): readonly JsonValue[] {
  const names = new Map<string, string>();
  const contents: Content[] = [];
  for (const turn of turns) {
    if (turn.role === 'system') continue;
    if (turn.name !== undefined) carriage.lost('name');
    const parts = turn.role === 'user' ? userParts(turn.parts, names, carriage) : modelParts(turn, names, carriage);
    if (parts.length === 0) continue;
    const role = turn.role === 'user' ? 'user' : 'model';
    const last = contents.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else contents.push({ role, parts });
  }
  return contents.map(({ role, parts }) => ({ role, parts }));
}

function userParts(
  parts: readonly (InputPart | ToolResultPart)[],
  names: ReadonlyMap<string, string>,
  carriage: Carriage,
): JsonValue[] {
  return parts.flatMap((part) =>
    part.kind === 'tool-result' ? [resultPart(part, names, carriage)] : inputParts(part, carriage),
  );
}

function resultPart(part: ToolResultPart, names: ReadonlyMap<string, string>, carriage: Carriage): JsonValue {
  if (part.cache !== undefined) carriage.lost('cache-control');
  const name = names.get(part.callId) ?? part.name;
  if (name === undefined) carriage.refuse('messages', 'has a result whose call is not among the messages before it.');
  const texts = part.parts.flatMap((each) => (each.kind === 'text' ? [each.text] : []));
  const media = part.parts.flatMap((each) => (each.kind === 'text' ? [] : inputParts(each, carriage)));
  const text = texts.join('\n');
  const response = part.json ?? (part.failed === true ? { error: text } : { output: text });
  return {
    functionResponse: { id: part.callId, name, response, ...(media.length > 0 ? { parts: media } : {}) },
  };
}

function inputParts(part: InputPart, carriage: Carriage): JsonValue[] {
  switch (part.kind) {
    case 'text':
      if (part.cache !== undefined) carriage.lost('cache-control');
      return part.text === '' ? [] : [{ text: part.text }];
    case 'native':
      if (part.protocol === own) return [part.value];
      return carriage.refuse(part.path ?? 'messages', `has a "${part.type}" block, which no other protocol has.`);
    case 'image':
    case 'audio':
    case 'video':
    case 'document':
      if (part.cache !== undefined) carriage.lost('cache-control');
      if (part.detail !== undefined && part.detail !== 'auto') carriage.lost('detail');
      return mediaParts(part, carriage);
  }
}

/** By the name's end, for addresses whose type nobody states. */
const types: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  heic: 'image/heic',
  pdf: 'application/pdf',
  txt: 'text/plain',
  mp3: 'audio/mpeg',
  wav: 'audio/wav',
  mp4: 'video/mp4',
};
const usual = { image: 'image/jpeg', audio: 'audio/mpeg', video: 'video/mp4', document: 'application/pdf' } as const;

function typeOfUrl(url: string, kind: MediaPart['kind']): string {
  const ending = /\.([a-z0-9]{2,4})(?:[?#]|$)/i.exec(url)?.[1]?.toLowerCase() ?? '';
  return (Object.hasOwn(types, ending) ? types[ending] : undefined) ?? usual[kind];
}

function mediaParts(part: MediaPart, carriage: Carriage): JsonValue[] {
  const { source, kind } = part;
  switch (source.from) {
    case 'base64':
      return [{ inlineData: { mimeType: source.mediaType, data: source.data } }];
    case 'text': {
      const title = part.title ?? part.fileName;
      return [{ text: title === undefined ? source.text : `${title}\n\n${source.text}` }];
    }
    case 'url':
      return [{ fileData: { mimeType: source.mediaType ?? typeOfUrl(source.url, kind), fileUri: source.url } }];
    case 'stored':
      if (source.protocol !== own)
        return carriage.refuse('messages', 'refers to a file stored at another vendor; send its bytes.');
      return [
        { fileData: { ...(source.mediaType === undefined ? {} : { mimeType: source.mediaType }), fileUri: source.id } },
      ];
  }
}

function modelParts(turn: AssistantTurn, names: Map<string, string>, carriage: Carriage): JsonValue[] {
  const parts: JsonValue[] = [];
  /** The last call, and the first one, as they stand in `parts`. */
  let lastCall: Record<string, JsonValue | undefined> | undefined;
  let signed = false;
  let firstCall: Record<string, JsonValue | undefined> | undefined;
  for (const part of turn.parts) {
    switch (part.kind) {
      case 'text':
        if (part.cache !== undefined) carriage.lost('cache-control');
        if (part.citations !== undefined) carriage.lost('citations');
        if (part.text !== '') parts.push({ text: part.text });
        break;
      case 'refusal':
        if (part.text !== '') parts.push({ text: part.text });
        break;
      case 'thinking': {
        const { signature } = part;
        if (signature?.protocol !== own) {
          carriage.lost('thinking-history');
          break;
        }
        // Another protocol's client had no place for a call's signature, and brought it in thinking of its own.
        if (part.text === '' && lastCall !== undefined && lastCall['thoughtSignature'] === undefined) {
          lastCall['thoughtSignature'] = signature.value;
          signed = true;
        } else parts.push({ text: part.text, thought: true, thoughtSignature: signature.value });
        break;
      }
      case 'tool-call': {
        names.set(part.id, part.name);
        const call: Record<string, JsonValue | undefined> = {
          functionCall: { id: part.id, name: part.name, args: argumentsOf(part.arguments, part.custom === true) },
        };
        const { signature } = part;
        if (signature?.protocol === own) {
          call['thoughtSignature'] = signature.value;
          signed = true;
        } else if (signature !== undefined) carriage.lost('signature');
        firstCall ??= call;
        lastCall = call;
        parts.push(call);
        break;
      }
      case 'native':
        if (part.protocol === own) parts.push(part.value);
        else carriage.refuse(part.path ?? 'messages', `has a "${part.type}" block, which no other protocol has.`);
        break;
      case 'image':
      case 'audio':
      case 'video':
      case 'document':
        parts.push(...mediaParts(part, carriage));
        break;
    }
  }
  // Only the first call of a step is signed, and history without it is refused by later models.
  if (firstCall !== undefined && !signed) firstCall['thoughtSignature'] = noSignature;
  return parts;
}

const argumentsOf = (text: string, custom: boolean): JsonObject =>
  custom ? { input: text } : objectOf(parsedJson(text));
