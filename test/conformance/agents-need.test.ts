// What Claude Code and Codex need besides an answer: their fields, their counts, their ways to come and to leave. Each
// name begins with its row.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { field } from '../support/gateway.ts';
import { at } from './heard-replies.ts';
import { startScriptedGateway } from './scripted-gateway.ts';
import type { ScriptedGateway } from './scripted-gateway.ts';
import { hello, responsesReply, responsesStream } from './scripted-replies.ts';
import { lossesOf, schema, senders, user } from './sent-requests.ts';

setDefaultTimeout(60_000);

let stage: ScriptedGateway;
let ask: ReturnType<typeof senders>;
beforeAll(async () => {
  stage = await startScriptedGateway();
  ask = senders(stage);
});
afterAll(() => stage.stop());

describe('Claude Code', () => {
  const cached = { cache_control: { type: 'ephemeral' } };
  const billing = 'x-anthropic-billing-header: cc_version=2.1.330.930; cc_entrypoint=sdk-cli;';
  const body = {
    system: [
      { type: 'text', text: billing },
      { type: 'text', text: 'You are an agent.', ...cached },
      { type: 'text', text: 'Be careful.', ...cached },
    ],
    thinking: { type: 'adaptive', display: 'omitted' },
    output_config: { effort: 'high' },
    context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
    tools: [
      {
        name: 'Bash',
        description: 'Runs',
        defer_loading: true,
        input_schema: { $schema: 'https://json-schema.org/draft/2020-12/schema', ...schema },
      },
    ],
    max_tokens: 128_000,
    metadata: { user_id: JSON.stringify({ device_id: 'd1', session_id: 's1' }) },
  };

  test('2b.2 its body reaches Anthropic byte for byte', async () => {
    const { heard, arrived, body: got } = await ask.messages('anthropic', body);
    expect([heard.status, heard.headers.get('x-tollgate-loss')]).toEqual([200, null]);
    expect(got).toMatchObject(body);
    for (const [name, value] of Object.entries(body))
      expect(arrived?.text).toContain(`${JSON.stringify(name)}:${JSON.stringify(value)}`);
  });

  test.each(['chat', 'responses', 'gemini'])(
    '2b.2 at %s its line for the bill is gone, and the rest is carried',
    async (model) => {
      const { heard, arrived } = await ask.messages(model, body);
      expect(heard.status).toBe(200);
      expect(arrived?.text).not.toContain('billing-header');
      for (const text of ['You are an agent.', 'Be careful.', 'Bash']) expect(arrived?.text).toContain(text);
      expect(lossesOf(heard)).toContain('field:context_management');
    },
  );

  const betas = [
    'claude-code-20250219',
    'interleaved-thinking-2025-05-14',
    'context-management-2025-06-27',
    'per-turn-control-2026-07-01',
    'mid-conversation-tool-changes-2026-07-01',
    'thinking-token-count-2026-05-13',
    'advanced-tool-use-2025-11-20',
    'effort-2025-11-24',
  ].join(',');
  test('2b.3 its eight betas reach Anthropic as they came, and nobody else', async () => {
    const own = await ask.messages('anthropic', {}, { 'anthropic-beta': betas });
    expect(own.arrived?.headers.get('anthropic-beta')).toBe(betas);
    const other = await ask.messages('chat', {}, { 'anthropic-beta': betas });
    expect([other.heard.status, other.arrived?.headers.get('anthropic-beta')]).toEqual([200, null]);
  });

  const texts = [
    "role 'system' is not supported in messages",
    "Input should be 'user' or 'assistant'",
    'Unexpected role "system"',
  ];
  test.each(texts)('2b.4 an upstream’s 400 stays one, with the words that it looks for: %s', async (message) => {
    stage.answer({ status: 400, json: { type: 'error', error: { type: 'invalid_request_error', message } } });
    const heard = await stage.ask('/v1/messages?beta=true', {
      body: { model: 'anthropic', messages: hello, max_tokens: 9 },
    });
    expect(heard).toMatchObject({ status: 400, body: { type: 'error', error: { type: 'invalid_request_error' } } });
    expect(at(heard.body, 'error', 'message')).toContain(message);
  });

  test('2b.4 what cannot be carried is a 400 that names the field', async () => {
    const { heard, arrived } = await ask.messages('chat', {
      messages: [user([{ type: 'container_upload', file_id: 'file_1' }])],
    });
    expect([heard.status, arrived, at(heard.body, 'type')]).toEqual([400, undefined, 'error']);
    expect(at(heard.body, 'error', 'message')).toContain('messages');
  });

  test('2b.5 25 counts at once, by a key of one request a minute, with system and tools in them', async () => {
    const { apiKey } = await stage.gateway.fundedKey(1_000_000_000n, {
      limits: { requestsPerMinute: 1, concurrency: 1 },
    });
    const count = (more: object) => {
      const asked = { model: 'chat', messages: hello, ...more };
      return stage.ask('/v1/messages/count_tokens?beta=true', { key: apiKey, body: asked });
    };
    const tools = Array.from({ length: 25 }, (_, index) => ({
      name: `tool_${index}`,
      description: 'Does '.repeat(index + 1),
      input_schema: schema,
    }));
    const heard = await Promise.all(tools.map((tool) => count({ system: body.system, tools: [tool] })));
    expect(heard.map(({ status }) => status)).toEqual(tools.map(() => 200));
    const counts = heard.map((each) => Number(field(each.body, 'input_tokens')));
    const bare = Number(field((await count({})).body, 'input_tokens'));
    expect(Math.min(...counts)).toBeGreaterThan(bare + 10);
    expect(counts.at(-1)).toBeGreaterThan(counts[0] ?? Infinity);
  });

  test('2b.5 Anthropic counts for itself where it serves the model', async () => {
    stage.answer({ json: { input_tokens: 4_711 } });
    const heard = await stage.ask('/v1/messages/count_tokens?beta=true', {
      body: { model: 'anthropic', messages: hello },
    });
    expect([heard.body, stage.last().path]).toMatchObject([{ input_tokens: 4_711 }, '/v1/messages/count_tokens']);
  });

  test('2b.5 a count that the upstream does not serve is still a count', async () => {
    stage.answer({ status: 404, json: { type: 'error', error: { type: 'not_found_error', message: 'No such path' } } });
    const heard = await stage.ask('/v1/messages/count_tokens?beta=true', {
      body: { model: 'anthropic', messages: hello },
    });
    expect(heard.status).toBe(200);
    expect(Number(field(heard.body, 'input_tokens'))).toBeGreaterThan(0);
  });

  test('2b.6 discovery of models: Bearer, its version, a thousand at most', async () => {
    const heard = await stage.ask('/v1/models?limit=1000', {
      method: 'GET',
      headers: { authorization: `Bearer ${stage.gateway.apiKey}`, 'anthropic-version': '2023-06-01' },
    });
    expect(heard).toMatchObject({ status: 200, body: { has_more: false } });
    expect(at(heard.body, 'data', 0)).toMatchObject({
      type: 'model',
      id: expect.any(String),
      display_name: expect.any(String),
    });
  });

  test('2b.7 its session’s name is taken and stays here', async () => {
    const { heard, arrived } = await ask.messages('anthropic', {}, { 'x-claude-code-session-id': 'ea5ba71c-4638' });
    expect([heard.status, arrived?.headers.get('x-claude-code-session-id')]).toEqual([200, null]);
  });
});

describe('Codex', () => {
  const headers = {
    originator: 'codex_exec',
    'session-id': '01a20043-4638-78d3-8642-55bbd1ed7717',
    'thread-id': '01a20043-4638-78d3-8642-55bbd1ed7717',
    'x-client-request-id': '01a20043-4638-78d3-8642-55bbd1ed7717',
    'x-codex-turn-metadata': JSON.stringify({ installation_id: 'd8c74ec2'.repeat(120) }),
  };
  const body = {
    store: false,
    include: ['reasoning.encrypted_content'],
    prompt_cache_key: 'k1',
    client_metadata: { turn_id: 't1' },
    parallel_tool_calls: true,
    tool_choice: 'auto',
    reasoning: { summary: 'auto' },
    tools: [{ type: 'function', name: 'exec_command', strict: false, parameters: schema }],
    input: [
      { type: 'message', id: 'msg_1', role: 'developer', content: [{ type: 'input_text', text: 'Be careful.' }] },
      { type: 'message', id: 'msg_2', role: 'user', content: [{ type: 'input_text', text: 'run echo' }] },
      {
        type: 'reasoning',
        id: 'rs_1',
        summary: [{ type: 'summary_text', text: 'Hm' }],
        content: null,
        encrypted_content: 'gAAAA',
      },
      {
        type: 'function_call',
        status: 'completed',
        id: 'fc_1',
        name: 'exec_command',
        arguments: '{}',
        call_id: 'call_1',
      },
      { type: 'function_call_output', id: 'fco_1', call_id: 'call_1', output: 'one' },
    ],
  };

  test('2c.2 its websocket is refused with 426, its beta and key notwithstanding; the same by HTTP is served', async () => {
    const socket = {
      ...headers,
      'openai-beta': 'responses_websockets=2026-02-06',
      connection: 'Upgrade',
      upgrade: 'websocket',
    };
    const refused = await stage.ask('/v1/responses', {
      method: 'GET',
      headers: {
        ...socket,
        authorization: `Bearer ${stage.gateway.apiKey}`,
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      },
    });
    expect(refused.status).toBe(426);
    stage.answer({ json: responsesReply({ input_tokens: 5, output_tokens: 1, total_tokens: 6 }) });
    const served = await stage.ask('/v1/responses', { body: { model: 'responses', ...body }, headers });
    expect([served.status, stage.last().body]).toEqual([200, expect.objectContaining(body)]);
  });

  test.each(['chat', 'anthropic', 'gemini'])('2c.3 what it replays is carried to %s', async (model) => {
    const { heard, arrived } = await ask.responses(model, body);
    expect(heard.status).toBe(200);
    for (const text of ['Be careful.', 'run echo', 'exec_command', 'one']) expect(arrived?.text).toContain(text);
    expect(arrived?.text).not.toContain('gAAAA');
  });

  test('2c.4 leaving without a goodbye is no error in the log', async () => {
    const left = new AbortController();
    stage.answer({
      stream: [responsesStream('completed', {}).slice(0, 400), ...Array.from({ length: 400 }, () => ': wait\n\n')],
    });
    const lines = stage.gateway.log.length;
    const answer = await fetch(`${stage.gateway.url}/v1/responses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${stage.gateway.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'responses', input: 'Hi', stream: true }),
      signal: left.signal,
    });
    const id = answer.headers.get('x-request-id') ?? 'none';
    left.abort();
    const until = Date.now() + 5_000;
    let outcome: unknown;
    while (outcome === undefined && Date.now() < until) {
      outcome = (await stage.gateway.admin('GET', `/usage/${id}`)).body['outcome'];
      await Bun.sleep(5);
    }
    expect(outcome).toBe('client-left');
    expect(stage.gateway.log.slice(lines).filter((line) => /error|warn/i.test(line))).toEqual([]);
  });
});
