// Blocks of Anthropic's messages that tell the model something: text, images, documents and results of tools. What only
// this protocol has stays as it is, with the path at which the client put it.

import { invalid } from '../../core/json-scan.ts';
import type {
  Citation,
  InputPart,
  JsonObject,
  JsonValue,
  MediaPart,
  MediaSource,
  NativePart,
  TextPart,
  ToolResultPart,
  Unmapped,
} from '../../plugin/conversation.ts';
import { cacheOf } from '../cache-mark.ts';
import { booleanOf, isList, isObject, listOf, objectOf, stringOf } from '../json-fields.ts';

export const own = 'anthropic-messages';

/** The blocks of a content, each with its path; a text alone is one block. */
export function blocksOf(
  value: JsonValue | undefined,
  path: string,
): readonly { readonly block: JsonObject; readonly path: string }[] {
  if (typeof value === 'string') return [{ block: { type: 'text', text: value }, path }];
  if (!isList(value)) throw invalid(path, 'must be a text or a list of blocks');
  return value.map((each, index) => {
    const at = `${path}[${index}]`;
    if (!isObject(each)) throw invalid(at, 'must be a block: an object with a type');
    return { block: each, path: at };
  });
}

export function neededText(fields: JsonObject, name: string, path: string): string {
  const text = stringOf(fields[name]);
  if (text === undefined) throw invalid(`${path}.${name}`, 'is missing, or no text');
  return text;
}

export function textPart(fields: JsonObject, path: string): TextPart {
  const citations = listOf(fields['citations']).map(parseCitation);
  return {
    kind: 'text',
    text: neededText(fields, 'text', path),
    cache: cacheOf(fields),
    citations: citations.length > 0 ? citations : undefined,
  };
}

export function userPart(block: JsonObject, path: string, unmapped: Unmapped[]): InputPart | ToolResultPart {
  if (block['type'] !== 'tool_result') return inputPart(block, path);
  const { content } = block;
  const parts = content === undefined || content === null ? [] : blocksOf(content, `${path}.content`);
  return {
    kind: 'tool-result',
    callId: neededText(block, 'tool_use_id', path),
    parts: parts.map((each) => resultPart(each.block, each.path, unmapped)),
    failed: booleanOf(block['is_error']),
    cache: cacheOf(block),
  };
}

/** A reference to a tool that was found loads it; other upstreams have all tools anyway, and are told its name. */
function resultPart(block: JsonObject, path: string, unmapped: Unmapped[]): InputPart {
  if (block['type'] !== 'tool_reference') return inputPart(block, path);
  unmapped.push({ path, weight: 'hint' });
  return { kind: 'text', text: neededText(block, 'tool_name', path), cache: cacheOf(block) };
}

function inputPart(block: JsonObject, path: string): InputPart {
  switch (block['type']) {
    case 'text':
      return textPart(block, path);
    case 'image':
      return { kind: 'image', source: sourceOf(block, path), cache: cacheOf(block) };
    case 'document':
      return documentPart(block, path);
    default:
      return nativePart(block, path);
  }
}

function documentPart(block: JsonObject, path: string): MediaPart | NativePart {
  // Pictures among the document's own blocks have no place in a text.
  const { content } = objectOf(block['source']);
  if (isList(content) && content.some((each) => objectOf(each)['type'] !== 'text')) return nativePart(block, path);
  return {
    kind: 'document',
    source: sourceOf(block, path),
    title: stringOf(block['title']),
    context: stringOf(block['context']),
    citable: booleanOf(objectOf(block['citations'])['enabled']),
    cache: cacheOf(block),
  };
}

function sourceOf(block: JsonObject, blockPath: string): MediaSource {
  const path = `${blockPath}.source`;
  const source = objectOf(block['source']);
  switch (source['type']) {
    case 'base64':
      return {
        from: 'base64',
        mediaType: neededText(source, 'media_type', path),
        data: neededText(source, 'data', path),
      };
    case 'url':
      return { from: 'url', url: neededText(source, 'url', path) };
    case 'text': {
      const text = neededText(source, 'data', path);
      return { from: 'text', mediaType: stringOf(source['media_type']) ?? 'text/plain', text };
    }
    case 'content':
      return { from: 'text', mediaType: 'text/plain', text: contentText(source['content'], `${path}.content`) };
    case 'file':
      return { from: 'stored', protocol: own, id: neededText(source, 'file_id', path) };
    default:
      throw invalid(`${path}.type`, 'must be "base64", "url", "text", "content" or "file"');
  }
}

const contentText = (value: JsonValue | undefined, path: string): string =>
  blocksOf(value, path)
    .map((each) => neededText(each.block, 'text', each.path))
    .join('\n');

export function nativePart(block: JsonObject, path: string): NativePart {
  const type = stringOf(block['type']);
  if (type === undefined) throw invalid(`${path}.type`, 'is missing; say what the block is');
  return { kind: 'native', protocol: own, type, value: block, path };
}

/** Web results have an address; all other citations point into documents, which only this protocol can say. */
export function parseCitation(value: JsonValue): Citation {
  const fields = objectOf(value);
  return {
    url: stringOf(fields['url']),
    title: stringOf(fields['title']) ?? stringOf(fields['document_title']),
    citedText: stringOf(fields['cited_text']),
    native: { protocol: own, value },
  };
}
