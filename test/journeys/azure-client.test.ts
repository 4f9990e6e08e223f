// Azure's clients: the official one, unmodified, whose deployment in the path is the model and whose key stands in
// `api-key`; and Azure as an upstream that keeps replies, whose api-version goes with every call.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { AzureOpenAI } from 'openai';
import { azureOpenAi, simulator } from '../../plugins/index.ts';
import { fromEnvironment } from '../../src/plugin/index.ts';
import { newestRecord, openHolds } from '../pipeline/stage.ts';
import {
  field,
  simulatorModel,
  startTestGateway,
  testConfig,
  textField,
  type TestGateway,
} from '../support/gateway.ts';
import { startKeepingUpstream, type KeepingUpstream } from './keeping-upstream.ts';

setDefaultTimeout(60_000);

const apiVersion = '2025-04-01-preview';
const credential = 'azure-key-of-the-house-4711';
const say = (content: string) => [{ role: 'user' as const, content }];

let gateway: TestGateway;
let keeping: KeepingUpstream;
let sent: string[] = [];

beforeAll(async () => {
  keeping = startKeepingUpstream('azure');
  gateway = await startTestGateway({
    environment: { AZURE_KEY: credential },
    config: testConfig({
      providers: [simulator(), azureOpenAi({ apiVersion: '2025-03-01-preview' })],
      upstreams: [
        { name: 'simulator', provider: 'simulator', baseUrl: 'simulator:', addresses: 'any' },
        {
          name: 'azure',
          provider: 'azure-openai',
          baseUrl: keeping.url,
          addresses: 'any',
          credential: fromEnvironment('AZURE_KEY'),
        },
      ],
      models: [
        simulatorModel('sim/fast'),
        simulatorModel('plain', { offers: [{ upstream: 'simulator', model: 'sim/fast' }] }),
        simulatorModel('sim/embed', { operations: ['embeddings'], contextTokens: 8_192, outputTokensMax: 0 }),
        simulatorModel('kept', { operations: ['chat'], offers: [{ upstream: 'azure', model: 'deployed' }] }),
      ],
    }),
  });
});
afterAll(async () => {
  await gateway.stop();
  keeping.close();
});

const clientWith = (apiKey: string, more: { readonly deployment?: string } = {}) =>
  new AzureOpenAI({
    apiKey,
    apiVersion,
    endpoint: gateway.url,
    maxRetries: 0,
    ...more,
    fetch: (input, init) => {
      sent.push(input instanceof Request ? input.url : String(input));
      const headers = new Headers(init?.headers);
      expect(headers.get('api-key')).toBe(apiKey);
      expect(headers.get('authorization')).toBeNull();
      return fetch(input, init);
    },
  });

async function refusalOf(call: PromiseLike<unknown>): Promise<InstanceType<typeof AzureOpenAI.APIError>> {
  try {
    await call;
  } catch (error) {
    if (error instanceof AzureOpenAI.APIError) return error;
    throw error;
  }
  throw new Error('was not refused');
}

describe('the official client', () => {
  test.each([
    ['plain', '/openai/deployments/plain/'],
    ['sim/fast', '/openai/deployments/sim%2Ffast/'],
  ])('has %s answer whole and streamed, and charged', async (model, path) => {
    const { apiKey, accountId } = await gateway.fundedKey(1_000_000_000n);
    const client = clientWith(apiKey);
    sent = [];
    const whole = await client.chat.completions.create({ model, messages: say('Hello there'), max_tokens: 20 });
    expect(sent).toEqual([`${gateway.url}${path}chat/completions?api-version=${apiVersion}`]);
    expect(whole.choices[0]?.finish_reason).toBe('stop');
    const text = whole.choices[0]?.message.content ?? '';
    expect(text).not.toBe('');
    const record = await newestRecord(gateway, 1, accountId);
    expect(record).toMatchObject({ model, protocol: 'openai-chat', stream: false, outcome: 'finished' });
    expect(BigInt(textField(record, 'chargeNano'))).toBeGreaterThan(0n);

    const stream = await client.chat.completions.create({
      model,
      messages: say('Hello there'),
      max_tokens: 20,
      stream: true,
      stream_options: { include_usage: true },
    });
    let streamed = '';
    let total: number | undefined;
    for await (const chunk of stream) {
      streamed += chunk.choices[0]?.delta.content ?? '';
      total = chunk.usage?.total_tokens ?? total;
    }
    expect(streamed).toBe(text);
    expect(total).toBe(whole.usage?.total_tokens);
    const second = await newestRecord(gateway, 2, accountId);
    expect(second).toMatchObject({ model, stream: true, outcome: 'finished', chargeNano: record['chargeNano'] });
    expect(openHolds(gateway)).toBe(0);
  });

  test('has the deployment of its settings answer, whatever the body says', async () => {
    const client = clientWith(gateway.apiKey, { deployment: 'plain' });
    const whole = await client.chat.completions.create({ model: 'nobody', messages: say('Hi'), max_tokens: 20 });
    expect(whole.choices[0]?.message.content).not.toBe('');
  });

  test('gets embeddings', async () => {
    const { data } = await clientWith(gateway.apiKey).embeddings.create({ model: 'sim/embed', input: ['a', 'b'] });
    expect(data.map(({ index }) => index)).toEqual([0, 1]);
  });

  test('makes a response beside the deployments, whole and streamed', async () => {
    const azure = clientWith(gateway.apiKey);
    const whole = await azure.responses.create({ model: 'plain', input: 'Hi' });
    expect(whole.output_text).not.toBe('');
    const types: string[] = [];
    for await (const { type } of await azure.responses.create({ model: 'plain', input: 'Hi', stream: true }))
      types.push(type);
    expect(types.at(-1)).toBe('response.completed');
    expect(sent.at(-1)).toBe(`${gateway.url}/openai/responses?api-version=${apiVersion}`);
  });

  test('lists models, and finds one, under its own path', async () => {
    sent = [];
    const { data } = await clientWith(gateway.apiKey).models.list();
    expect(data.map(({ id }) => id)).toEqual(['kept', 'plain', 'sim/embed', 'sim/fast']);
    expect((await clientWith(gateway.apiKey).models.retrieve('sim/fast')).id).toBe('sim/fast');
    const query = `?api-version=${apiVersion}`;
    expect(sent).toEqual([`${gateway.url}/openai/models${query}`, `${gateway.url}/openai/models/sim%2Ffast${query}`]);
    expect(await refusalOf(clientWith('tg_nobody').models.list())).toMatchObject({ status: 401 });
  });

  test('reads refusals in OpenAI’s form', async () => {
    const client = clientWith(gateway.apiKey);
    const unknown = await refusalOf(client.chat.completions.create({ model: 'nobody', messages: say('Hi') }));
    expect(unknown).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
    const nobody = clientWith('tg_nobody').chat.completions.create({ model: 'plain', messages: say('Hi') });
    expect(await refusalOf(nobody)).toMatchObject({ status: 401 });
  });
});

test('a path of Azure’s that is not served is refused in OpenAI’s form', async () => {
  for (const path of ['plain/images/generations', 'plain/chat', 'a/b/chat/completions', '/chat/completions']) {
    const answer = await fetch(`${gateway.url}/openai/deployments/${path}?api-version=${apiVersion}`, {
      method: 'POST',
      headers: { 'api-key': gateway.apiKey, 'content-type': 'application/json' },
      body: JSON.stringify({ messages: say('Hi') }),
    });
    expect(answer.status).toBe(404);
    expect(field(await answer.json(), 'error', 'code')).toBe('not_found');
  }
});

test('a reply that Azure keeps is asked for with its api-version, and with its key', async () => {
  const answer = await gateway.client('/responses', { model: 'kept', input: 'Hi', store: true, max_output_tokens: 20 });
  const id = textField(await answer.json(), 'id');
  const read = await fetch(`${gateway.url}/v1/responses/${id}/input_items?limit=3`, {
    headers: { 'api-key': gateway.apiKey },
  });
  expect(read.status).toBe(200);
  const asked = keeping.asked.at(-1);
  expect(asked?.path).toBe(`/v1/responses/${id}/input_items?api-version=2025-03-01-preview&limit=3`);
  expect(asked?.headers.get('api-key')).toBe(credential);
});
