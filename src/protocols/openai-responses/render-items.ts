// Turns as items of a response's input.

import type { Carriage } from '../../plugin/codec.ts';
import type { InputPart, JsonObject, JsonValue, OutputPart, ToolResultPart, Turn } from '../../plugin/conversation.ts';
import { refuseNative } from '../translation/carriage.ts';
import { mappedCallId } from '../translation/call-ids.ts';
import { inputContent } from './render-content.ts';

const own = 'openai-responses';

/** What items need to know of those before them. */
interface Written {
  /** Calls of custom tools, whose results are items of another type. */
  readonly customCalls: Set<string>;
  refusals: number;
}

export function renderItems(turns: readonly Turn[], carriage: Carriage): readonly JsonValue[] {
  const written: Written = { customCalls: new Set(), refusals: 0 };
  return turns.flatMap((turn): readonly JsonValue[] => {
    switch (turn.role) {
      case 'system': {
        if (turn.parts.some(({ cache }) => cache !== undefined)) carriage.lost('cache-control');
        const content = turn.parts.filter(({ text }) => text !== '').map(({ text }) => ({ type: 'input_text', text }));
        return content.length === 0 ? [] : [{ type: 'message', role: turn.authority, content: plainContent(content) }];
      }
      case 'user':
        if (turn.name !== undefined) carriage.lost('speaker-name');
        return userItems(turn.parts, written, carriage);
      case 'assistant':
        if (turn.name !== undefined) carriage.lost('speaker-name');
        return turn.parts.flatMap((part) => producedItems(part, written, carriage));
    }
  });
}

/** Results stand first, behind the calls that they answer. */
function userItems(
  parts: readonly (InputPart | ToolResultPart)[],
  written: Written,
  carriage: Carriage,
): readonly JsonValue[] {
  const items: JsonValue[] = [];
  const content: JsonObject[] = [];
  for (const part of parts) {
    if (part.kind === 'tool-result') items.push(resultItem(part, written, carriage));
    else content.push(...inputContent(part, carriage));
  }
  if (content.length > 0) items.push({ type: 'message', role: 'user', content: plainContent(content) });
  return items;
}

/** A single text is written as one. */
function plainContent(content: readonly JsonObject[]): JsonValue {
  const [only] = content;
  const text = content.length === 1 && only?.['type'] === 'input_text' ? only['text'] : undefined;
  return typeof text === 'string' ? text : content;
}

function resultItem(part: ToolResultPart, { customCalls }: Written, carriage: Carriage): JsonValue {
  if (part.cache !== undefined) carriage.lost('cache-control');
  if (part.failed === true) carriage.lost('tool-result-failed');
  const content = part.parts.flatMap((each) => inputContent(each, carriage));
  if (part.json !== undefined) content.push({ type: 'input_text', text: JSON.stringify(part.json) });
  const texts = content.flatMap((each) => (each['type'] === 'input_text' ? [String(each['text'])] : []));
  const output = texts.length === content.length ? texts.join('\n') : content;
  const type = customCalls.has(part.callId) ? 'custom_tool_call_output' : 'function_call_output';
  return { type, call_id: mappedCallId(part.callId, 'plain'), output };
}

function producedItems(part: OutputPart, written: Written, carriage: Carriage): readonly JsonValue[] {
  switch (part.kind) {
    case 'text':
      if (part.cache !== undefined) carriage.lost('cache-control');
      if (part.citations !== undefined) carriage.lost('citations');
      // As one text: a list would make it an item of the vendor's own, with an id that nobody has.
      return part.text === '' ? [] : [{ type: 'message', role: 'assistant', content: part.text }];
    case 'refusal':
      return [refusalItem(part.text, written)];
    case 'thinking':
      return thinkingItems(part, carriage);
    case 'tool-call': {
      if (part.signature !== undefined) carriage.lost('signature');
      if (part.cache !== undefined) carriage.lost('cache-control');
      const callId = mappedCallId(part.id, 'plain');
      if (part.custom !== true)
        return [{ type: 'function_call', call_id: callId, name: part.name, arguments: part.arguments }];
      written.customCalls.add(part.id);
      return [{ type: 'custom_tool_call', call_id: callId, name: part.name, input: part.arguments }];
    }
    case 'native':
      if (part.protocol === own) return [part.value];
      return refuseNative(part, carriage);
    case 'image':
    case 'audio':
    case 'video':
    case 'document':
      carriage.lost('media-output');
      return [];
  }
}

/** A refusal has no form but the vendor's own, in which an id and a status are demanded. */
function refusalItem(refusal: string, written: Written): JsonObject {
  const id = `msg_refusal${written.refusals++}`;
  return { type: 'message', id, status: 'completed', role: 'assistant', content: [{ type: 'refusal', refusal }] };
}

function thinkingItems(part: OutputPart & { readonly kind: 'thinking' }, carriage: Carriage): readonly JsonValue[] {
  const { signature } = part;
  if (signature === undefined || signature.protocol !== own) {
    carriage.lost('thinking-history');
    return [];
  }
  const summary = part.text === '' ? [] : [{ type: 'summary_text', text: part.text }];
  const { id, value } = signature;
  return [{ type: 'reasoning', ...(id === undefined ? {} : { id }), summary, encrypted_content: value }];
}
