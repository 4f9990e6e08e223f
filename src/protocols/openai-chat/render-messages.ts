// Turns as chat messages. Results of tools are messages of their own, before whatever else the user says with them; a
// picture in a result goes into a user message right behind it, because a tool's message holds text alone.

import type { Carriage, Dialect } from '../../plugin/codec.ts';
import type {
  AssistantTurn,
  InputPart,
  JsonObject,
  JsonValue,
  MediaPart,
  ToolCallPart,
  ToolResultPart,
  Turn,
  UserTurn,
} from '../../plugin/conversation.ts';
import { urlOfSource } from '../data-url.ts';
import { mappedCallId } from '../translation/call-ids.ts';
import { joinResults, mergeAuthorities, refuseNative, refuseStored } from '../translation/carriage.ts';

export function renderMessages(turns: readonly Turn[], dialect: Dialect, carriage: Carriage): readonly JsonValue[] {
  if (!dialect.developerRole) mergeAuthorities(turns, carriage);
  const messages = joinResults(turns).flatMap((turn): readonly JsonObject[] => {
    switch (turn.role) {
      case 'system': {
        const text = turn.parts.map((part) => part.text).filter((each) => each !== '');
        if (turn.parts.some((part) => part.cache !== undefined)) carriage.lost('cache-control');
        if (text.length === 0) return [];
        return [
          {
            role: turn.authority === 'developer' && dialect.developerRole ? 'developer' : 'system',
            content: text.join('\n\n'),
          },
        ];
      }
      case 'user':
        return userMessages(turn, dialect, carriage);
      case 'assistant':
        return [assistantMessage(turn, dialect, carriage)];
    }
  });
  return dialect.userAfterResult ? messages : messages.flatMap(apartFromResult);
}

/** What the user says behind a result, with an answer between: an empty one might be refused. */
function apartFromResult(message: JsonObject, at: number, messages: readonly JsonObject[]): readonly JsonObject[] {
  const between = message['role'] === 'user' && messages[at - 1]?.['role'] === 'tool';
  return between ? [{ role: 'assistant', content: 'OK.' }, message] : [message];
}

function userMessages(turn: UserTurn, dialect: Dialect, carriage: Carriage): readonly JsonObject[] {
  const results: JsonObject[] = [];
  const moved: JsonValue[] = [];
  const parts: JsonValue[] = [];
  for (const part of turn.parts) {
    if (part.kind === 'tool-result') results.push(toolMessage(part, dialect, carriage, moved));
    else parts.push(contentPart(part, carriage));
  }
  const content = [...moved, ...parts];
  if (content.length === 0) return results.length > 0 ? results : [{ role: 'user', content: '' }];
  const [only] = content;
  const plain = content.length === 1 && isTextPart(only) ? only.text : content;
  return [...results, { role: 'user', content: plain, ...(turn.name === undefined ? {} : { name: turn.name }) }];
}

const isTextPart = (value: JsonValue | undefined): value is { type: 'text'; text: string } =>
  typeof value === 'object' && value !== null && 'type' in value && value['type'] === 'text';

function toolMessage(part: ToolResultPart, dialect: Dialect, carriage: Carriage, moved: JsonValue[]): JsonObject {
  if (part.cache !== undefined) carriage.lost('cache-control');
  if (part.failed === true) carriage.lost('tool-result-failed');
  const texts: string[] = [];
  for (const each of part.parts) {
    if (each.kind === 'text') {
      if (each.cache !== undefined) carriage.lost('cache-control');
      texts.push(each.text);
    } else {
      carriage.lost('tool-result-media-moved');
      moved.push(contentPart(each, carriage));
    }
  }
  if (part.json !== undefined) texts.push(JSON.stringify(part.json));
  return { role: 'tool', tool_call_id: mappedCallId(part.callId, dialect.toolIds), content: texts.join('\n') };
}

function contentPart(part: InputPart, carriage: Carriage): JsonValue {
  switch (part.kind) {
    case 'text':
      if (part.cache !== undefined) carriage.lost('cache-control');
      return { type: 'text', text: part.text };
    case 'native':
      return refuseNative(part, carriage);
    case 'image':
    case 'audio':
    case 'video':
    case 'document':
      if (part.cache !== undefined) carriage.lost('cache-control');
      return mediaPart(part, carriage);
  }
}

function mediaPart(part: MediaPart, carriage: Carriage): JsonValue {
  const { source } = part;
  if (part.citable === true) carriage.lost('citations');
  if (part.context !== undefined) carriage.lost('document-context');
  if (source.from === 'stored' && source.protocol !== 'openai-chat') return refuseStored(carriage);
  if (source.from === 'text') return { type: 'text', text: titled(part, source.text) };
  switch (part.kind) {
    case 'image':
      return {
        type: 'image_url',
        image_url: { url: addressOf(source, carriage), ...(part.detail === undefined ? {} : { detail: part.detail }) },
      };
    case 'audio':
      if (source.from !== 'base64') return carriage.refuse('messages', 'refers to a sound by address; send its bytes.');
      return { type: 'input_audio', input_audio: { data: source.data, format: audioFormat(source.mediaType) } };
    case 'video':
      return carriage.refuse('messages', 'holds video, which this protocol has no place for.');
    case 'document': {
      if (source.from === 'stored') {
        if (part.fileName !== undefined || part.title !== undefined) carriage.lost('document-name');
        return { type: 'file', file: { file_id: source.id } };
      }
      if (source.from === 'url') return carriage.refuse('messages', 'refers to a document by address; send its bytes.');
      return {
        type: 'file',
        file: { filename: part.fileName ?? part.title ?? 'document.pdf', file_data: addressOf(source, carriage) },
      };
    }
  }
}

const titled = (part: MediaPart, text: string): string => {
  const title = part.title ?? part.fileName;
  return title === undefined ? text : `${title}\n\n${text}`;
};

const addressOf = (source: MediaPart['source'], carriage: Carriage): string =>
  urlOfSource(source) ?? carriage.refuse('messages', 'refers to a stored file where its bytes are needed.');

function audioFormat(mediaType: string): string {
  const subtype = mediaType.replace(/^audio\/(?:x-)?/, '');
  return subtype === 'mpeg' ? 'mp3' : subtype;
}

function assistantMessage(turn: AssistantTurn, dialect: Dialect, carriage: Carriage): JsonObject {
  const texts: string[] = [];
  const calls: JsonValue[] = [];
  let refusal: string | undefined;
  let thinking = '';
  for (const part of turn.parts) {
    switch (part.kind) {
      case 'text':
        if (part.cache !== undefined) carriage.lost('cache-control');
        if (part.citations !== undefined) carriage.lost('citations');
        texts.push(part.text);
        break;
      case 'refusal':
        refusal = (refusal ?? '') + part.text;
        break;
      case 'thinking':
        thinking += part.text;
        if (part.signature !== undefined) carriage.lost('signature');
        break;
      case 'tool-call':
        calls.push(toolCall(part, dialect, carriage));
        break;
      case 'native':
        return refuseNative(part, carriage);
      case 'image':
      case 'audio':
      case 'video':
      case 'document':
        carriage.lost('media-output');
        break;
    }
  }
  if (thinking !== '' && dialect.reasoningField === 'none') carriage.lost('thinking-history');
  const text = texts.join('');
  return {
    role: 'assistant',
    content: text === '' && calls.length > 0 ? null : text,
    ...(refusal === undefined ? {} : { refusal }),
    ...(thinking !== '' && dialect.reasoningField !== 'none' ? { [dialect.reasoningField]: thinking } : {}),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
    ...(turn.name === undefined ? {} : { name: turn.name }),
  };
}

function toolCall(part: ToolCallPart, dialect: Dialect, carriage: Carriage): JsonValue {
  const id = mappedCallId(part.id, dialect.toolIds);
  if (part.custom === true) return { id, type: 'custom', custom: { name: part.name, input: part.arguments } };
  if (part.signature !== undefined) carriage.lost('signature');
  return { id, type: 'function', function: { name: part.name, arguments: part.arguments } };
}
