// Replies that an upstream keeps, as their owner, a stranger and an owner after a restart find them: always at the
// upstream that keeps them, with our credential, and for nothing.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromEnvironment } from '../../src/plugin/index.ts';
import { openAiCompatible, simulator } from '../../plugins/index.ts';
import { openHolds } from '../pipeline/stage.ts';
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

const credential = 'sk-of-the-house-alone-4711';

let gateway: TestGateway;
let first: KeepingUpstream;
let second: KeepingUpstream;
let dataFolder: string;
let stranger: string;

const start = (): Promise<TestGateway> =>
  startTestGateway({
    dataFolder,
    environment: { KEEPING_KEY: credential },
    config: testConfig({
      providers: [openAiCompatible({ chat: ['openai-responses'] }), simulator({ protocols: ['openai-chat'] })],
      upstreams: [
        ...[first, second].map(({ url }, at) => ({
          name: at === 0 ? 'first' : 'second',
          provider: 'openai-compatible',
          baseUrl: url,
          addresses: 'any' as const,
          priority: at,
          credential: fromEnvironment('KEEPING_KEY'),
        })),
        { name: 'simulator', provider: 'simulator', baseUrl: 'simulator:', addresses: 'any' },
      ],
      models: [
        simulatorModel('both', { strategy: 'priority', offers: [{ upstream: 'first' }, { upstream: 'second' }] }),
        simulatorModel('of-second', { offers: [{ upstream: 'second' }] }),
        simulatorModel('sim/fast'),
      ],
    }),
  });

beforeAll(async () => {
  dataFolder = mkdtempSync(join(tmpdir(), 'tollgate-stored-'));
  first = startKeepingUpstream('first');
  second = startKeepingUpstream('second');
  gateway = await start();
  stranger = (await gateway.fundedKey(1_000_000_000n)).apiKey;
});
afterAll(async () => {
  await gateway.stop();
  first.close();
  second.close();
  rmSync(dataFolder, { recursive: true, force: true });
});

const create = (model: string, more: object = {}, headers: Record<string, string> = {}) =>
  gateway.client('/responses', { model, input: 'Say hello', max_output_tokens: 50, ...more }, headers);

async function createdId(model: string, more: object = {}): Promise<string> {
  const answer = await create(model, { store: true, ...more });
  expect(answer.status).toBe(200);
  return textField(await answer.json(), 'id');
}

const ask = (method: string, path: string, key = gateway.apiKey, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}/v1/responses/${path}`, { method, headers: { authorization: `Bearer ${key}`, ...headers } });

const strangers = () => ({ authorization: `Bearer ${stranger}` });

/** A refusal without what differs between any two requests. */
async function refusalOf(answer: Response) {
  const body: unknown = await answer.json();
  const names = [...answer.headers.keys()].toSorted();
  return { status: answer.status, names, body: JSON.stringify(body).replaceAll(/req_[0-9a-f]{32}/g, 'REQ') };
}

async function records(): Promise<number> {
  const { body } = await gateway.admin('GET', '/usage?limit=200');
  return Array.isArray(body['items']) ? body['items'].length : -1;
}

const calls = [
  ['GET', ''],
  ['POST', '/cancel'],
  ['GET', '/input_items'],
  ['DELETE', ''],
] as const;

describe('a kept reply', () => {
  test.each([false, true])(
    'is asked for at the upstream that keeps it, with our credential; stream %p',
    async (stream) => {
      const answer = await create('of-second', { store: true, stream });
      const id = /resp_second_\d+/.exec(await answer.text())?.[0] ?? 'none';
      expect(second.kept).toContain(id);
      const before = { first: first.asked.length, second: second.asked.length, records: await records() };
      for (const [method, suffix] of calls) {
        const reply = await ask(method, `${id}${suffix}`, gateway.apiKey, {
          'openai-organization': 'org-of-the-client',
          cookie: 'a=b',
        });
        expect(reply.status).toBe(200);
        expect(reply.headers.get('x-request-id')).toStartWith('req_');
        expect(textField(await reply.json(), 'object')).toBe(suffix === '/input_items' ? 'list' : 'response');
        const { headers, ...asked } = second.asked.at(-1) ?? { headers: new Headers() };
        expect(asked).toEqual({ method, path: `/v1/responses/${id}${suffix}`, body: undefined });
        expect(headers.get('authorization')).toBe(`Bearer ${credential}`);
        expect(JSON.stringify([...headers])).not.toContain(gateway.apiKey);
        expect(headers.get('openai-organization')).toBeNull();
        expect(headers.get('cookie')).toBeNull();
      }
      expect(first.asked.length).toBe(before.first);
      expect(second.asked.length).toBe(before.second + calls.length);
      expect(await records()).toBe(before.records);
      expect(openHolds(gateway)).toBe(0);
    },
  );

  test('is for another account what never was', async () => {
    const id = await createdId('both');
    const asked = first.asked.length;
    for (const [method, suffix] of calls) {
      const never = await refusalOf(await ask(method, `resp_first_999999${suffix}`, stranger));
      expect(await refusalOf(await ask(method, `${id}${suffix}`, stranger))).toEqual(never);
      expect(never.status).toBe(404);
    }
    expect((await ask('GET', id, 'tg_nobody')).status).toBe(401);
    expect(first.asked.length).toBe(asked);
    expect((await ask('GET', id)).status).toBe(200);
  });

  test('is gone once it is deleted', async () => {
    const id = await createdId('both');
    expect((await ask('DELETE', id)).status).toBe(200);
    const asked = first.asked.length;
    const gone = await refusalOf(await ask('GET', id));
    expect(gone).toEqual(await refusalOf(await ask('GET', 'resp_first_999999')));
    expect(gone.status).toBe(404);
    expect((await create('both', { previous_response_id: id })).status).toBe(404);
    expect(first.asked.length).toBe(asked);
  });

  test('stays where its upstream fails to delete it', async () => {
    const id = await createdId('both');
    first.answerNext(Response.json({ error: { message: `boom ${credential}` } }, { status: 500 }));
    const failed = await ask('DELETE', id);
    expect(failed.status).toBe(502);
    expect(await failed.text()).not.toContain('boom');
    first.answerNext(new Response('<html>proxy</html>', { status: 200 }));
    expect((await ask('DELETE', id)).status).toBe(502);
    first.answerNext(Response.json({ error: { message: 'dead key' } }, { status: 401 }));
    expect((await ask('DELETE', id)).status).toBe(503);
    expect((await ask('DELETE', id)).status).toBe(200);
  });

  test.each([
    ['7', '7'],
    ['99999999', '300'],
    ['0', '1'],
    ['soon', null],
  ])('whose upstream is at its limit says when to ask again: %p is told as %p', async (said, told) => {
    const id = await createdId('both');
    const error = { message: 'slow down', type: 'requests', code: 'rate_limit_exceeded' };
    first.answerNext(Response.json({ error }, { status: 429, headers: { 'retry-after': said, 'x-other': 'a' } }));
    const limited = await ask('GET', id);
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, told]);
    expect(limited.headers.get('x-other')).toBeNull();
    expect(await limited.json()).toEqual({ error });
    expect((await ask('GET', id)).status).toBe(200);
  });

  test('has the same model and all the rest, whether it is made or asked for', async () => {
    const made: unknown = await (await create('both', { store: true })).json();
    expect(textField(made, 'model')).toBe('keeps-1');
    const asked: unknown = await (await ask('GET', textField(made, 'id'))).json();
    expect(asked).toEqual(made);
  });

  test('is not shown where it holds our credential', async () => {
    const id = await createdId('both');
    first.answerNext(Response.json({ id, instructions: credential }));
    const answer = await ask('GET', id);
    expect(answer.status).toBe(502);
    expect(await answer.text()).not.toContain(credential);
  });

  test('that its upstream lost is forgotten', async () => {
    const id = await createdId('both');
    first.answerNext(Response.json({ error: { message: 'none' } }, { status: 404 }));
    expect((await ask('GET', id)).status).toBe(404);
    const asked = first.asked.length;
    expect((await ask('GET', id)).status).toBe(404);
    expect(first.asked.length).toBe(asked);
  });

  test.each(['resp a/b', 'resp_%41', 'resp_ü+&=', 'resp_?x#y', '../models', '..'])('may be called %p', async (name) => {
    first.nextId(name);
    expect(await createdId('both')).toBe(name);
    // A path's dots are the client's to resolve, escaped or not: such an id cannot be asked for, and harms nobody.
    const path = name === '..' ? '%2e%2e%2F' : encodeURIComponent(name);
    const answer = await ask('GET', path);
    const known = first.asked.at(-1);
    if (name === '..') expect(answer.status).toBe(404);
    else {
      expect(answer.status).toBe(200);
      expect(known?.path).toBe(`/v1/responses/${encodeURIComponent(name)}`);
    }
    expect((await ask('GET', path, stranger)).status).toBe(404);
  });

  test('is not forgotten because its upstream cannot cancel it, or list what was asked', async () => {
    const id = await createdId('of-second');
    for (const [method, suffix] of calls.slice(1, 3)) {
      second.answerNext(Response.json({ detail: 'Not Found' }, { status: 404 }));
      expect((await ask(method, `${id}${suffix}`)).status).toBe(404);
      expect((await ask('GET', id)).status).toBe(200);
    }
  });

  test('may be asked about only as far as is served', async () => {
    const id = await createdId('both');
    const asked = first.asked.length;
    for (const name of ['stream', 'starting_after', 'api_key', 'LIMIT']) {
      const answer = await ask('GET', `${id}?limit=2&${name}=1`);
      expect(answer.status).toBe(400);
      expect(field(await answer.json(), 'error', 'param')).toBe(name);
    }
    expect(first.asked.length).toBe(asked);
    expect((await ask('GET', `${id}/input_items?limit=2&order=asc&after=a%26b&include[]=x&include[]=y`)).status).toBe(
      200,
    );
    const query = new URL(first.asked.at(-1)?.path ?? '', first.url).searchParams;
    expect([...query]).toEqual([
      ['limit', '2'],
      ['order', 'asc'],
      ['after', 'a&b'],
      ['include[]', 'x'],
      ['include[]', 'y'],
    ]);
    const byQuery = await fetch(`${gateway.url}/v1/responses/${id}?key=${gateway.apiKey}`);
    expect(byQuery.status).toBe(200);
    expect(first.asked.at(-1)?.path).toBe(`/v1/responses/${id}`);
  });
});

describe('an id that comes twice', () => {
  const createFor = async (model: string, key: string): Promise<void> => {
    const answer = await create(model, { store: true }, { authorization: `Bearer ${key}` });
    expect(answer.status).toBe(200);
  };

  test('from two upstreams is a reply of each: neither hides, answers for or deletes the other', async () => {
    const id = await createdId('both');
    second.nextId(id);
    await createFor('of-second', stranger);
    const asked = first.asked.length;
    for (const method of ['GET', 'DELETE']) expect((await ask(method, id, stranger)).status).toBe(200);
    expect((await ask('GET', id, stranger)).status).toBe(404);
    expect(first.asked.length).toBe(asked);
    expect((await ask('GET', id)).status).toBe(200);
    expect(first.asked.length).toBe(asked + 1);
  });

  test('from one upstream to two accounts is nobody’s, as it could show either what is the other’s', async () => {
    const id = await createdId('of-second');
    second.nextId(id);
    await createFor('of-second', stranger);
    const asked = second.asked.length;
    for (const [method, suffix] of calls) {
      for (const key of [gateway.apiKey, stranger]) expect((await ask(method, `${id}${suffix}`, key)).status).toBe(404);
    }
    expect((await create('of-second', { previous_response_id: id })).status).toBe(404);
    expect(second.asked.length).toBe(asked);
  });
});

describe('a reply that nobody keeps', () => {
  test('because the client did not want it is unknown', async () => {
    const id = textField(await (await create('both', { store: false })).json(), 'id');
    expect((await ask('GET', id)).status).toBe(404);
  });

  test('because its upstream speaks another protocol is unknown', async () => {
    const answer = await create('sim/fast', { store: true });
    expect(answer.status).toBe(200);
    expect((await ask('GET', textField(await answer.json(), 'id'))).status).toBe(404);
  });
});

describe('a call that goes on from a kept reply', () => {
  test('is served by the upstream that keeps it, though another ranks first', async () => {
    const id = await createdId('of-second');
    const asked = first.asked.length;
    expect(await createdId('both', { previous_response_id: id })).toStartWith('resp_second_');
    expect(field(second.asked.at(-1)?.body, 'previous_response_id')).toBe(id);
    expect(first.asked.length).toBe(asked);
    expect(await createdId('both')).toStartWith('resp_first_');
  });

  test('is refused to another account as if it never was, and costs nothing', async () => {
    const id = await createdId('both');
    const asked = first.asked.length + second.asked.length;
    const refused = await refusalOf(await create('both', { previous_response_id: id }, strangers()));
    const never = await refusalOf(await create('both', { previous_response_id: 'resp_first_999999' }, strangers()));
    expect(refused).toEqual(never);
    expect(refused.status).toBe(404);
    expect(first.asked.length + second.asked.length).toBe(asked);
    expect(openHolds(gateway)).toBe(0);
    const { body } = await gateway.admin('GET', '/usage?limit=2');
    expect(body['items']).toMatchObject([{ chargeNano: '0' }, { chargeNano: '0' }]);
  });

  test('fails where the model is not at that upstream, and goes to no other', async () => {
    const id = await createdId('both');
    const asked = second.asked.length;
    expect((await create('of-second', { previous_response_id: id })).status).toBe(503);
    expect(second.asked.length).toBe(asked);
  });
});

test('after a restart on the same data folder it is whose it was', async () => {
  const id = await createdId('of-second');
  const { apiKey } = gateway;
  await gateway.stop();
  gateway = await start();
  expect((await ask('GET', id, stranger)).status).toBe(404);
  expect((await ask('GET', id, apiKey)).status).toBe(200);
  const answer = await create('both', { previous_response_id: id }, { authorization: `Bearer ${apiKey}` });
  expect(textField(await answer.json(), 'id')).toStartWith('resp_second_');
  expect((await ask('DELETE', id, apiKey)).status).toBe(200);
  expect((await ask('GET', id, apiKey)).status).toBe(404);
});
