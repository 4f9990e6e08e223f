// The mock's replies in the other three protocols: the same words in as many events, so that what a translation costs
// can be told from what a stream costs. ASCII only: characters are bytes.

import { jsonReply, PROMPT_TOKENS, REPLY_END, REPLY_TOKENS } from './mock-replies.ts';
import type { Script } from './mock-replies.ts';

export type MockProtocol = 'messages' | 'responses' | 'gemini';

/** What is asked at a path; undefined for OpenAI's chat and everything else. */
export function protocolAsked(head: string): MockProtocol | undefined {
  if (head.startsWith('POST /v1/messages')) return 'messages';
  if (head.startsWith('POST /v1/responses')) return 'responses';
  return /^POST \/v1\/models\/[^ ]*:(?:streamG|g)enerateContent/.test(head) ? 'gemini' : undefined;
}

const event = (json: string, type?: string): string =>
  `${type === undefined ? '' : `event: ${type}\n`}data: ${json}\n\n`;
const textAt = ({ nonce }: Script, at: number): string => (at === 0 ? `${nonce} ` : ` tok${at}`);

const responsesUsage = (output: number): string =>
  `{"input_tokens":${PROMPT_TOKENS},"output_tokens":${output},"total_tokens":${PROMPT_TOKENS + output}}`;
const geminiUsage = (output: number): string =>
  `{"promptTokenCount":${PROMPT_TOKENS},"candidatesTokenCount":${output},` +
  `"totalTokenCount":${PROMPT_TOKENS + output}}`;

function messagesEvent(script: Script, at: number): string {
  if (at >= script.chunks) {
    const usage = `{"input_tokens":${PROMPT_TOKENS},"output_tokens":${script.chunks}}`;
    return (
      event('{"type":"content_block_stop","index":0}', 'content_block_stop') +
      event(
        `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":${usage}}`,
        'message_delta',
      ) +
      event('{"type":"message_stop"}', 'message_stop')
    );
  }
  const delta = event(
    `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"${textAt(script, at)}"}}`,
    'content_block_delta',
  );
  if (at > 0) return delta;
  const message =
    `{"id":"msg_${script.nonce}","type":"message","role":"assistant","model":"mock","content":[],"stop_reason":null,` +
    `"stop_sequence":null,"usage":{"input_tokens":${PROMPT_TOKENS},"output_tokens":1}}`;
  return (
    event(`{"type":"message_start","message":${message}}`, 'message_start') +
    event('{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}', 'content_block_start') +
    delta
  );
}

function responsesEvent(script: Script, at: number): string {
  const place = `"item_id":"msg_${script.nonce}","output_index":0,"content_index":0`;
  const response = (status: string, usage: string) =>
    `{"id":"resp_${script.nonce}","object":"response","created_at":1790000000,"status":"${status}","model":"mock",` +
    `"output":[],"error":null,"incomplete_details":null,"usage":${usage}}`;
  if (at >= script.chunks) {
    const usage = responsesUsage(script.chunks);
    return event(
      `{"type":"response.completed","sequence_number":${at + 3},"response":${response('completed', usage)}}`,
      'response.completed',
    );
  }
  const delta = event(
    `{"type":"response.output_text.delta","sequence_number":${at + 2},${place},"delta":"${textAt(script, at)}","logprobs":[]}`,
    'response.output_text.delta',
  );
  if (at > 0) return delta;
  return (
    event(
      `{"type":"response.created","sequence_number":0,"response":${response('in_progress', 'null')}}`,
      'response.created',
    ) + delta
  );
}

function geminiEvent(script: Script, at: number): string {
  const last = at >= script.chunks;
  const finish = last ? ',"finishReason":"STOP"' : '';
  const usage = last ? `,"usageMetadata":${geminiUsage(script.chunks)}` : '';
  const parts = `[{"text":"${last ? '' : textAt(script, at)}"}]`;
  return event(
    `{"candidates":[{"content":{"parts":${parts},"role":"model"}${finish},"index":0}]${usage},"modelVersion":"mock","responseId":"${script.nonce}"}`,
  );
}

export function streamEventIn(protocol: MockProtocol, script: Script, at: number): string {
  switch (protocol) {
    case 'messages':
      return messagesEvent(script, at);
    case 'responses':
      return responsesEvent(script, at);
    case 'gemini':
      return geminiEvent(script, at);
  }
}

export function replyIn(protocol: MockProtocol, { nonce }: Script): string {
  const text = `${nonce} ${REPLY_END}`;
  switch (protocol) {
    case 'messages':
      return jsonReply(
        '200 OK',
        `{"id":"msg_${nonce}","type":"message","role":"assistant","model":"mock","content":[{"type":"text","text":"${text}"}],` +
          `"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":${PROMPT_TOKENS},"output_tokens":${REPLY_TOKENS}}}`,
      );
    case 'responses':
      return jsonReply(
        '200 OK',
        `{"id":"resp_${nonce}","object":"response","created_at":1790000000,"status":"completed","model":"mock","output":[` +
          `{"id":"msg_${nonce}","type":"message","role":"assistant","status":"completed",` +
          `"content":[{"type":"output_text","text":"${text}","annotations":[]}]}],` +
          `"usage":${responsesUsage(REPLY_TOKENS)}}`,
      );
    case 'gemini':
      return jsonReply(
        '200 OK',
        `{"candidates":[{"content":{"parts":[{"text":"${text}"}],"role":"model"},"finishReason":"STOP","index":0}],` +
          `"usageMetadata":${geminiUsage(REPLY_TOKENS)},` +
          `"modelVersion":"mock","responseId":"${nonce}"}`,
      );
  }
}
