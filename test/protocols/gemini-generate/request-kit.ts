// What the tests of Gemini's requests share: one read, and one written for a model of a certain kind.

import { chatCodec } from '../../../src/protocols/openai-chat/codec.ts';
import { geminiCodec } from '../../../src/protocols/gemini-generate/codec.ts';
import { plainLine } from '../../../src/plugin/protocol.ts';
import type { Dialect } from '../../../src/plugin/codec.ts';
import type { Conversation, JsonValue } from '../../../src/plugin/conversation.ts';
import { writtenTo } from '../translation-kit.ts';
import type { Written } from '../translation-kit.ts';

export const line = { model: 'gemini-x', stream: true, framing: 'sse' } as const;
export const contents = [{ role: 'user', parts: [{ text: 'Hi' }] }];

export const parsed = (body: JsonValue): Conversation => geminiCodec.parseRequest(body, line);

export const written = (conversation: Partial<Conversation>, dialect: Partial<Dialect> = {}): Written =>
  writtenTo('gemini-generate', conversation, dialect);

/** A chat client's request at a Gemini upstream. */
export function fromChat(body: JsonValue, dialect: Partial<Dialect> = {}) {
  return written(chatCodec.parseRequest(body, plainLine), dialect);
}
