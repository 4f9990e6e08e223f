// Replies as vendors of the four chat protocols give them, short and whole: what a test does not speak of is as plain
// as can be.

import { namedEvents, plainEvents } from './scripted-gateway.ts';

export const hello = [{ role: 'user', content: 'Hello' }];
export const chunk = (more: object) => ({ id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'm', ...more });
export const says = { index: 0, delta: { role: 'assistant', content: 'Hi' }, finish_reason: null };
export const ends = { index: 0, delta: {}, finish_reason: 'stop' };

export const chatReply = (usage: object) => ({
  id: 'c1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
  usage,
});
export const responsesReply = (usage: object, status = 'completed') => ({
  id: 'resp_1',
  object: 'response',
  created_at: 1,
  status,
  model: 'm',
  error: status === 'failed' ? { code: 'server_error', message: 'It failed.' } : null,
  incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
  output: [
    {
      id: 'm1',
      type: 'message',
      role: 'assistant',
      status,
      content: [{ type: 'output_text', text: 'Hi', annotations: [] }],
    },
  ],
  usage,
});
export const messagesReply = (usage: object) => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'm',
  content: [{ type: 'text', text: 'Hi' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage,
});
export const geminiReply = (usage: object) => ({
  candidates: [{ index: 0, content: { role: 'model', parts: [{ text: 'Hi' }] }, finishReason: 'STOP' }],
  usageMetadata: usage,
});

export const chatStream = (usage: object) =>
  plainEvents(chunk({ choices: [says] }), chunk({ choices: [ends] }), chunk({ choices: [], usage }), '[DONE]');
export const responsesStream = (status: string, usage: object) =>
  namedEvents(
    { type: 'response.created', sequence_number: 0, response: { ...responsesReply({}, 'in_progress'), usage: null } },
    {
      type: 'response.output_text.delta',
      sequence_number: 1,
      item_id: 'm1',
      output_index: 0,
      content_index: 0,
      delta: 'Hi',
    },
    { type: `response.${status}`, sequence_number: 2, response: responsesReply(usage, status) },
  );
