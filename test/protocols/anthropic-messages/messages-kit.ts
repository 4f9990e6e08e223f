// What the tests of Anthropic's messages share: a request written anew, and events of a stream.

import { messagesCodec } from '../../../src/protocols/anthropic-messages/codec.ts';
import { plainLine } from '../../../src/plugin/protocol.ts';
import type { Dialect } from '../../../src/plugin/codec.ts';
import type { AssistantTurn, Conversation, JsonObject, JsonValue, Turn } from '../../../src/plugin/conversation.ts';
import { writtenTo } from '../translation-kit.ts';
import type { Written } from '../translation-kit.ts';

/** The request that an upstream of this protocol gets, and what it lost on the way. */
export const written = (conversation: Partial<Conversation>, dialect: Partial<Dialect> = {}): Written =>
  writtenTo('anthropic-messages', { turns: [hello], ...conversation }, dialect, 64_000);

export const said = (words: string) => ({ kind: 'text' as const, text: words });
export const user = (...parts: Extract<Turn, { role: 'user' }>['parts']): Turn => ({ role: 'user', parts });
export const assistant = (...parts: AssistantTurn['parts']): Turn => ({ role: 'assistant', parts });
export const call = (id: string, more: object = {}) => ({
  kind: 'tool-call' as const,
  id,
  name: 'f',
  arguments: '{}',
  ...more,
});
export const result = (callId: string, words = 'ok') => ({
  kind: 'tool-result' as const,
  callId,
  parts: [said(words)],
});
export const hello = { role: 'user', parts: [{ kind: 'text', text: 'Hi' }] } as const;

/** A function without more to it. */
export const tool = { kind: 'function', name: 'f' } as const;

/** The conversation in a request of a client. */
export const parsed = (body: JsonValue): Conversation => messagesCodec.parseRequest(body, plainLine);

/** The same for a request that needs nothing but these fields beside one message. */
export const parsedWith = (fields: JsonObject): Conversation =>
  parsed({ model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }], ...fields });

/** One that has these messages. */
export const parsedTurns = (...messages: readonly JsonValue[]): Conversation['turns'] => parsedWith({ messages }).turns;

export const event = (body: JsonObject): string => `event: ${String(body['type'])}\ndata: ${JSON.stringify(body)}\n\n`;

export const start = (usage: JsonObject = { input_tokens: 7, output_tokens: 1 }): string =>
  event({
    type: 'message_start',
    message: { id: 'msg_1', type: 'message', role: 'assistant', model: 'claude', content: [], usage },
  });

/** A block that is open from its beginning to its end, with these deltas. */
export const block = (index: number, content_block: JsonObject, ...deltas: readonly JsonObject[]): string =>
  event({ type: 'content_block_start', index, content_block }) +
  deltas.map((delta) => event({ type: 'content_block_delta', index, delta })).join('') +
  event({ type: 'content_block_stop', index });

export const text = (words: string): JsonObject => ({ type: 'text_delta', text: words });
export const json = (partial_json: string): JsonObject => ({ type: 'input_json_delta', partial_json });

export const end = (stop_reason: string, usage: JsonObject = { output_tokens: 5 }, more: JsonObject = {}): string =>
  event({ type: 'message_delta', delta: { stop_reason, stop_sequence: null, ...more }, usage }) +
  event({ type: 'message_stop' });

/** What stands at that place, through objects and lists. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let here = value;
  for (const step of path) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = Object.entries(here).find(([name]) => name === String(step))?.[1];
  }
  return here;
}
