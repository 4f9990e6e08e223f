// Replies that an upstream keeps, for somebody whom a policy refuses the model by now: not shown, and withdrawn still.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { definePolicy, fromEnvironment, Type } from '../../src/plugin/index.ts';
import { openAiCompatible } from '../../plugins/index.ts';
import { simulatorModel, startTestGateway, testConfig, textField, type TestGateway } from '../support/gateway.ts';
import { startKeepingUpstream, type KeepingUpstream } from './keeping-upstream.ts';

setDefaultTimeout(60_000);

let gateway: TestGateway;
let upstream: KeepingUpstream;

/** Lets everybody in, until it does not. */
let barred = false;
const notBarred = definePolicy({
  name: 'not-barred',
  version: '1.0.0',
  summary: 'Nobody while the gate is shut',
  options: Type.Object({}),
  create: () => ({
    gates: ['use'],
    asks: 'request',
    clauses: ['A1'],
    onFailure: 'deny',
    deadlineMs: 1_000,
    judge: ({ model }) =>
      barred && model === 'closed'
        ? { verdict: 'deny', code: 'policy_refused', clause: 'A1', message: 'Shut.', remedy: '', link: undefined }
        : { verdict: 'allow', obligations: [] },
  }),
});

beforeAll(async () => {
  upstream = startKeepingUpstream('first');
  gateway = await startTestGateway({
    environment: { KEEPING_KEY: 'sk-of-the-house' },
    config: testConfig({
      policies: [notBarred()],
      providers: [openAiCompatible({ chat: ['openai-responses'] })],
      upstreams: [
        {
          name: 'first',
          provider: 'openai-compatible',
          baseUrl: upstream.url,
          addresses: 'any',
          credential: fromEnvironment('KEEPING_KEY'),
        },
      ],
      models: ['closed', 'open'].map((name) => simulatorModel(name, { offers: [{ upstream: 'first' }] })),
    }),
  });
});
afterAll(async () => {
  await gateway.stop();
  upstream.close();
});

async function createdId(model: string, key = gateway.apiKey): Promise<string> {
  const body = { model, input: 'Say hello', max_output_tokens: 50, store: true };
  const answer = await gateway.client('/responses', body, { authorization: `Bearer ${key}` });
  expect(answer.status).toBe(200);
  return textField(await answer.json(), 'id');
}

const ask = (method: string, path: string, key = gateway.apiKey) =>
  fetch(`${gateway.url}/v1/responses/${path}`, { method, headers: { authorization: `Bearer ${key}` } });

test('a kept reply is shown to nobody whom a policy refuses its model, and may be withdrawn all the same', async () => {
  const stranger = (await gateway.fundedKey(1_000_000_000n)).apiKey;
  const [closed, open] = [await createdId('closed'), await createdId('open')];
  const asked = upstream.asked.length;
  barred = true;
  for (const [method, suffix] of [
    ['GET', ''],
    ['GET', '/input_items'],
    // It answers with the whole reply.
    ['POST', '/cancel'],
  ] as const) {
    const answer = await ask(method, `${closed}${suffix}`);
    expect(answer.status).toBe(403);
    expect(await answer.text()).toContain('Shut.');
  }
  // Of others nothing is told, not even that somebody would be refused.
  expect((await ask('GET', closed, stranger)).status).toBe(404);
  expect(upstream.asked.length).toBe(asked);
  expect((await ask('GET', open)).status).toBe(200);
  expect((await ask('DELETE', closed)).status).toBe(200);
});

test('a kept reply is not shown to a key that may not use its model, and may be withdrawn by it', async () => {
  barred = false;
  const owner = await gateway.fundedKey(1_000_000_000n);
  const id = await createdId('closed', owner.apiKey);
  const made = await gateway.admin('POST', '/api-keys', { accountId: owner.accountId, name: 'few', models: ['open'] });
  const key = textField(made.body, 'key');
  for (const suffix of ['', '/input_items']) expect((await ask('GET', `${id}${suffix}`, key)).status).toBe(403);
  expect((await ask('GET', id, owner.apiKey)).status).toBe(200);
  expect((await ask('DELETE', id, key)).status).toBe(200);
});
