// Settings that other protocols do not have, or have otherwise, and calls beside the completion. Each name begins with
// its row of the table of hard cases.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { field } from '../support/gateway.ts';
import { at } from './heard-replies.ts';
import { startScriptedGateway } from './scripted-gateway.ts';
import type { ScriptedGateway } from './scripted-gateway.ts';
import { hello } from './scripted-replies.ts';
import { chatTool, lossesOf, schema, senders, user } from './sent-requests.ts';

setDefaultTimeout(60_000);

let stage: ScriptedGateway;
let ask: ReturnType<typeof senders>;
beforeAll(async () => {
  stage = await startScriptedGateway();
  ask = senders(stage);
});
afterAll(() => stage.stop());

describe('settings', () => {
  test('6A.12 context_management, betas and unknown fields: as they came to Anthropic', async () => {
    const own = { context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] }, brand_new: [1] };
    const beta = 'claude-code-20250219,per-turn-control-2026-07-01';
    const { body, arrived } = await ask.messages('anthropic', own, { 'anthropic-beta': beta });
    expect(body).toMatchObject(own);
    expect(arrived?.headers.get('anthropic-beta')).toBe(beta);
    for (const model of ['chat', 'gemini', 'responses']) {
      const crossed = await ask.messages(model, own, { 'anthropic-beta': beta });
      expect(crossed.heard.status).toBe(200);
      expect(crossed.arrived?.text).not.toMatch(/context_management|brand_new/);
      expect(crossed.arrived?.headers.get('anthropic-beta')).toBeNull();
      expect(lossesOf(crossed.heard)).toEqual(expect.arrayContaining(['field:context_management', 'field:brand_new']));
    }
  });

  test('6A.16 schemas of any JSON Schema reach Gemini where it takes them', async () => {
    const odd = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: { n: { type: 'number', exclusiveMinimum: 0 }, kind: { const: 'a' } },
      additionalProperties: false,
    };
    const fromChat = await ask.chat('gemini', {
      tools: [{ type: 'function', function: { name: 'find', parameters: odd } }],
    });
    const fromMessages = await ask.messages('gemini', { tools: [{ name: 'find', input_schema: odd }] });
    for (const { body } of [fromChat, fromMessages]) {
      const declared = at(body, 'tools', 0, 'functionDeclarations', 0);
      expect(field(declared, 'parametersJsonSchema')).toEqual(odd);
      expect(field(declared, 'parameters')).toBeUndefined();
    }
  });

  test('6A.17 developer and max_completion_tokens are said in DeepSeek’s words, and no temperature is added', async () => {
    const { body } = await ask.chat('deepseek', {
      messages: [{ role: 'developer', content: 'Be kind.' }, ...hello],
      max_completion_tokens: 50,
    });
    expect(body).toMatchObject({ messages: [{ role: 'system' }, { role: 'user' }], max_tokens: 50 });
    expect(Object.keys(Object(body))).not.toContain('max_completion_tokens');
    const own = await ask.messages('chat', {});
    expect(own.body).toMatchObject({ max_completion_tokens: 5_000 });
    expect(own.arrived?.text).not.toContain('temperature');
  });

  const withoutCounterpart = [
    ['n', 'anthropic', { n: 2 }],
    ['audio', 'anthropic', { modalities: ['text', 'audio'], audio: { voice: 'alloy', format: 'wav' } }],
    ['a web search', 'gemini', { web_search_options: {} }],
    ['a file of the vendor’s', 'anthropic', { messages: [user([{ type: 'file', file: { file_id: 'file_1' } }])] }],
  ] as const;
  test.each(withoutCounterpart)(
    '6A.28 without a counterpart: %s is refused by name at %s',
    async (_name, model, asked) => {
      const { heard, arrived } = await ask.chat(model, asked);
      expect([heard.status, arrived]).toEqual([400, undefined]);
      expect(String(at(heard.body, 'error', 'message'))).toMatch(
        /^(?:n|modalities|audio|messages|web_search_options):/,
      );
    },
  );

  const left = [
    ['logprobs', { logprobs: true, top_logprobs: 2 }],
    ['service-tier', { service_tier: 'priority' }],
    ['tool:web_search', { tools: [chatTool, { type: 'web_search', web_search: {} }] }],
  ] as const;
  test.each(left)('6A.28 without a counterpart: %s is left out and named', async (name, asked) => {
    const { heard, arrived } = await ask.chat('anthropic', asked);
    expect([heard.status, arrived !== undefined]).toEqual([200, true]);
    expect(lossesOf(heard)).toContain(name);
  });

  test('6A.28 without a counterpart: a batch has no path here, and says so in the client’s form', async () => {
    const heard = await stage.ask('/v1/messages/batches', { body: { requests: [] } });
    expect([heard.status, heard.body]).toMatchObject([404, { type: 'error', error: { type: 'not_found_error' } }]);
    expect((await stage.ask('/v1/batches', { body: {} })).body).toMatchObject({ error: { code: 'not_found' } });
  });
});

describe('beside the completion', () => {
  test('6A.25 count_tokens: system and tools count, for a key without money, and nothing is generated', async () => {
    const { apiKey } = await stage.gateway.fundedKey(0n);
    const before = stage.arrived.length;
    const count = async (more: object) => {
      const heard = await stage.ask('/v1/messages/count_tokens?beta=true', {
        key: apiKey,
        body: { model: 'chat', messages: hello, ...more },
      });
      expect(heard.status).toBe(200);
      return Number(field(heard.body, 'input_tokens'));
    };
    const bare = await count({});
    expect(await count({ system: 'Be very brief, and be kind.' })).toBeGreaterThan(bare + 3);
    expect(
      await count({ tools: [{ name: 'find', description: 'Finds a city', input_schema: schema }] }),
    ).toBeGreaterThan(bare + 5);
    expect(stage.arrived).toHaveLength(before);
  });

  test('6A.26 Codex’s websocket is told at once to come by HTTP', async () => {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'a2V5a2V5a2V5a2V5a2V5a2U=',
    };
    const heard = await stage.ask('/v1/responses', { method: 'GET', headers });
    expect([heard.status, field(heard.body, 'error', 'code')]).toEqual([426, 'upgrade_required']);
  });
});
