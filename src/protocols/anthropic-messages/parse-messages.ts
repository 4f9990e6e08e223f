// Messages of Anthropic's protocol, read into turns. A system message may stand among them (Claude Code sends such).

import { invalid } from '../../core/json-scan.ts';
import type {
  AssistantTurn,
  JsonObject,
  JsonValue,
  OutputPart,
  Signature,
  SystemTurn,
  TextPart,
  ToolCallPart,
  Turn,
  Unmapped,
} from '../../plugin/conversation.ts';
import { cacheOf } from '../cache-mark.ts';
import { isList, isObject, objectOf, stringOf } from '../json-fields.ts';
import { openSignature } from '../translation/signature-envelope.ts';
import { blocksOf, nativePart, neededText, own, textPart, userPart } from './parse-content.ts';

export interface ParsedMessages {
  readonly turns: readonly Turn[];
  /** The effort that the last message which says so sets: it holds from there on. */
  readonly effort: string | undefined;
}

const messageFields: ReadonlySet<string> = new Set(['role', 'content', 'output_config']);

export function parseMessages(value: JsonValue | undefined, unmapped: Unmapped[]): ParsedMessages {
  if (!isList(value)) throw invalid('messages', 'must be a list of messages');
  let effort: string | undefined;
  const turns = value.map((each, index): Turn => {
    const path = `messages[${index}]`;
    const message = objectOf(each);
    for (const name of Object.keys(message))
      if (!messageFields.has(name)) unmapped.push({ path: `${path}.${name}`, weight: 'hint' });
    for (const [name, set] of Object.entries(objectOf(message['output_config']))) {
      if (name === 'effort') effort = stringOf(set) ?? effort;
      else unmapped.push({ path: `${path}.output_config.${name}`, weight: 'hint' });
    }
    return turnOf(message, path, unmapped);
  });
  return { turns, effort };
}

function turnOf(message: JsonObject, path: string, unmapped: Unmapped[]): Turn {
  const content = `${path}.content`;
  switch (message['role']) {
    case 'user': {
      const blocks = blocksOf(message['content'], content);
      return { role: 'user', parts: blocks.map((each) => userPart(each.block, each.path, unmapped)) };
    }
    case 'assistant':
      return assistantTurn(message['content'], content, unmapped);
    case 'system':
      return systemTurn(message['content'], content, unmapped);
    default:
      throw invalid(`${path}.role`, 'must be "user", "assistant" or "system"');
  }
}

export function systemTurn(value: JsonValue | undefined, path: string, unmapped: Unmapped[]): SystemTurn {
  const parts = blocksOf(value, path).flatMap((each): TextPart[] => {
    if (each.block['type'] === 'text') return [textPart(each.block, each.path)];
    // Tools that come and go in mid-conversation: without it the model has others than it is told.
    if (typeof each.block['type'] !== 'string') throw invalid(`${each.path}.type`, 'is missing; say what the block is');
    unmapped.push({ path: each.path, weight: 'meaning' });
    return [];
  });
  return { role: 'system', authority: 'system', parts };
}

function assistantTurn(value: JsonValue | undefined, path: string, unmapped: Unmapped[]): AssistantTurn {
  const parts: OutputPart[] = [];
  const ofCalls = new Map<string, Signature>();
  for (const { block, path: at } of blocksOf(value, path)) {
    const part = assistantPart(block, at);
    // Code that ran at the vendor called it: the result is given as if the model had.
    const caller = objectOf(block['caller'])['type'];
    if (caller !== undefined && caller !== 'direct') unmapped.push({ path: `${at}.caller`, weight: 'hint' });
    const { text, signature } = part.kind === 'thinking' ? part : { text: 'none', signature: undefined };
    if (text === '' && signature?.protocol === 'gemini-generate' && signature.id !== undefined) {
      ofCalls.set(signature.id, { protocol: signature.protocol, form: signature.form, value: signature.value });
    } else parts.push(part);
  }
  if (ofCalls.size === 0) return { role: 'assistant', parts };
  return { role: 'assistant', parts: parts.map((part) => (part.kind === 'tool-call' ? signed(part, ofCalls) : part)) };
}

/** A call that Gemini signed came with thinking that is empty: its envelope names the call. */
function signed(part: ToolCallPart, ofCalls: ReadonlyMap<string, Signature>): ToolCallPart {
  const signature = ofCalls.get(part.id);
  return signature === undefined ? part : { ...part, signature };
}

function assistantPart(block: JsonObject, path: string): OutputPart {
  switch (block['type']) {
    case 'text':
      return textPart(block, path);
    case 'thinking':
      return {
        kind: 'thinking',
        text: neededText(block, 'thinking', path),
        signature: signatureOf(block['signature']),
      };
    case 'redacted_thinking':
      return { kind: 'thinking', text: '', signature: redactedOf(neededText(block, 'data', path)) };
    case 'tool_use':
      return {
        kind: 'tool-call',
        id: neededText(block, 'id', path),
        name: neededText(block, 'name', path),
        arguments: JSON.stringify(isObject(block['input']) ? block['input'] : {}),
        cache: cacheOf(block),
      };
    default:
      return nativePart(block, path);
  }
}

export function signatureOf(value: JsonValue | undefined): Signature | undefined {
  const text = stringOf(value);
  if (text === undefined || text === '') return undefined;
  return openSignature(text) ?? { protocol: own, form: 'signature', value: text };
}

export const redactedOf = (data: string): Signature =>
  openSignature(data) ?? { protocol: own, form: 'redacted', value: data };
