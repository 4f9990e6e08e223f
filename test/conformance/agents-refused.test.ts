// How Claude Code, Codex, Gemini CLI and opencode are refused: at once and for good where trying again is of no use,
// and with the time to wait where it is. Each name begins with its row, which is one of replies.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { field } from '../support/gateway.ts';
import { at, list } from './heard-replies.ts';
import { startScriptedGateway } from './scripted-gateway.ts';
import type { Heard, ScriptedGateway } from './scripted-gateway.ts';
import { hello } from './scripted-replies.ts';

setDefaultTimeout(60_000);

let stage: ScriptedGateway;
beforeAll(async () => {
  stage = await startScriptedGateway();
});
afterAll(() => stage.stop());

interface Client {
  /** The upstream of its own protocol. */
  readonly own: string;
  path(model: string): string;
  body(model: string): object;
  /** An error that it can read. */
  readonly error: object;
}
const text = expect.any(String);
const openAiError = { error: { message: text, type: text, code: text } };
const clients: Readonly<Record<string, Client>> = {
  'Claude Code': {
    own: 'anthropic',
    path: () => '/v1/messages?beta=true',
    body: (model) => ({ model, messages: hello, max_tokens: 500, stream: true }),
    error: { type: 'error', error: { type: text, message: text } },
  },
  Codex: {
    own: 'responses',
    path: () => '/v1/responses',
    body: (model) => ({ model, input: 'Hello', stream: true }),
    error: openAiError,
  },
  'Gemini CLI': {
    own: 'gemini',
    path: (model) => `/v1beta/models/${model}:streamGenerateContent?alt=sse`,
    body: () => ({ contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] }),
    error: { error: { code: expect.any(Number), status: text, message: text } },
  },
  opencode: {
    own: 'chat',
    path: () => '/v1/chat/completions',
    body: (model) => ({ model, messages: hello, stream: true }),
    error: openAiError,
  },
};
const each = Object.entries(clients);

const call = (client: Client, key?: string, model = client.own): Promise<Heard> =>
  stage.ask(client.path(model), { body: client.body(model), ...(key === undefined ? {} : { key }) });

const waitOf = (heard: Heard): unknown => {
  const details = list(at(heard.body, 'error'), 'details');
  return field(
    details.find((detail) => String(field(detail, '@type')).endsWith('RetryInfo')),
    'retryDelay',
  );
};

const outOf: readonly (readonly [what: string, amountNano: bigint, key: Record<string, unknown>])[] = [
  ['money', 0n, {}],
  ['its budget', 1_000_000_000n, { budgets: { day: { capNano: '1' } } }],
];
const ends = each.flatMap(([name, client]) =>
  outOf.map(([what, amount, key]) => [name, what, client, amount, key] as const),
);

test.each(ends)(
  '2d.3 %s out of %s: 429, not to be tried again, in its own form',
  async (name, _what, client, amount, more) => {
    const { apiKey } = await stage.gateway.fundedKey(amount, more);
    const before = stage.arrived.length;
    const heard = await call(client, apiKey);
    const { headers, status } = heard;
    expect([status, headers.get('x-should-retry'), headers.get('retry-after')]).toEqual([429, 'false', null]);
    // It knows no x-should-retry, and gives up where it is told to wait for long.
    if (name === 'Gemini CLI') expect(waitOf(heard)).toBe('86400s');
    expect(heard.body).toMatchObject(client.error);
    expect(stage.arrived).toHaveLength(before);
  },
);

test.each(each)(
  '2d.1 and 2d.2 %s above its rate: 429 with the time to wait, and to be tried again',
  async (name, client) => {
    const { apiKey } = await stage.gateway.fundedKey(1_000_000_000_000n, { limits: { requestsPerMinute: 1 } });
    stage.answer({ status: 400, json: { error: { message: 'no' } } });
    await call(client, apiKey);
    const heard = await call(client, apiKey);
    expect([heard.status, heard.headers.get('x-should-retry')]).toEqual([429, null]);
    expect(Number(heard.headers.get('retry-after'))).toBeGreaterThan(0);
    if (name === 'Gemini CLI') expect(waitOf(heard)).toMatch(/^\d+s$/);
    expect(heard.body).toMatchObject(client.error);
  },
);

describe('what an upstream answers', () => {
  const message = 'Your key sk-of-the-house is no good';
  // 402 makes Codex try six times; 401 and 403 would speak of the client's own key.
  const houses = each.flatMap(([name, client]) => [401, 402, 403].map((status) => [name, status, client] as const));
  test.each(houses)('2d.4 and 2d.5 %s never hears the house’s own %d', async (_name, status, client) => {
    stage.answer({ status, json: { error: { message, type: 'x', code: status } } });
    const heard = await call(client);
    expect(heard.status).toBeGreaterThanOrEqual(500);
    expect(heard.text).not.toContain('sk-of-the-house');
    expect(heard.body).toMatchObject(client.error);
  });

  test.each(each)(
    '2d.6 %s hears a 400 where the request is at fault, from whichever upstream',
    async (_name, client) => {
      const error = {
        message: 'temperature: too hot',
        type: 'invalid_request_error',
        code: 'bad',
        status: 'INVALID_ARGUMENT',
      };
      stage.answer({ status: 400, json: { type: 'error', error } });
      for (const model of ['chat', 'responses', 'anthropic', 'gemini']) {
        const heard = await call(client, undefined, model);
        expect([model, heard.status, heard.headers.get('retry-after')]).toEqual([model, 400, null]);
        expect(at(heard.body, 'error', 'message')).toContain('too hot');
      }
    },
  );

  test.each(each)('2d.7 %s hears of an upstream that fails as of a thing to be tried again', async (_name, client) => {
    stage.answer({ status: 500, json: { error: { message: 'Oh', type: 'server_error' } } });
    const heard = await call(client);
    expect([heard.status >= 500, heard.headers.get('x-should-retry')]).toEqual([true, null]);
    expect(heard.body).toMatchObject(client.error);
  });
});
