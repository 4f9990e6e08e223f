// The official OpenAI client against the simulator, without a gateway between: what it reads must be what we
// meant.

import { afterAll, describe, expect, test } from 'bun:test';
import OpenAI from 'openai';
import { startSimulator } from '../../src/simulator/server.ts';

const simulator = startSimulator({ faults: true });
afterAll(() => {
  expect(simulator.counters().defects).toBe(0);
  simulator.close();
});
const client = new OpenAI({ apiKey: 'sk-none', baseURL: simulator.url, maxRetries: 0 });
/** The client's own error. Its promises are lazy: they must be awaited, not handed to a matcher. */
async function refusalOf(call: PromiseLike<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error('was not refused');
}
const say = (content: string) => [{ role: 'user' as const, content }];

describe('chat', () => {
  test('echoes the last user text, counts it, and always answers alike', async () => {
    const ask = () =>
      client.chat.completions.create({
        model: 'sim/fast',
        messages: [
          { role: 'system', content: 'Be kind.' },
          { role: 'user', content: 'Wörld, hello  there!\n' },
        ],
      });
    const reply = await ask();
    expect(reply.choices[0]?.message.content).toBe('Wörld, hello  there!\n');
    expect(reply.choices[0]?.finish_reason).toBe('stop');
    // 8 and 22 bytes are 30: 8 tokens begun. Words: Wörld, / hello / there! and the line break.
    expect(reply.usage).toMatchObject({ prompt_tokens: 8, completion_tokens: 4, total_tokens: 12 });
    expect(await ask()).toEqual(reply);
  });

  test("reads text parts, and answers to a tool's result", async () => {
    const parts = await client.chat.completions.create({
      model: 'sim/fast',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'one ' },
            { type: 'text', text: 'two' },
          ],
        },
      ],
    });
    expect(parts.choices[0]?.message.content).toBe('one two');
    const call = { id: 'call_1', type: 'function' as const, function: { name: 'f', arguments: '{}' } };
    const result = await client.chat.completions.create({
      model: 'sim/fast',
      messages: [
        ...say('call f'),
        { role: 'assistant', tool_calls: [call] },
        { role: 'tool', tool_call_id: 'call_1', content: 'sunny' },
      ],
      tools: [{ type: 'function', function: { name: 'f' } }],
    });
    expect(result.choices[0]?.message).toMatchObject({ content: 'sunny' });
  });

  test('honours n, max_tokens and max_completion_tokens', async () => {
    const limited = await client.chat.completions.create({
      model: 'sim/fast',
      messages: say('a b c d'),
      n: 3,
      max_tokens: 2,
    });
    expect(limited.choices.map((choice) => [choice.index, choice.message.content, choice.finish_reason])).toEqual([
      [0, 'a b', 'length'],
      [1, 'a b', 'length'],
      [2, 'a b', 'length'],
    ]);
    expect(limited.usage?.completion_tokens).toBe(6);
    const enough = await client.chat.completions.create({
      model: 'sim/fast',
      messages: say('a b'),
      max_completion_tokens: 2,
    });
    expect(enough.choices[0]?.finish_reason).toBe('stop');
  });

  test('streams the same, with usage only when asked for', async () => {
    const stream = await client.chat.completions.create({
      model: 'sim/echo',
      messages: say('to be or not'),
      n: 2,
      stream: true,
    });
    const texts = ['', ''];
    const finished: string[] = [];
    for await (const {
      choices: [choice],
      usage,
    } of stream) {
      expect(usage).toBeUndefined();
      if (!choice) throw new Error('a chunk without a choice');
      texts[choice.index] += choice.delta.content ?? '';
      if (choice.finish_reason) finished.push(choice.finish_reason);
    }
    expect(texts).toEqual(['to be or not', 'to be or not']);
    expect(finished).toEqual(['stop', 'stop']);

    const counted = await client.chat.completions.create({
      model: 'sim/fast',
      messages: say('to be or not'),
      stream: true,
      stream_options: { include_usage: true },
    });
    const usages = [];
    for await (const { usage, choices } of counted) usages.push([choices.length, usage?.total_tokens]);
    expect(usages.at(-1)).toEqual([0, 7]);
    expect(usages.slice(0, -1).every(([, total]) => total === undefined)).toBe(true);
  });

  test('directives shape the answer and the usage', async () => {
    const reply = await client.chat.completions.create({
      model: 'sim/fast[[sim: chunks=2 size=5]]',
      messages: say('[[sim: chunks=3, cached=4 reasoning=9]] abcdef'),
    });
    expect(reply.choices[0]?.message.content).toBe(' tok0 tok1 tok2');
    expect(reply.usage).toMatchObject({
      prompt_tokens: 12,
      completion_tokens: 12,
      prompt_tokens_details: { cached_tokens: 4 },
      completion_tokens_details: { reasoning_tokens: 9 },
    });
  });
});

describe('tools', () => {
  const tools = ['get_weather', 'get_time'].map((name) => ({
    type: 'function' as const,
    function: {
      name,
      parameters: {
        type: 'object',
        properties: { city: { type: 'string' }, days: { type: 'integer' }, unit: { enum: ['C', 'F'] } },
      },
    },
  }));
  const expected = { city: 'simulated', days: 1, unit: 'C' };
  const messages = say('please call get_weather and then call get_time');

  test('called when the user says so, in parallel', async () => {
    const reply = await client.chat.completions.create({ model: 'sim/fast', messages, tools });
    const [choice] = reply.choices;
    expect(choice?.finish_reason).toBe('tool_calls');
    const calls = (choice?.message.tool_calls ?? []).map((call) =>
      call.type === 'function' ? call.function : undefined,
    );
    expect(calls.map((call) => call?.name)).toEqual(['get_weather', 'get_time']);
    for (const call of calls) expect(JSON.parse(call?.arguments ?? '')).toEqual(expected);
  });

  test("streamed: the client's own helper puts them together", async () => {
    const runner = client.chat.completions.stream({
      model: 'sim/fast',
      messages,
      tools,
      stream_options: { include_usage: true },
    });
    const reply = await runner.finalChatCompletion();
    const calls = reply.choices[0]?.message.tool_calls ?? [];
    expect(new Set(calls.map((call) => call.id)).size).toBe(2);
    const called = calls.map((call) => (call.type === 'function' ? call.function : undefined));
    expect(called.map((call) => call?.name)).toEqual(['get_weather', 'get_time']);
    for (const call of called) expect(JSON.parse(call?.arguments ?? '')).toEqual(expected);
    expect((await client.chat.completions.create({ model: 'sim/fast', messages, tools })).usage).toEqual(reply.usage);
  });

  test('not in parallel, not at all, or by demand', async () => {
    const namesOf = async (extra: object) => {
      const reply = await client.chat.completions.create({ model: 'sim/fast', messages, tools, ...extra });
      return (
        reply.choices[0]?.message.tool_calls?.map((call) => (call.type === 'function' ? call.function.name : '')) ?? []
      );
    };
    expect(await namesOf({ parallel_tool_calls: false })).toEqual(['get_weather']);
    expect(await namesOf({ tool_choice: 'none' })).toEqual([]);
    expect(await namesOf({ messages: say('hello'), tool_choice: 'required' })).toEqual(['get_weather']);
    expect(
      await namesOf({
        messages: say('hello'),
        tool_choice: { type: 'function', function: { name: 'get_time' } },
      }),
    ).toEqual(['get_time']);
  });
});

describe('completions', () => {
  test('text, several prompts, tokens', async () => {
    const reply = await client.completions.create({ model: 'sim/fast', prompt: ['one two', 'three'], n: 2 });
    expect(reply.choices.map((choice) => choice.text)).toEqual(['one two', 'one two', 'three', 'three']);
    expect(reply.usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 6 });
    const tokens = await client.completions.create({ model: 'sim/fast', prompt: [5, 6, 7], max_tokens: 2 });
    expect([tokens.choices[0]?.text, tokens.usage?.prompt_tokens]).toEqual([' 5 6', 3]);
  });

  test('streamed', async () => {
    const stream = await client.completions.create({
      model: 'sim/fast',
      prompt: 'one two three',
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let total: number | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.text ?? '';
      total = chunk.usage?.total_tokens ?? total;
    }
    expect([text, total]).toEqual(['one two three', 7]);
  });
});

describe('embeddings', () => {
  test('unit vectors that depend on the text; floats and base64 agree', async () => {
    const ask = (encoding_format?: 'float' | 'base64') =>
      client.embeddings.create({
        model: 'sim/embed',
        input: ['alpha', 'beta', 'alpha'],
        ...(encoding_format ? { encoding_format } : {}),
      });
    const floats = await ask('float');
    const [alpha = [], beta = [], again] = floats.data.map((each) => each.embedding);
    expect(alpha).toHaveLength(256);
    expect(alpha).toEqual(again ?? []);
    expect(alpha).not.toEqual(beta);
    expect(alpha.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 5);
    expect(floats.usage).toEqual({ prompt_tokens: 5, total_tokens: 5 });
    // Unless told otherwise the client asks for base64 and decodes it to numbers.
    const decoded = await ask();
    expect(Array.from(decoded.data[0]?.embedding ?? [])).toEqual(alpha);
  });

  test('dimensions', async () => {
    const reply = await client.embeddings.create({
      model: 'sim/embed',
      input: 'x',
      dimensions: 3,
      encoding_format: 'float',
    });
    expect(reply.data[0]?.embedding).toHaveLength(3);
    expect(await refusalOf(client.embeddings.create({ model: 'sim/embed', input: 'x', dimensions: 0 }))).toMatchObject({
      status: 400,
      param: 'dimensions',
    });
    expect(await refusalOf(client.embeddings.create({ model: 'sim/embed', input: '' }))).toMatchObject({
      status: 400,
      param: 'input[0]',
    });
  });
});

describe('errors and models', () => {
  test('unknown models, and models of the other operation, are 404', async () => {
    for (const model of ['gpt-4o', 'sim/embed', 'sim/u99', 'sim/u01', 'sim/replay/oc001', 'sim/../x', 'toString']) {
      expect(await refusalOf(client.chat.completions.create({ model, messages: say('x') }))).toMatchObject({
        status: 404,
      });
    }
    expect(await refusalOf(client.embeddings.create({ model: 'sim/fast', input: 'x' }))).toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });

  test.each([
    [{ n: 0 }, 'n'],
    [{ n: 1.5 }, 'n'],
    [{ n: 1e20 }, 'n'],
    [{ max_tokens: -1 }, 'max_tokens'],
    [{ max_tokens: '5' }, 'max_tokens'],
    [{ messages: [] }, 'messages'],
    [{ messages: 'hi' }, 'messages'],
    [{ messages: [null] }, 'messages[0]'],
  ])('%j is 400', async (extra, param) => {
    const request = {
      model: 'sim/fast',
      messages: say('x'),
      ...extra,
    } as OpenAI.Chat.ChatCompletionCreateParamsNonStreaming;
    expect(await refusalOf(client.chat.completions.create(request))).toMatchObject({ status: 400, param });
  });

  test.each([
    ['[[sim: chunk=3]]'],
    ['[[sim: chunks=x]]'],
    ['[[sim: delay=99999999]]'],
    ['[[sim: chunks=1000000 size=1048576]]'],
  ])('%s is 400', async (content) => {
    expect(
      await refusalOf(client.chat.completions.create({ model: 'sim/fast', messages: say(content) })),
    ).toMatchObject({ status: 400 });
  });

  test('lists and retrieves models', async () => {
    const names = (await client.models.list()).data.map((model) => model.id);
    expect(names).toContain('sim/echo');
    expect(names).toContain('sim/u23-negative');
    expect((await client.models.retrieve('sim/u05')).id).toBe('sim/u05');
    expect(await refusalOf(client.models.retrieve('sim/none'))).toMatchObject({ status: 404 });
  });

  test('without faults, fault models are unknown and not listed', async () => {
    const honest = startSimulator();
    const plain = new OpenAI({ apiKey: 'x', baseURL: honest.url, maxRetries: 0 });
    expect(await refusalOf(plain.chat.completions.create({ model: 'sim/u19', messages: say('x') }))).toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
    expect((await plain.models.list()).data.map((model) => model.id)).toEqual(['sim/echo', 'sim/fast', 'sim/embed']);
    honest.close();
  });
});
