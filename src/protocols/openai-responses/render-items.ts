// Turns as items of a response's input.

import type { Carriage } from '../../plugin/codec.ts';
import type {
  InputPart,
  JsonObject,
  JsonValue,
  MediaPart,
  MediaSource,
  OutputPart,
  ToolResultPart,
  Turn,
} from '../../plugin/conversation.ts';

const own = 'openai-responses';

export function renderItems(turns: readonly Turn[], carriage: Carriage): readonly JsonValue[] {
  return turns.flatMap((turn): readonly JsonValue[] => {
    switch (turn.role) {
      case 'system': {
        if (turn.parts.some(({ cache }) => cache !== undefined)) carriage.lost('cache-control');
        const content = turn.parts.filter(({ text }) => text !== '').map(({ text }) => ({ type: 'input_text', text }));
        return content.length === 0 ? [] : [{ type: 'message', role: turn.authority, content }];
      }
      case 'user':
        if (turn.name !== undefined) carriage.lost('name');
        return userItems(turn.parts, carriage);
      case 'assistant':
        if (turn.name !== undefined) carriage.lost('name');
        return turn.parts.flatMap((part) => producedItems(part, carriage));
    }
  });
}

function userItems(parts: readonly (InputPart | ToolResultPart)[], carriage: Carriage): readonly JsonValue[] {
  const items: JsonValue[] = [];
  const content: JsonValue[] = [];
  for (const part of parts) {
    if (part.kind === 'tool-result') items.push(resultItem(part, carriage));
    else content.push(...inputContent(part, carriage));
  }
  if (content.length > 0) items.push({ type: 'message', role: 'user', content });
  return items;
}

function resultItem(part: ToolResultPart, carriage: Carriage): JsonValue {
  if (part.cache !== undefined) carriage.lost('cache-control');
  if (part.failed === true) carriage.lost('tool-result-failed');
  const content = part.parts.flatMap((each) => inputContent(each, carriage));
  if (part.json !== undefined) content.push({ type: 'input_text', text: JSON.stringify(part.json) });
  const texts = content.flatMap((each) => (each['type'] === 'input_text' ? [String(each['text'])] : []));
  const output = texts.length === content.length ? texts.join('\n') : content;
  return { type: 'function_call_output', call_id: part.callId, output };
}

function inputContent(part: InputPart, carriage: Carriage): JsonObject[] {
  switch (part.kind) {
    case 'text':
      if (part.cache !== undefined) carriage.lost('cache-control');
      return part.text === '' ? [] : [{ type: 'input_text', text: part.text }];
    case 'native':
      return carriage.refuse(part.path ?? 'messages', `has a "${part.type}" block, which no other protocol has.`);
    case 'image':
      if (part.cache !== undefined) carriage.lost('cache-control');
      return [imagePart(part, carriage)];
    case 'document':
      if (part.cache !== undefined) carriage.lost('cache-control');
      return [documentPart(part, carriage)];
    case 'audio':
      if (part.source.from !== 'base64')
        return carriage.refuse('messages', 'refers to a sound by address; send its bytes.');
      return [
        {
          type: 'input_audio',
          input_audio: {
            data: part.source.data,
            format: part.source.mediaType.replace(/^audio\/(?:x-)?/, '').replace('mpeg', 'mp3'),
          },
        },
      ];
    case 'video':
      return carriage.refuse('messages', 'holds video, which this protocol has no place for.');
  }
}

function storedId(source: MediaSource, carriage: Carriage): string | undefined {
  if (source.from !== 'stored') return undefined;
  if (source.protocol === own || source.protocol === 'openai-chat') return source.id;
  return carriage.refuse('messages', 'refers to a file stored at another vendor; send its bytes.');
}

function imagePart(part: MediaPart, carriage: Carriage): JsonObject {
  const { source, detail = 'auto' } = part;
  const id = storedId(source, carriage);
  if (id !== undefined) return { type: 'input_image', file_id: id, detail };
  if (source.from === 'url') return { type: 'input_image', image_url: source.url, detail };
  if (source.from === 'base64')
    return { type: 'input_image', image_url: `data:${source.mediaType};base64,${source.data}`, detail };
  return carriage.refuse('messages', 'has a picture made of text.');
}

function documentPart(part: MediaPart, carriage: Carriage): JsonObject {
  const { source } = part;
  const id = storedId(source, carriage);
  if (id !== undefined) return { type: 'input_file', file_id: id };
  const name = part.fileName ?? part.title;
  switch (source.from) {
    case 'url':
      return { type: 'input_file', file_url: source.url };
    case 'base64':
      return {
        type: 'input_file',
        filename: name ?? 'document.pdf',
        file_data: `data:${source.mediaType};base64,${source.data}`,
      };
    default:
      return {
        type: 'input_text',
        text: source.from === 'text' ? (name === undefined ? source.text : `${name}\n\n${source.text}`) : '',
      };
  }
}

function producedItems(part: OutputPart, carriage: Carriage): readonly JsonValue[] {
  switch (part.kind) {
    case 'text':
      if (part.cache !== undefined) carriage.lost('cache-control');
      if (part.citations !== undefined) carriage.lost('citations');
      if (part.text === '') return [];
      return [assistantMessage(part.text)];
    case 'refusal':
      return [assistantMessage(part.text)];
    case 'thinking': {
      const { signature } = part;
      if (signature === undefined || signature.protocol !== own) {
        carriage.lost('thinking-history');
        return [];
      }
      const summary = part.text === '' ? [] : [{ type: 'summary_text', text: part.text }];
      const { id, value } = signature;
      return [{ type: 'reasoning', ...(id === undefined ? {} : { id }), summary, encrypted_content: value }];
    }
    case 'tool-call':
      if (part.signature !== undefined) carriage.lost('signature');
      return part.custom === true
        ? [{ type: 'custom_tool_call', call_id: part.id, name: part.name, input: part.arguments }]
        : [{ type: 'function_call', call_id: part.id, name: part.name, arguments: part.arguments }];
    case 'native':
      if (part.protocol === own) return [part.value];
      return carriage.refuse(part.path ?? 'messages', `has a "${part.type}" block, which no other protocol has.`);
    case 'image':
    case 'audio':
    case 'video':
    case 'document':
      carriage.lost('media-output');
      return [];
  }
}

/** Parts of an output need an id and a status that only the vendor gives; its plain form needs neither. */
const assistantMessage = (content: string): JsonObject => ({ type: 'message', role: 'assistant', content });
