// What vendors state of usage, each by a rule of its own, and what it comes to: the parts on the record, and the
// charge, which is the price times the parts and nothing else. Each name begins with its row of the table.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { chatBody, leavingClient, newestRecord, piecesIn, startStage } from '../pipeline/stage.ts';
import { field } from '../support/gateway.ts';
import { namedEvents, plainEvents, rates, startScriptedGateway } from './scripted-gateway.ts';
import type { Heard, ScriptedGateway } from './scripted-gateway.ts';
import {
  chatReply,
  chatStream,
  chunk,
  ends,
  geminiReply,
  hello,
  messagesReply,
  responsesReply,
  responsesStream,
  says,
} from './scripted-replies.ts';
import { cacheBlock, chatCases, geminiCases, messagesCases, responsesBlock, xaiBlock } from './usage-cases.ts';
import type { Parts, UsageCase } from './usage-cases.ts';

setDefaultTimeout(60_000);

let stage: ScriptedGateway;
beforeAll(async () => {
  stage = await startScriptedGateway();
});
afterAll(() => stage.stop());

const chargeOf = (parts: Parts): string => {
  const pico = Object.entries(rates).reduce(
    (sum, [part, rate]) => sum + BigInt(Number(field(parts, part) ?? 0)) * rate,
    0n,
  );
  return ((pico + 999n) / 1_000n).toString();
};

async function expectCharged(heard: Heard, parts: Parts, flags: readonly string[] = []): Promise<void> {
  expect(heard.status).toBe(200);
  const record = await stage.recordOf(heard);
  const counted = Object.entries(field(record, 'usage') ?? {}).filter(([, count]) => count !== 0 && count !== '0');
  expect(Object.fromEntries(counted)).toEqual(parts);
  expect(record).toMatchObject({ usageSource: 'upstream', chargeNano: chargeOf(parts), lossNano: '0' });
  expect(field(record, 'flags') ?? []).toEqual(flags);
}

const askChat = (model: string, stream: boolean) =>
  stage.ask('/v1/chat/completions', { body: { model, messages: hello, stream } });

async function inChat({ model, usage, parts, flags }: UsageCase): Promise<void> {
  stage.answer({ json: chatReply(usage) });
  await expectCharged(await askChat(model, false), parts, flags);
  stage.answer({ stream: [chatStream(usage)] });
  await expectCharged(await askChat(model, true), parts, flags);
}

async function inResponses({ model, usage, parts, flags }: UsageCase): Promise<void> {
  const body = { model, input: 'Hello' };
  stage.answer({ json: responsesReply(usage) });
  await expectCharged(await stage.ask('/v1/responses', { body }), parts, flags);
  stage.answer({ stream: [responsesStream('completed', usage)] });
  await expectCharged(await stage.ask('/v1/responses', { body: { ...body, stream: true } }), parts, flags);
}
async function inMessages({ model, usage, parts, flags }: UsageCase): Promise<void> {
  const body = { model, messages: hello, max_tokens: 100 };
  stage.answer({ json: messagesReply(usage) });
  await expectCharged(await stage.ask('/v1/messages', { body }), parts, flags);
}

async function inGemini({ model, usage, parts, flags }: UsageCase): Promise<void> {
  const body = { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] };
  stage.answer({ json: geminiReply(usage) });
  await expectCharged(await stage.ask(`/v1beta/models/${model}:generateContent`, { body }), parts, flags);
  stage.answer({ stream: [plainEvents(geminiReply(usage))] });
  const streamed = await stage.ask(`/v1beta/models/${model}:streamGenerateContent?alt=sse`, { body });
  await expectCharged(streamed, parts, flags);
}

describe('OpenAI’s form, by the vendor', () => {
  test.each(chatCases.map((each) => [each.name, each] as const))('%s', (_name, each) => inChat(each));

  test('6B.1 while xAI’s responses hold it within', () =>
    inResponses({
      name: '',
      model: 'xai',
      usage: responsesBlock(0, 271),
      parts: { input: 331, output: 11, reasoning: 271 },
    }));

  test('6B.8 cached tokens and reasoning of responses are within their wholes', () =>
    inResponses({
      name: '',
      model: 'responses',
      usage: responsesBlock(300, 200),
      parts: { input: 31, cacheRead: 300, output: 82, reasoning: 200 },
    }));

  test('6B.1 a client of another protocol is told what it is charged', async () => {
    stage.answer({ json: chatReply(xaiBlock) });
    const heard = await stage.ask('/v1/messages', { body: { model: 'xai', messages: hello, max_tokens: 900 } });
    expect(field(heard.body, 'usage')).toMatchObject({ input_tokens: 331, output_tokens: 282 });
    await expectCharged(heard, { input: 331, output: 11, reasoning: 271 });
  });
});

describe('Gemini’s form', () => {
  test.each(geminiCases.map((each) => [each.name, each] as const))('%s', (_name, each) => inGemini(each));

  test('6B.3 as a client of chat is told it: all that was produced in one count', async () => {
    stage.answer({ json: geminiReply(geminiCases[0]?.usage ?? {}) });
    const heard = await askChat('gemini', false);
    expect(field(heard.body, 'usage')).toMatchObject({
      prompt_tokens: 140,
      completion_tokens: 320,
      total_tokens: 460,
      completion_tokens_details: { reasoning_tokens: 300 },
    });
  });
});

describe('Anthropic’s form', () => {
  test.each(messagesCases.map((each) => [each.name, each] as const))('%s', (_name, each) => inMessages(each));

  test('6B.9 message_delta repeats the usage so far: it replaces, and adds nothing', async () => {
    const start = { ...messagesReply({ ...cacheBlock, output_tokens: 1 }), content: [], stop_reason: null };
    const delta = (output: number, stop: string | null) => ({
      type: 'message_delta',
      delta: { stop_reason: stop, stop_sequence: null },
      usage: { ...cacheBlock, output_tokens: output },
    });
    const stream = namedEvents(
      { type: 'message_start', message: start },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } },
      { type: 'content_block_stop', index: 0 },
      delta(20, null),
      delta(30, 'end_turn'),
      { type: 'message_stop' },
    );
    const parts = { input: 10, cacheRead: 2_000, cacheWrite5m: 500, cacheWrite1h: 200, output: 30 };
    stage.answer({ stream: [stream] });
    const body = { model: 'anthropic', messages: hello, max_tokens: 100, stream: true };
    await expectCharged(await stage.ask('/v1/messages', { body }), parts);
    const crossed = await askChat('anthropic', true);
    await expectCharged(crossed, parts);
  });
});

describe('where it stands in a stream', () => {
  const block = { prompt_tokens: 30, completion_tokens: 4, total_tokens: 34 };
  const parts = { input: 30, output: 4 };
  const places: Readonly<Record<string, string>> = {
    'in an event of its own behind the finish reason': chatStream(block),
    'beside the last choices': plainEvents(
      chunk({ choices: [says] }),
      chunk({ choices: [ends], usage: block }),
      '[DONE]',
    ),
    'null on every event but one': plainEvents(
      chunk({ choices: [says], usage: null }),
      chunk({ choices: [ends], usage: null }),
      chunk({ choices: [], usage: block }),
      '[DONE]',
    ),
    'growing on every event': plainEvents(
      chunk({ choices: [says], usage: { prompt_tokens: 30, completion_tokens: 1, total_tokens: 31 } }),
      chunk({ choices: [ends], usage: block }),
      '[DONE]',
    ),
    'in x_groq alone': plainEvents(
      chunk({ choices: [says], x_groq: { id: 'req_1' } }),
      chunk({ choices: [ends], x_groq: { id: 'req_1', usage: { queue_time: 0.2, ...block } } }),
      '[DONE]',
    ),
  };
  test.each(Object.entries(places))('6B.11 usage %s', async (place, stream) => {
    stage.answer({ stream: [stream] });
    const model = place.includes('groq') ? 'groq' : 'chat';
    await expectCharged(await askChat(model, true), parts);
    const crossed = { model, messages: hello, max_tokens: 100, stream: true };
    await expectCharged(await stage.ask('/v1/messages', { body: crossed }), parts);
  });

  test.each(['incomplete', 'failed'])('6B.13 response.%s has its usage read', async (status) => {
    const usage = { input_tokens: 30, output_tokens: 4, total_tokens: 34 };
    stage.answer({ stream: [responsesStream(status, usage)] });
    const heard = await stage.ask('/v1/responses', { body: { model: 'responses', input: 'Hello', stream: true } });
    await expectCharged(heard, parts);
  });
});

const leaving = [
  ['let go: what came is charged by its text', 'cancel', { usageSource: 'estimated', usage: { output: 1 } }],
  ['drained: the usage that still comes is charged', 'drain', { usageSource: 'upstream', usage: { output: 6 } }],
] as const;

describe('a client that leaves before the usage', () => {
  test.each(leaving)('6B.12 an upstream is %s', async (_name, onClientLeaving, expected) => {
    const { gateway, stop } = await startStage({ upstream: { onClientLeaving } });
    const client = leavingClient(gateway, chatBody('[[sim: chunks=6 gap=300]] x', { stream: true }));
    await client.until((raw) => piecesIn(raw) >= 1);
    client.socket.destroy();
    const record = await newestRecord(gateway, 1);
    expect(record).toMatchObject({ outcome: 'client-left', ...expected });
    expect(Number(field(record, 'usage', 'input'))).toBeGreaterThan(0);
    expect(Number(record['chargeNano'])).toBeGreaterThan(0);
    await stop();
  });
});
