// Turns as Anthropic's messages: system text in front, user and assistant in turns, results of tools before whatever
// else the user says, and no empty text.

import type { Carriage, Dialect } from '../../plugin/codec.ts';
import type {
  AssistantTurn,
  CacheMark,
  InputPart,
  JsonObject,
  JsonValue,
  MediaPart,
  MediaSource,
  OutputPart,
  ToolResultPart,
  Turn,
} from '../../plugin/conversation.ts';
import { objectOf, parsedJson } from '../json-fields.ts';
import { mappedCallId } from '../translation/call-ids.ts';

const own = 'anthropic-messages';

export const cacheControl = ({ lifetime }: CacheMark): JsonObject =>
  lifetime === '1h' ? { type: 'ephemeral', ttl: '1h' } : { type: 'ephemeral' };

const marked = (cache: CacheMark | undefined): JsonObject =>
  cache === undefined ? {} : { cache_control: cacheControl(cache) };

/** System text that stands before all else; and where none may stand among messages, all of it. */
export function systemBlocks(turns: readonly Turn[], dialect: Dialect, carriage: Carriage): readonly JsonObject[] {
  const blocks: JsonObject[] = [];
  let leading = true;
  for (const turn of turns) {
    if (turn.role !== 'system') {
      leading = false;
      continue;
    }
    if (!leading && dialect.systemAmongTurns) continue;
    if (!leading) carriage.lost('system-position');
    for (const { text, cache } of turn.parts) if (text !== '') blocks.push({ type: 'text', text, ...marked(cache) });
  }
  return blocks;
}

interface Message {
  readonly role: 'user' | 'assistant' | 'system';
  readonly content: JsonValue[];
}

export function renderMessages(turns: readonly Turn[], dialect: Dialect, carriage: Carriage): readonly JsonValue[] {
  const messages: Message[] = [];
  let leading = true;
  for (const turn of turns) {
    if (turn.role === 'system') {
      if (leading || !dialect.systemAmongTurns) continue;
      const content = turn.parts
        .filter(({ text }) => text !== '')
        .map(({ text, cache }) => ({ type: 'text', text, ...marked(cache) }));
      if (content.length > 0) messages.push({ role: 'system', content });
      continue;
    }
    leading = false;
    if (turn.name !== undefined) carriage.lost('name');
    const content = turn.role === 'user' ? userBlocks(turn.parts, carriage) : assistantBlocks(turn, carriage);
    if (content.length === 0) continue;
    const last = messages.at(-1);
    // Turns of one side that follow each other are one message: that is how results of parallel calls must come.
    if (last?.role === turn.role) last.content.push(...content);
    else messages.push({ role: turn.role, content });
  }
  return messages.map(({ role, content }) => ({ role, content: role === 'user' ? resultsFirst(content) : content }));
}

function resultsFirst(content: readonly JsonValue[]): readonly JsonValue[] {
  const isResult = (block: JsonValue) => objectOf(block)['type'] === 'tool_result';
  if (!content.some(isResult)) return content;
  return [...content.filter(isResult), ...content.filter((block) => !isResult(block))];
}

function userBlocks(parts: readonly (InputPart | ToolResultPart)[], carriage: Carriage): JsonValue[] {
  return parts.flatMap((part) =>
    part.kind === 'tool-result' ? [resultBlock(part, carriage)] : inputBlocks(part, carriage),
  );
}

function resultBlock(part: ToolResultPart, carriage: Carriage): JsonObject {
  const content = part.parts.flatMap((each) => inputBlocks(each, carriage));
  if (part.json !== undefined) content.push({ type: 'text', text: JSON.stringify(part.json) });
  return {
    type: 'tool_result',
    tool_use_id: mappedCallId(part.callId, 'plain'),
    ...(content.length > 0 ? { content } : {}),
    ...(part.failed === true ? { is_error: true } : {}),
    ...marked(part.cache),
  };
}

function inputBlocks(part: InputPart, carriage: Carriage): JsonValue[] {
  switch (part.kind) {
    case 'text':
      return part.text === '' ? [] : [{ type: 'text', text: part.text, ...marked(part.cache) }];
    case 'native':
      if (part.protocol === own) return [part.value];
      return carriage.refuse(part.path ?? 'messages', `has a "${part.type}" block, which no other protocol has.`);
    case 'image':
      if (part.detail !== undefined && part.detail !== 'auto') carriage.lost('detail');
      return [{ type: 'image', source: sourceJson(part.source, carriage), ...marked(part.cache) }];
    case 'document':
      return [documentBlock(part, carriage)];
    case 'audio':
    case 'video':
      return carriage.refuse('messages', `holds ${part.kind}, which this protocol has no place for.`);
  }
}

function documentBlock(part: MediaPart, carriage: Carriage): JsonValue {
  const { source } = part;
  const title = part.title ?? part.fileName;
  const textual = source.from === 'base64' && source.mediaType.startsWith('text/');
  const written = textual
    ? { type: 'text', media_type: 'text/plain', data: Buffer.from(source.data, 'base64').toString('utf8') }
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

function sourceJson(source: MediaSource, carriage: Carriage): JsonObject {
  switch (source.from) {
    case 'base64':
      return { type: 'base64', media_type: source.mediaType, data: source.data };
    case 'url':
      return { type: 'url', url: source.url };
    case 'text':
      return { type: 'text', media_type: 'text/plain', data: source.text };
    case 'stored':
      if (source.protocol === own) return { type: 'file', file_id: source.id };
      return carriage.refuse('messages', 'refers to a file stored at another vendor; send its bytes.');
  }
}

function assistantBlocks(turn: AssistantTurn, carriage: Carriage): JsonValue[] {
  const blocks = turn.parts.flatMap((part): JsonValue[] => assistantBlock(part, carriage));
  return blocks;
}

function assistantBlock(part: OutputPart, carriage: Carriage): JsonValue[] {
  switch (part.kind) {
    case 'text': {
      if (part.text === '') return [];
      const citations = (part.citations ?? []).flatMap(({ native }) =>
        native?.protocol === own ? [native.value] : [],
      );
      if ((part.citations?.length ?? 0) > citations.length) carriage.lost('citations');
      return [{ type: 'text', text: part.text, ...(citations.length > 0 ? { citations } : {}), ...marked(part.cache) }];
    }
    case 'refusal':
      return part.text === '' ? [] : [{ type: 'text', text: part.text }];
    case 'thinking': {
      const { signature } = part;
      // Unsigned, or signed by somebody else: it would be refused.
      if (signature === undefined || signature.protocol !== own) {
        carriage.lost('thinking-history');
        return [];
      }
      return signature.form === 'redacted'
        ? [{ type: 'redacted_thinking', data: signature.value }]
        : [{ type: 'thinking', thinking: part.text, signature: signature.value }];
    }
    case 'tool-call': {
      const input = part.custom === true ? { input: part.arguments } : objectOf(parsedJson(part.arguments));
      const id = mappedCallId(part.id, 'plain');
      return [{ type: 'tool_use', id, name: part.name, input, ...marked(part.cache) }];
    }
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

/**
 * Whether thinking may be asked for: where the last turn of the model called tools, its thinking must come back with
 * it, and another vendor's cannot.
 */
export function mayThink(turns: readonly Turn[]): boolean {
  const last = turns.findLast((turn) => turn.role === 'assistant');
  if (last?.role !== 'assistant' || !last.parts.some(({ kind }) => kind === 'tool-call')) return true;
  const after = turns.slice(turns.lastIndexOf(last) + 1);
  const answered = after.some((turn) => turn.role === 'user' && turn.parts.some(({ kind }) => kind === 'tool-result'));
  if (!answered) return true;
  return last.parts.some((part) => part.kind === 'thinking' && part.signature?.protocol === own);
}
