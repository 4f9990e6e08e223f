// What the tests of Gemini's requests share: one read, and one written for a model of a certain kind.

import { chatCodec } from '../../../src/protocols/openai-chat/codec.ts';
import { parsedJson } from '../../../src/protocols/json-fields.ts';
import { geminiCodec } from '../../../src/protocols/gemini-generate/codec.ts';
import { LossList } from '../../../src/protocols/translation/carriage.ts';
import { dialectOf } from '../../../src/protocols/translation/dialects.ts';
import { plainLine } from '../../../src/plugin/protocol.ts';
import type { Dialect } from '../../../src/plugin/codec.ts';
import type { Conversation, JsonValue } from '../../../src/plugin/conversation.ts';
import { emptyConversation } from '../translation-kit.ts';

export const line = { model: 'gemini-x', stream: true, framing: 'sse' } as const;
export const contents = [{ role: 'user', parts: [{ text: 'Hi' }] }];

export const parsed = (body: JsonValue): Conversation => geminiCodec.parseRequest(body, line);

export function refusal(run: () => unknown): string {
  try {
    run();
    return 'nothing';
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
}

export function written(conversation: Partial<Conversation>, dialect: Partial<Dialect> = {}) {
  const losses = new LossList('gemini-generate');
  const text = geminiCodec.renderRequest(
    { ...emptyConversation, ...conversation },
    {
      model: 'gemini-x',
      stream: false,
      dialect: dialectOf('gemini-generate', dialect),
      outputTokensMax: 1_000,
      askUsage: false,
    },
    losses,
  );
  return { body: parsedJson(text) ?? null, losses: losses.names };
}

/** A chat client's request at a Gemini upstream. */
export function fromChat(body: JsonValue, dialect: Partial<Dialect> = {}) {
  return written(chatCodec.parseRequest(body, plainLine), dialect);
}
