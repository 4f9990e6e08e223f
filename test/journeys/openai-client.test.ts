// The official OpenAI client, unmodified, through a whole gateway: in this process, and through the executable. What it
// reads is what the upstream said, and each call leaves one record whose charge is the price times its parts.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import OpenAI from 'openai';
import { startExecutable } from '../support/executable.ts';
import { field, startTestGateway, textField, type GatewayCalls } from '../support/gateway.ts';

setDefaultTimeout(60_000);

interface Target extends GatewayCalls {
  readonly url: string;
  readonly apiKey: string;
  stop(): Promise<unknown>;
}

const targets: readonly (readonly [name: string, start: () => Promise<Target>])[] = [
  ['in process', () => startTestGateway()],
  ['executable', () => startExecutable()],
];

const say = (content: string) => [{ role: 'user' as const, content }];
const tools = ['get_weather', 'get_time'].map((name) => ({
  type: 'function' as const,
  function: {
    name,
    parameters: { type: 'object', properties: { city: { type: 'string' }, days: { type: 'integer' } } },
  },
}));

/** The client's promises are lazy: they must be awaited, not handed to a matcher. */
async function refusalOf(call: PromiseLike<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
  try {
    await call;
  } catch (error) {
    if (error instanceof OpenAI.APIError) return error;
    throw error;
  }
  throw new Error('was not refused');
}

describe.each(targets)('the official client, %s', (_name, start) => {
  let target: Target;
  let client: OpenAI;
  /** Answers as they came, for their request ids and to count what the client sent. */
  let answers: Response[] = [];

  const clientWith = (apiKey: string) =>
    new OpenAI({
      apiKey,
      baseURL: `${target.url}/v1`,
      fetch: async (input, init) => {
        const answer = await fetch(input, init);
        answers.push(answer);
        return answer;
      },
    });

  beforeAll(async () => {
    target = await start();
    client = clientWith(target.apiKey);
  });
  afterAll(() => target.stop());

  const lastRequestId = () => answers.at(-1)?.headers.get('x-request-id') ?? 'none';

  /** The record of the last call; its charge is recomputed from its own lines, and they from the price. */
  async function record(): Promise<Record<string, unknown>> {
    const { status, body } = await target.admin('GET', `/usage/${lastRequestId()}`);
    expect(status).toBe(200);
    return body;
  }

  async function charged(
    operation: string,
    usage: Record<string, number>,
    inputRate: bigint,
    outputRate: bigint,
  ): Promise<void> {
    const stored = await record();
    expect(stored).toMatchObject({
      operation,
      outcome: 'finished',
      status: 200,
      usageSource: 'upstream',
      usage,
      flags: [],
    });
    const pico = BigInt(usage['input'] ?? 0) * inputRate + BigInt(usage['output'] ?? 0) * outputRate;
    expect(stored['chargeNano']).toBe(((pico + 999n) / 1000n).toString());
    expect(stored['lossNano']).toBe('0');
  }

  const chatCharged = (input: number, output: number) => charged('chat', { input, output }, 100_000n, 400_000n);

  test('chat, whole', async () => {
    const reply = await client.chat.completions.create({ model: 'sim/fast', messages: say('Wörld, hello  there!\n') });
    expect(reply.choices[0]?.message.content).toBe('Wörld, hello  there!\n');
    expect(reply._request_id).toBe(lastRequestId());
    expect(reply.usage).toMatchObject({ prompt_tokens: 6, completion_tokens: 4 });
    await chatCharged(6, 4);
  });

  test('chat, streamed, without asking for usage: none is shown, and it is charged all the same', async () => {
    const stream = await client.chat.completions.create({
      model: 'sim/echo',
      messages: say('to be or not'),
      n: 2,
      stream: true,
    });
    const texts = ['', ''];
    for await (const chunk of stream) {
      expect(chunk.usage ?? undefined).toBeUndefined();
      expect(chunk.choices).toHaveLength(1);
      const [choice] = chunk.choices;
      if (choice !== undefined) texts[choice.index] += choice.delta.content ?? '';
    }
    expect(texts).toEqual(['to be or not', 'to be or not']);
    await chatCharged(3, 8);
  });

  test('chat, streamed, with usage', async () => {
    const stream = await client.chat.completions.create({
      model: 'sim/fast',
      messages: say('to be or not'),
      stream: true,
      stream_options: { include_usage: true },
    });
    const usages = [];
    let text = '';
    for await (const { choices, usage } of stream) {
      text += choices[0]?.delta.content ?? '';
      usages.push([choices.length, usage?.total_tokens]);
    }
    expect(text).toBe('to be or not');
    expect(usages.at(-1)).toEqual([0, 7]);
    expect(usages.slice(0, -1).every(([, total]) => total === undefined)).toBe(true);
    await chatCharged(3, 4);
  });

  test('parallel tool calls, streamed, put together by the client', async () => {
    const messages = say('please call get_weather and then call get_time');
    const whole = await client.chat.completions.create({ model: 'sim/fast', messages, tools });
    const runner = client.chat.completions.stream({ model: 'sim/fast', messages, tools, parallel_tool_calls: true });
    const reply = await runner.finalChatCompletion();
    const calls = reply.choices[0]?.message.tool_calls ?? [];
    expect(calls.map((call) => (call.type === 'function' ? call.function.name : ''))).toEqual([
      'get_weather',
      'get_time',
    ]);
    expect(new Set(calls.map((call) => call.id)).size).toBe(2);
    for (const call of calls)
      expect(JSON.parse(call.type === 'function' ? call.function.arguments : '')).toEqual({
        city: 'simulated',
        days: 1,
      });
    expect(reply.choices[0]?.finish_reason).toBe('tool_calls');
    await chatCharged(whole.usage?.prompt_tokens ?? -1, whole.usage?.completion_tokens ?? -1);
  });

  test('cached and reasoning tokens are parts of their own', async () => {
    const reply = await client.chat.completions.create({
      model: 'sim/fast',
      messages: say('[[sim: chunks=3 cached=4 reasoning=9]] abcdef'),
    });
    expect(reply.usage).toMatchObject({ prompt_tokens: 12, completion_tokens: 12 });
    const stored = await record();
    expect(stored['usage']).toEqual({ input: 8, cacheRead: 4, output: 3, reasoning: 9 });
    expect(stored['chargeNano']).toBe((8n * 100n + 4n * 10n + 12n * 400n).toString());
  });

  test('legacy completions, whole and streamed', async () => {
    const reply = await client.completions.create({ model: 'sim/fast', prompt: ['one two', 'three'], n: 2 });
    expect(reply.choices.map((choice) => choice.text)).toEqual(['one two', 'one two', 'three', 'three']);
    await charged('completions', { input: 4, output: 6 }, 100_000n, 400_000n);
    const stream = await client.completions.create({ model: 'sim/fast', prompt: 'one two three', stream: true });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.text ?? '';
    expect(text).toBe('one two three');
    await charged('completions', { input: 4, output: 3 }, 100_000n, 400_000n);
  });

  test('embeddings, as floats and as base64', async () => {
    const ask = (encoding_format?: 'float' | 'base64') =>
      client.embeddings.create({
        model: 'sim/embed',
        input: ['alpha', 'beta'],
        ...(encoding_format ? { encoding_format } : {}),
      });
    const floats = await ask('float');
    expect(floats.data.map((each) => each.embedding.length)).toEqual([256, 256]);
    const stored = await record();
    expect(stored).toMatchObject({
      operation: 'embeddings',
      usage: { input: 3 },
      usageSource: 'upstream',
      outcome: 'finished',
    });
    const rate = BigInt(textField(stored, 'charge', 'rates', 'input'));
    expect(stored['chargeNano']).toBe(((3n * rate + 999n) / 1000n).toString());
    // Unless told otherwise the client asks for base64 and decodes it to numbers.
    const decoded = await ask();
    expect(Array.from(decoded.data[0]?.embedding ?? [])).toEqual(floats.data[0]?.embedding ?? []);
    const raw: unknown = await ask('base64');
    expect(raw).toMatchObject({ data: [{ embedding: expect.any(String) }, { embedding: expect.any(String) }] });
  });

  test('models: the list, and one whose name has a slash', async () => {
    const names: string[] = [];
    for await (const model of client.models.list()) names.push(model.id);
    expect(names).toContain('sim/fast');
    expect(await client.models.retrieve('sim/fast')).toMatchObject({ id: 'sim/fast', object: 'model' });
    expect(await refusalOf(client.models.retrieve('sim/none'))).toMatchObject({ status: 404, code: 'model_not_found' });
  });

  test('errors have the class, code and field that the client knows, and are not retried in vain', async () => {
    const attempts = async (call: () => PromiseLike<unknown>) => {
      answers = [];
      const error = await refusalOf(call());
      return { error, sent: answers.length };
    };
    const chat =
      (using: OpenAI, model: string, more: object = {}) =>
      () =>
        using.chat.completions.create({ model, messages: say('hi'), ...more });
    const stranger = await attempts(chat(clientWith('tg_not-a-key'), 'sim/fast'));
    expect([stranger.error instanceof OpenAI.AuthenticationError, stranger.error.status, stranger.sent]).toEqual([
      true,
      401,
      1,
    ]);
    const unknown = await attempts(chat(client, 'sim/none'));
    expect([
      unknown.error instanceof OpenAI.NotFoundError,
      unknown.error.code,
      unknown.error.param,
      unknown.sent,
    ]).toEqual([true, 'model_not_found', 'model', 1]);
    const wrong = await attempts(chat(client, 'sim/fast', { max_tokens: -1 }));
    expect([wrong.error instanceof OpenAI.BadRequestError, wrong.error.param, wrong.sent]).toEqual([
      true,
      'max_tokens',
      1,
    ]);
    expect(wrong.error.requestID).toStartWith('req_');
    const poor = await target.fundedKey(1n);
    for (const stream of [false, true]) {
      const broke = await attempts(chat(clientWith(poor.apiKey), 'sim/fast', { stream }));
      expect([broke.error instanceof OpenAI.RateLimitError, broke.error.code, broke.error.type, broke.sent]).toEqual([
        true,
        'insufficient_balance',
        'insufficient_quota',
        1,
      ]);
      expect([broke.error.headers?.get('x-should-retry'), broke.error.headers?.get('retry-after')]).toEqual([
        'false',
        null,
      ]);
    }
    // What a refused call reserved is free again.
    const balance = await target.admin('GET', `/accounts/${poor.accountId}/balance`);
    expect(balance.body).toMatchObject({ postedNano: '1', heldNano: '0' });
  });

  test('a client that aborts its stream is charged what came, once', async () => {
    const abort = new AbortController();
    const stream = await client.chat.completions.create(
      { model: 'sim/echo', messages: say(`[[sim: chunks=10000 gap=5]] x`), max_tokens: 10_000, stream: true },
      { signal: abort.signal },
    );
    const requestId = lastRequestId();
    let pieces = 0;
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content && ++pieces === 5) abort.abort();
    }
    let stored: Awaited<ReturnType<GatewayCalls['admin']>>;
    const until = Date.now() + 10_000;
    do {
      stored = await target.admin('GET', `/usage/${requestId}`);
    } while (stored.status === 404 && Date.now() < until);
    expect(stored.body).toMatchObject({ outcome: 'client-left', usageSource: 'estimated', flags: ['usage-missing'] });
    const output = field(stored.body, 'usage', 'output');
    expect(output).toBeGreaterThanOrEqual(5);
    expect(output).toBeLessThan(2_000);
  });
});
