// Requests as clients of each protocol send them, through a gateway to an upstream that answers in its own protocol:
// what was heard, and what arrived there.

import { field } from '../support/gateway.ts';
import type { Heard, ScriptedGateway } from './scripted-gateway.ts';
import { chatReply, geminiReply, hello, messagesReply, responsesReply } from './scripted-replies.ts';

const replies: Readonly<Record<string, object>> = {
  anthropic: messagesReply({ input_tokens: 5, output_tokens: 1 }),
  gemini: geminiReply({ promptTokenCount: 5, candidatesTokenCount: 1, totalTokenCount: 6 }),
  responses: responsesReply({ input_tokens: 5, output_tokens: 1, total_tokens: 6 }),
};

export function senders(stage: ScriptedGateway) {
  /** Sends it, and gives what was heard and what arrived; `arrived` is undefined where nothing was sent on. */
  async function sent(path: string, model: string, body: object, headers: Readonly<Record<string, string>> = {}) {
    stage.answer({ json: replies[model] ?? chatReply({ prompt_tokens: 5, completion_tokens: 1, total_tokens: 6 }) });
    const before = stage.arrived.length;
    const heard = await stage.ask(path, { body: path.includes('v1beta') ? body : { model, ...body }, headers });
    const arrived = stage.arrived.length > before ? stage.last() : undefined;
    return { heard, arrived, body: arrived?.body };
  }
  const chat = (model: string, body: object) => sent('/v1/chat/completions', model, { messages: hello, ...body });
  const messages = (model: string, body: object, headers = {}) =>
    sent('/v1/messages', model, { messages: hello, max_tokens: 5_000, ...body }, headers);
  const responses = (model: string, body: object) => sent('/v1/responses', model, { input: 'Hello', ...body });
  const gemini = (model: string, body: object) => sent(`/v1beta/models/${model}:generateContent`, model, body);
  return { chat, messages, responses, gemini };
}

export const lossesOf = (heard: Heard): readonly string[] => (heard.headers.get('x-tollgate-loss') ?? '').split(', ');
export const all = (value: unknown, kind: string): readonly unknown[] => {
  const found: unknown[] = [];
  const walk = (each: unknown): void => {
    if (typeof each !== 'object' || each === null) return;
    if (kind in each || field(each, 'type') === kind) found.push(each);
    Object.values(each).forEach(walk);
  };
  walk(value);
  return found;
};

export const schema = { type: 'object', properties: { city: { type: 'string' } } };
export const chatTool = { type: 'function', function: { name: 'find', parameters: schema } };
export const user = (content: unknown) => ({ role: 'user', content });
const called = (id: string, content: unknown = null) => ({
  role: 'assistant',
  content,
  tool_calls: [{ id, type: 'function', function: { name: 'find', arguments: '{"city":"Rome"}' } }],
});
export const result = (id: string, content: unknown = 'Sunny') => ({ role: 'tool', tool_call_id: id, content });
export const turnsOf = (id: string, content: unknown = null) => [user('Weather?'), called(id, content), result(id)];
export const toolUse = (id: string) => ({ type: 'tool_use', id, name: 'find', input: { city: 'Rome' } });
export const toolResult = (id: string, content: unknown = 'Sunny') => ({
  type: 'tool_result',
  tool_use_id: id,
  content,
});
export const picture = { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' };
