// Apps whose functions have names that the vendor refuses: through the gateway they call them all the same, whole and
// streamed, and an app that speaks the vendor's own protocol is refused by the vendor as before.

import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { openAiCompatible } from '../../plugins/index.ts';
import { fromEnvironment } from '../../src/plugin/index.ts';
import { field, simulatorModel, startTestGateway, testConfig, type TestGateway } from '../support/gateway.ts';

setDefaultTimeout(60_000);

const long = `mcp__the_calendar_of_the_whole_company__create_an_event_with_guests_and_a_room_${'x'.repeat(40)}`;
const dotted = 'caldav.create-event';

let gateway: TestGateway;
let vendor: ReturnType<typeof Bun.serve>;
/** Names that the vendor was offered. */
const offered: string[] = [];

const usage = { prompt_tokens: 9, completion_tokens: 9, total_tokens: 18 };

/** Calls the first function that it is offered, if its name is one. */
function answerTo(body: unknown): Response {
  const tools = field(body, 'tools');
  const name = String(field(Array.isArray(tools) ? tools[0] : undefined, 'function', 'name'));
  offered.push(name);
  if (!/^[a-zA-Z0-9_-]{1,64}$/.test(name)) {
    const message = `Invalid 'tools[0].function.name': '${name}' does not match the pattern.`;
    return Response.json({ error: { message, type: 'invalid_request_error', code: null } }, { status: 400 });
  }
  const call = { index: 0, id: 'call_1', type: 'function', function: { name, arguments: '{"day":"monday"}' } };
  const head = { id: 'chatcmpl-1', created: 1, model: 'm' };
  const end = { index: 0, finish_reason: 'tool_calls' };
  if (field(body, 'stream') !== true)
    return Response.json({ ...head, choices: [{ ...end, message: { role: 'assistant', tool_calls: [call] } }], usage });
  const events = [
    { ...head, choices: [{ index: 0, delta: { role: 'assistant', tool_calls: [call] } }] },
    { ...head, choices: [{ ...end, delta: {} }] },
    { ...head, choices: [], usage },
  ].map((event) => `data: ${JSON.stringify(event)}\n\n`);
  return new Response(`${events.join('')}data: [DONE]\n\n`, { headers: { 'content-type': 'text/event-stream' } });
}

beforeAll(async () => {
  vendor = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: async (request) => answerTo(await request.json()),
  });
  gateway = await startTestGateway({
    environment: { VENDOR_KEY: 'sk-of-the-house-alone-4711' },
    config: testConfig({
      providers: [openAiCompatible()],
      upstreams: [
        {
          name: 'vendor',
          provider: 'openai-compatible',
          baseUrl: `http://127.0.0.1:${vendor.port}/v1`,
          addresses: 'any',
          credential: fromEnvironment('VENDOR_KEY'),
        },
      ],
      models: [simulatorModel('m', { operations: ['chat'], offers: [{ upstream: 'vendor' }] })],
    }),
  });
});
afterAll(async () => {
  await gateway.stop();
  await vendor.stop(true);
});

test("Anthropic's library calls a function whose name is as long as MCP allows", async () => {
  const client = new Anthropic({ baseURL: gateway.url, apiKey: gateway.apiKey, maxRetries: 0 });
  const request: Anthropic.MessageCreateParamsNonStreaming = {
    model: 'm',
    max_tokens: 100,
    messages: [{ role: 'user', content: 'Monday?' }],
    tools: [{ name: long, input_schema: { type: 'object' } }],
    tool_choice: { type: 'tool', name: long },
  };
  const called = { type: 'tool_use', name: long, input: { day: 'monday' } };
  expect((await client.messages.create(request)).content).toMatchObject([called]);
  expect((await client.messages.stream(request).finalMessage()).content).toMatchObject([called]);
  expect(offered.at(-1)).toBe(offered.at(-2));
});

test("Google's library calls a function with a dot in its name", async () => {
  const client = new GoogleGenAI({ apiKey: gateway.apiKey, httpOptions: { baseUrl: gateway.url } });
  const request = {
    model: 'm',
    contents: 'Monday?',
    config: { tools: [{ functionDeclarations: [{ name: dotted }] }] },
  };
  const called = { name: dotted, args: { day: 'monday' } };
  expect((await client.models.generateContent(request)).functionCalls).toMatchObject([called]);
  const calls: unknown[] = [];
  for await (const chunk of await client.models.generateContentStream(request))
    calls.push(...(chunk.functionCalls ?? []));
  expect(calls).toMatchObject([called]);
});

test("in the vendor's own protocol the name goes on as it came", async () => {
  const response = await gateway.client('/chat/completions', {
    model: 'm',
    messages: [{ role: 'user', content: 'Monday?' }],
    tools: [{ type: 'function', function: { name: dotted } }],
  });
  expect(response.status).toBe(400);
  expect(offered.at(-1)).toBe(dotted);
});
