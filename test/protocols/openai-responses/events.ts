// Events of a stream of responses, as an upstream sends them, and a look at those that we send.

import { expect } from 'bun:test';
import type { JsonObject, JsonValue } from '../../../src/plugin/conversation.ts';
import { objectOf, parsedJson } from '../../../src/protocols/json-fields.ts';
import { eventsIn } from '../translation-kit.ts';
import { haveDescription, openAiDescription } from './description.ts';
import type { Described } from './description.ts';

let described: Described | undefined;

let sequence = 0;
export const event = (type: string, more: JsonObject = {}): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence++, ...more })}\n\n`;
export const countAnew = (): void => {
  sequence = 0;
};

export const usage = { input_tokens: 3, output_tokens: 2, total_tokens: 5 };
export const response = (status: string, output: readonly JsonValue[] = [], more: JsonObject = {}): JsonObject => ({
  response: { id: 'resp_1', object: 'response', created_at: 9, model: 'm', status, output, usage, ...more },
});
export const created = () =>
  event('response.created', response('in_progress', [], { tools: [{ type: 'web_search' }] }));
export const completed = (output: readonly JsonValue[] = []) =>
  event('response.completed', response('completed', output));

export const at = (index: number): JsonObject => ({ item_id: `i_${index}`, output_index: index });
export const message = (content: readonly JsonValue[] = []): JsonObject => ({
  id: 'i_0',
  type: 'message',
  role: 'assistant',
  status: 'in_progress',
  content,
});
export const text = (value: string, more: JsonObject = {}): JsonObject => ({
  type: 'output_text',
  text: value,
  annotations: [],
  logprobs: [],
  ...more,
});
export const delta = (value: string, index = 0): string =>
  event('response.output_text.delta', { ...at(index), content_index: 0, delta: value, logprobs: [] });
export const begun = () =>
  event('response.output_item.added', { output_index: 0, item: message() }) +
  event('response.content_part.added', { ...at(0), content_index: 0, part: text('') });

/** Each event is one of the description, in its own order. */
export function describedEvents(stream: string): readonly JsonObject[] {
  return eventsIn(stream).map(({ name, data }) => {
    const body = objectOf(parsedJson(data));
    expect(body['type']).toBe(name);
    described ??= haveDescription ? openAiDescription() : undefined;
    expect(described?.wrongIn('ResponseStreamEvent', body) ?? '').toBe('');
    return body;
  });
}
export const typesOf = (events: readonly JsonObject[]): readonly string[] =>
  events.map(({ type }) => String(type).replace('response.', ''));
