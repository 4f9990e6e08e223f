// The lists of models as clients of three protocols ask for them: each in its own form, and with nothing in them that
// this key may not use.

import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { GoogleGenAI as GoogleGenAI2 } from 'genai-2';
import OpenAI from 'openai';
import { field, simulatorModel, startTestGateway, testConfig, type TestGateway } from '../support/gateway.ts';

setDefaultTimeout(60_000);

/** In the order of names, as every list is. */
const open = ['embeds', 'odd+name:v1@x', 'plain', 'team/slashed'];
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startTestGateway({
    config: testConfig({
      groups: [{ name: 'inner-circle' }, { name: 'others' }],
      models: [
        ...open.map((name) =>
          simulatorModel(name, name === 'embeds' ? { operations: ['embeddings'], outputTokensMax: 0 } : {}),
        ),
        simulatorModel('hidden', { groups: ['inner-circle'] }),
      ],
    }),
  });
});
afterAll(() => gateway.stop());

async function get(path: string, headers: Record<string, string> = {}): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`${gateway.url}${path}`, {
    headers: { authorization: `Bearer ${gateway.apiKey}`, ...headers },
  });
  return { status: answer.status, body: await answer.json() };
}

const asAnthropic = { 'anthropic-version': '2023-06-01' };
const asGemini = { 'x-goog-api-client': 'google-genai-sdk/3.1.0' };
const names = (body: unknown, list: string, name: string): unknown => {
  const items = field(body, list);
  return Array.isArray(items) ? items.map((item: unknown) => field(item, name)) : items;
};

describe('each protocol has its own form', () => {
  test.each(['/v1/models', '/openai/v1/models'])('OpenAI’s at %s', async (path) => {
    const { status, body } = await get(path);
    expect(status).toBe(200);
    expect(field(body, 'object')).toBe('list');
    expect(names(body, 'data', 'id')).toEqual(open);
    const plain = { id: 'plain', object: 'model', created: expect.any(Number), owned_by: 'tollgate' };
    expect(body).toMatchObject({ data: [{}, {}, plain, {}] });
  });

  test('Anthropic’s, where its version is sent', async () => {
    const { body } = await get('/v1/models', asAnthropic);
    expect(names(body, 'data', 'id')).toEqual(open);
    expect(body).toMatchObject({ has_more: false, first_id: 'embeds', last_id: 'team/slashed' });
    const first: unknown = Object.values(field(body, 'data') ?? {})[0];
    expect(first).toMatchObject({ type: 'model', display_name: 'embeds', max_tokens: 0 });
    expect(field(first, 'created_at')).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(field(first, 'object')).toBeUndefined();
  });

  test.each([
    ['/v1beta/models', {}],
    ['/v1/models', asGemini],
  ])('Gemini’s at %s with %p', async (path, headers) => {
    const { body } = await get(path, headers);
    expect(names(body, 'models', 'name')).toEqual(open.map((name) => `models/${name}`));
    expect(names(body, 'models', 'supportedGenerationMethods')).toEqual([
      [],
      ['generateContent', 'countTokens'],
      ['generateContent', 'countTokens'],
      ['generateContent', 'countTokens'],
    ]);
    expect(field(body, 'nextPageToken')).toBeUndefined();
  });
});

describe('one model', () => {
  test.each(open)('%p, escaped as clients do', async (name) => {
    const escaped = encodeURIComponent(name);
    expect((await get(`/v1/models/${escaped}`)).body).toMatchObject({ id: name, object: 'model' });
    expect((await get(`/v1/models/${escaped}`, asAnthropic)).body).toMatchObject({ id: name, type: 'model' });
    expect((await get(`/v1beta/models/${escaped}`)).body).toMatchObject({ name: `models/${name}` });
    expect((await get(`/v1/models/${escaped}`, asGemini)).body).toMatchObject({ name: `models/${name}` });
  });

  test('with its slash as it is', async () => {
    expect((await get('/v1/models/team/slashed')).body).toMatchObject({ id: 'team/slashed' });
    expect((await get('/v1beta/models/team/slashed')).body).toMatchObject({ name: 'models/team/slashed' });
  });

  test.each([
    ['/v1/models/', {}, { error: { code: 'model_not_found', param: 'model' } }],
    ['/v1/models/', asAnthropic, { type: 'error', error: { type: 'not_found_error' } }],
    ['/v1beta/models/', {}, { error: { code: 404, status: 'NOT_FOUND' } }],
  ])('that is not for this key looks like none: %s %p', async (path, headers, form) => {
    const hidden = await get(`${path}hidden`, headers);
    const none = await get(`${path}nobody`, headers);
    expect(hidden.status).toBe(404);
    expect(hidden.body).toMatchObject(form);
    const plain = (body: unknown) => JSON.stringify(body).replaceAll(/req_[0-9a-f]{32}/g, 'REQ');
    expect(plain(hidden.body)).toBe(plain(none.body));
  });

  test('of a name that is no text is none', async () => {
    expect((await get('/v1/models/%ZZ')).status).toBe(404);
    expect((await get('/v1beta/models/%E0%A4')).status).toBe(404);
  });
});

describe('pages', () => {
  test('of Anthropic’s list', async () => {
    const first = await get('/v1/models?limit=2', asAnthropic);
    expect(names(first.body, 'data', 'id')).toEqual(open.slice(0, 2));
    expect(first.body).toMatchObject({ has_more: true, first_id: open[0], last_id: open[1] });
    const second = await get('/v1/models?limit=2&after_id=odd%2Bname:v1@x', asAnthropic);
    expect(names(second.body, 'data', 'id')).toEqual(open.slice(2));
    expect(second.body).toMatchObject({ has_more: false });
    const before = await get('/v1/models?limit=2&before_id=team%2Fslashed', asAnthropic);
    expect(names(before.body, 'data', 'id')).toEqual(open.slice(1, 3));
    expect(before.body).toMatchObject({ has_more: true });
    const gone = await get('/v1/models?limit=1&after_id=one-that-was-taken-out', asAnthropic);
    expect(names(gone.body, 'data', 'id')).toEqual(['plain']);
    const beyond = await get('/v1/models?after_id=team%2Fslashed', asAnthropic);
    expect(beyond.body).toEqual({ data: [], has_more: false, first_id: null, last_id: null });
  });

  test('of Gemini’s list', async () => {
    const first = await get('/v1beta/models?pageSize=3');
    expect(names(first.body, 'models', 'name')).toHaveLength(3);
    const token = String(field(first.body, 'nextPageToken'));
    const second = await get(`/v1beta/models?pageSize=3&pageToken=${encodeURIComponent(token)}`);
    expect(names(second.body, 'models', 'name')).toEqual(['models/team/slashed']);
    expect(field(second.body, 'nextPageToken')).toBeUndefined();
  });

  test.each(['0', '-1', 'x', '99999'])('of size %p are the whole list', async (size) => {
    expect(names((await get(`/v1/models?limit=${size}`, asAnthropic)).body, 'data', 'id')).toEqual(open);
    expect(names((await get(`/v1beta/models?pageSize=${size}`)).body, 'models', 'name')).toHaveLength(open.length);
  });

  test('are walked by the official clients', async () => {
    const anthropic = new Anthropic({ apiKey: gateway.apiKey, baseURL: gateway.url });
    const walked: (string | undefined)[] = [];
    for await (const model of anthropic.models.list({ limit: 1 })) walked.push(model.id);
    expect(walked).toEqual(open);
    for (const Client of [GoogleGenAI, GoogleGenAI2]) {
      const google = new Client({ apiKey: gateway.apiKey, httpOptions: { baseUrl: gateway.url } });
      walked.length = 0;
      for await (const model of await google.models.list({ config: { pageSize: 1 } })) walked.push(model.name);
      expect(walked).toEqual(open.map((name) => `models/${name}`));
      expect((await google.models.get({ model: 'plain' })).name).toBe('models/plain');
    }
    const openai = new OpenAI({ apiKey: gateway.apiKey, baseURL: `${gateway.url}/v1` });
    walked.length = 0;
    for await (const model of openai.models.list()) walked.push(model.id);
    expect(walked).toEqual(open);
    expect((await openai.models.retrieve('team/slashed')).id).toBe('team/slashed');
    expect((await anthropic.models.retrieve('team/slashed')).id).toBe('team/slashed');
  });
});

describe('a list holds what the key may use', () => {
  const list = async (apiKey: string) =>
    names((await get('/v1/models', { authorization: `Bearer ${apiKey}` })).body, 'data', 'id');

  test('by its models and by its group', async () => {
    const narrow = await gateway.fundedKey(0n, { models: ['embeds', 'hidden'] });
    expect(await list(narrow.apiKey)).toEqual(['embeds']);
    const inner = await gateway.fundedKey(0n, { group: 'inner-circle' });
    expect(await list(inner.apiKey)).toEqual([...open, 'hidden'].toSorted());
    const other = await gateway.fundedKey(0n, { group: 'others' });
    expect(await list(other.apiKey)).toEqual(open);
    const one = await get('/v1/models/plain', { authorization: `Bearer ${narrow.apiKey}` });
    expect(one.status).toBe(404);
  });

  test('and is refused to no key, in each form', async () => {
    const authorization = 'Bearer tg_nobody';
    expect(await get('/v1/models', { authorization })).toMatchObject({
      status: 401,
      body: { error: { param: 'authorization' } },
    });
    expect(await get('/v1/models', { authorization, ...asAnthropic })).toMatchObject({
      status: 401,
      body: { type: 'error', error: { type: 'authentication_error' } },
    });
    expect(await get('/v1beta/models', { authorization })).toMatchObject({
      status: 401,
      body: { error: { code: 401, status: 'UNAUTHENTICATED' } },
    });
  });
});
