// Parts of what the model is told, as content of an item.

import type { Carriage } from '../../plugin/codec.ts';
import type { InputPart, JsonObject, MediaPart, MediaSource } from '../../plugin/conversation.ts';
import { refuseNative, refuseStored } from '../translation/carriage.ts';
import { urlOfSource } from '../data-url.ts';

export function inputContent(part: InputPart, carriage: Carriage): readonly JsonObject[] {
  if (part.kind !== 'native' && part.cache !== undefined) carriage.lost('cache-control');
  switch (part.kind) {
    case 'text':
      return part.text === '' ? [] : [{ type: 'input_text', text: part.text }];
    case 'native':
      return refuseNative(part, carriage);
    case 'image':
      return [imagePart(part, carriage)];
    case 'document':
      return [documentPart(part, carriage)];
    case 'audio':
      return carriage.refuse('messages', 'holds a sound, which this protocol has no place for.');
    case 'video':
      return carriage.refuse('messages', 'holds a film, which this protocol has no place for.');
  }
}

/** The id of a file that OpenAI keeps. */
function storedId(source: MediaSource, carriage: Carriage): string | undefined {
  if (source.from !== 'stored') return undefined;
  if (source.protocol === 'openai-responses' || source.protocol === 'openai-chat') return source.id;
  return refuseStored(carriage);
}

function imagePart(part: MediaPart, carriage: Carriage): JsonObject {
  const { source, detail = 'auto' } = part;
  const id = storedId(source, carriage);
  if (id !== undefined) return { type: 'input_image', file_id: id, detail };
  const url = urlOfSource(source);
  if (url !== undefined) return { type: 'input_image', image_url: url, detail };
  return carriage.refuse('messages', 'has a picture made of text; send its bytes.');
}

function documentPart(part: MediaPart, carriage: Carriage): JsonObject {
  const { source } = part;
  if (part.citable === true) carriage.lost('citations');
  if (part.context !== undefined) carriage.lost('document-context');
  const detail = part.detail === undefined ? {} : { detail: part.detail };
  const id = storedId(source, carriage);
  const name = part.fileName ?? part.title;
  // Beside an address or an id there is no place for one.
  if (name !== undefined && (id !== undefined || source.from === 'url')) carriage.lost('document-name');
  if (id !== undefined) return { type: 'input_file', file_id: id, ...detail };
  switch (source.from) {
    case 'url':
      return { type: 'input_file', file_url: source.url, ...detail };
    case 'text':
      return { type: 'input_text', text: name === undefined ? source.text : `${name}\n\n${source.text}` };
    default:
      return {
        type: 'input_file',
        filename: name ?? 'document.pdf',
        file_data: urlOfSource(source) ?? '',
        ...detail,
      };
  }
}
