// Messages of Anthropic's protocol, read into turns. A system message may stand among them (Claude Code sends such).

import { invalid } from '../../core/json-scan.ts';
import type {
  CacheMark,
  Citation,
  InputPart,
  JsonObject,
  JsonValue,
  MediaPart,
  MediaSource,
  NativePart,
  OutputPart,
  TextPart,
  ToolResultPart,
  Turn,
  Unmapped,
} from '../../plugin/conversation.ts';
import { booleanOf, isList, isObject, listOf, numberOf, objectOf, stringOf } from '../json-fields.ts';
import { openSignature } from '../translation/signature-envelope.ts';

const own = 'anthropic-messages';

export function parseMessages(value: JsonValue | undefined, unmapped: Unmapped[]): readonly Turn[] {
  if (!isList(value)) throw invalid('messages', 'must be a list of messages');
  return value.map((each, index): Turn => {
    const message = objectOf(each);
    const path = `messages[${index}]`;
    const content = `${path}.content`;
    if (message['output_config'] !== undefined) unmapped.push({ path: `${path}.output_config`, weight: 'hint' });
    switch (message['role']) {
      case 'user':
        return { role: 'user', parts: blocksOf(message['content'], content).map((block) => userPart(block, content)) };
      case 'assistant':
        return { role: 'assistant', parts: assistantParts(blocksOf(message['content'], content), content) };
      case 'system':
      case 'developer':
        return { role: 'system', authority: 'system', parts: textParts(message['content'] ?? null, content) };
      default:
        throw invalid(`${path}.role`, 'must be "user", "assistant" or "system"');
    }
  });
}

function blocksOf(value: JsonValue | undefined, path: string): readonly JsonValue[] {
  if (typeof value === 'string') return [{ type: 'text', text: value }];
  if (!isList(value)) throw invalid(path, 'must be a text or a list of blocks');
  return value;
}

export function textParts(value: JsonValue, path: string): readonly TextPart[] {
  return blocksOf(value, path).map((block, index) => {
    const fields = objectOf(block);
    const text = stringOf(fields['text']);
    if (text === undefined) throw invalid(`${path}[${index}].type`, 'must be "text", with its text');
    return { kind: 'text', text, cache: cacheOf(fields) };
  });
}

export function cacheOf(fields: JsonObject): CacheMark | undefined {
  const control = fields['cache_control'];
  return isObject(control) ? { lifetime: control['ttl'] === '1h' ? '1h' : '5m' } : undefined;
}

function userPart(block: JsonValue, path: string): InputPart | ToolResultPart {
  const fields = objectOf(block);
  if (fields['type'] !== 'tool_result') return inputPart(block, path);
  const callId = stringOf(fields['tool_use_id']);
  if (callId === undefined) throw invalid(`${path}.tool_use_id`, 'is missing');
  const { content } = fields;
  const parts = content === undefined || content === null ? [] : blocksOf(content, `${path}.content`);
  return {
    kind: 'tool-result',
    callId,
    parts: parts.map((part) => inputPart(part, `${path}.content`)),
    failed: booleanOf(fields['is_error']),
    cache: cacheOf(fields),
  };
}

function inputPart(block: JsonValue, path: string): InputPart {
  const fields = objectOf(block);
  switch (fields['type']) {
    case 'text':
      return textPart(fields, path);
    case 'image':
      return { kind: 'image', source: sourceOf(objectOf(fields['source']), path), cache: cacheOf(fields) };
    case 'document':
      return documentPart(fields, path);
    default:
      return nativePart(block, path);
  }
}

function textPart(fields: JsonObject, path: string): TextPart {
  const text = stringOf(fields['text']);
  if (text === undefined) throw invalid(`${path}.text`, 'is missing');
  const citations = listOf(fields['citations']).map(parseCitation);
  return { kind: 'text', text, cache: cacheOf(fields), citations: citations.length > 0 ? citations : undefined };
}

function documentPart(fields: JsonObject, path: string): MediaPart {
  const title = stringOf(fields['title']);
  return {
    kind: 'document',
    source: sourceOf(objectOf(fields['source']), path),
    title,
    fileName: title,
    context: stringOf(fields['context']),
    citable: booleanOf(objectOf(fields['citations'])['enabled']),
    cache: cacheOf(fields),
  };
}

function sourceOf(source: JsonObject, path: string): MediaSource {
  const mediaType = stringOf(source['media_type']) ?? 'application/octet-stream';
  switch (source['type']) {
    case 'base64':
      return { from: 'base64', mediaType, data: stringOf(source['data']) ?? '' };
    case 'url':
      return { from: 'url', url: stringOf(source['url']) ?? '' };
    case 'text':
      return {
        from: 'text',
        mediaType: stringOf(source['media_type']) ?? 'text/plain',
        text: stringOf(source['data']) ?? '',
      };
    case 'content':
      return { from: 'text', mediaType: 'text/plain', text: contentText(source['content']) };
    case 'file':
      return { from: 'stored', protocol: own, id: stringOf(source['file_id']) ?? '' };
    default:
      throw invalid(`${path}.source.type`, 'must be "base64", "url", "text", "content" or "file"');
  }
}

const contentText = (value: JsonValue | undefined): string =>
  typeof value === 'string'
    ? value
    : listOf(value)
        .map((each) => stringOf(objectOf(each)['text']) ?? '')
        .join('\n');

function nativePart(value: JsonValue, path: string): NativePart {
  const type = stringOf(objectOf(value)['type']);
  if (type === undefined) throw invalid(`${path}.type`, 'is missing');
  return { kind: 'native', protocol: own, type, value, path };
}

function assistantParts(blocks: readonly JsonValue[], path: string): readonly OutputPart[] {
  return blocks.map((block, index): OutputPart => {
    const fields = objectOf(block);
    const at = `${path}[${index}]`;
    switch (fields['type']) {
      case 'text':
        return textPart(fields, at);
      case 'thinking':
        return {
          kind: 'thinking',
          text: stringOf(fields['thinking']) ?? '',
          signature: signatureOf(fields['signature']),
        };
      case 'redacted_thinking': {
        const data = stringOf(fields['data']) ?? '';
        const signature = openSignature(data) ?? { protocol: own, form: 'redacted', value: data };
        return { kind: 'thinking', text: '', signature };
      }
      case 'tool_use': {
        const id = stringOf(fields['id']);
        const name = stringOf(fields['name']);
        if (id === undefined || name === undefined) throw invalid(`${at}.id`, 'and its name must both be there');
        return {
          kind: 'tool-call',
          id,
          name,
          arguments: JSON.stringify(fields['input'] ?? {}),
          cache: cacheOf(fields),
        };
      }
      default:
        return nativePart(block, at);
    }
  });
}

export function signatureOf(value: JsonValue | undefined) {
  const text = stringOf(value);
  if (text === undefined || text === '') return undefined;
  return openSignature(text) ?? ({ protocol: own, form: 'signature', value: text } as const);
}

/** Web results have an address; all other citations point into documents, which only this protocol can say. */
export function parseCitation(value: JsonValue): Citation {
  const fields = objectOf(value);
  return {
    url: stringOf(fields['url']),
    title: stringOf(fields['title']) ?? stringOf(fields['document_title']),
    citedText: stringOf(fields['cited_text']),
    start: fields['url'] === undefined ? undefined : numberOf(fields['start_char_index']),
    native: { protocol: own, value },
  };
}
