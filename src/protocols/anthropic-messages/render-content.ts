// What the model is told, as blocks of Anthropic's messages. Text of blanks alone is refused there, and says nothing:
// it is left out.

import type { Carriage } from '../../plugin/codec.ts';
import type {
  CacheMark,
  InputPart,
  JsonObject,
  JsonValue,
  MediaPart,
  MediaSource,
  NativePart,
  TextPart,
  ToolResultPart,
} from '../../plugin/conversation.ts';
import { refuseNative, refuseStored } from '../translation/carriage.ts';
import { mappedCallId } from '../translation/call-ids.ts';
import { own } from './parse-content.ts';

export const cacheControl = ({ lifetime }: CacheMark): JsonObject =>
  lifetime === '1h' ? { type: 'ephemeral', ttl: '1h' } : { type: 'ephemeral' };

export const marked = (cache: CacheMark | undefined): JsonObject =>
  cache === undefined ? {} : { cache_control: cacheControl(cache) };

export function textBlocks({ text, cache }: TextPart, carriage: Carriage): readonly JsonObject[] {
  if (text.trim() !== '') return [{ type: 'text', text, ...marked(cache) }];
  if (cache !== undefined) carriage.lost('cache-control');
  return [];
}

export function resultBlock(part: ToolResultPart, carriage: Carriage): JsonObject {
  const content = part.parts.flatMap((each) => inputBlocks(each, carriage));
  if (part.json !== undefined) content.push({ type: 'text', text: JSON.stringify(part.json) });
  // A failure must be told in some word.
  if (part.failed === true && content.length === 0) content.push({ type: 'text', text: 'error' });
  return {
    type: 'tool_result',
    tool_use_id: mappedCallId(part.callId, 'plain'),
    ...(content.length > 0 ? { content } : {}),
    ...(part.failed === true ? { is_error: true } : {}),
    ...marked(part.cache),
  };
}

export function inputBlocks(part: InputPart, carriage: Carriage): JsonValue[] {
  switch (part.kind) {
    case 'text':
      if (part.citations !== undefined) carriage.lost('citations');
      return [...textBlocks(part, carriage)];
    case 'native':
      return [nativeBlock(part, carriage)];
    case 'image':
      if (part.detail !== undefined && part.detail !== 'auto') carriage.lost('detail');
      return [{ type: 'image', source: sourceJson(part.source, carriage), ...marked(part.cache) }];
    case 'document':
      return [documentBlock(part, carriage)];
    case 'audio':
    case 'video':
      return carriage.refuse('messages', `holds ${part.kind}, which Claude cannot be given; send text of it.`);
  }
}

export function nativeBlock(part: NativePart, carriage: Carriage): JsonValue {
  if (part.protocol === own) return part.value;
  return refuseNative(part, carriage);
}

const textual = /^(?:text\/|application\/(?:json|xml)$)/;

function documentBlock(part: MediaPart, carriage: Carriage): JsonValue {
  const { source } = part;
  const title = part.title ?? part.fileName;
  // What is not a PDF is given as text, and never with another type than plain.
  const written =
    source.from === 'base64' && textual.test(source.mediaType)
      ? plainText(Buffer.from(source.data, 'base64').toString('utf8'))
      : sourceJson(source, carriage);
  return {
    type: 'document',
    source: written,
    ...(title === undefined ? {} : { title }),
    ...(part.context === undefined ? {} : { context: part.context }),
    ...(part.citable === true ? { citations: { enabled: true } } : {}),
    ...marked(part.cache),
  };
}

const plainText = (data: string): JsonObject => ({ type: 'text', media_type: 'text/plain', data });

function sourceJson(source: MediaSource, carriage: Carriage): JsonObject {
  switch (source.from) {
    case 'base64':
      // The other word for it is refused.
      return {
        type: 'base64',
        media_type: source.mediaType === 'image/jpg' ? 'image/jpeg' : source.mediaType,
        data: source.data,
      };
    case 'url':
      return { type: 'url', url: source.url };
    case 'text':
      return plainText(source.text);
    case 'stored':
      if (source.protocol === own) return { type: 'file', file_id: source.id };
      return refuseStored(carriage);
  }
}
