// The simulator's provider and its server together: what the server says, the provider must read as the host will.

import { afterAll, describe, expect, test } from 'bun:test';
import type { FaultClass, Operation, ProtocolName, UsageReading } from 'tollgate/plugin';
import { simulator as simulatorProvider } from '../../plugins/providers/simulator.ts';
import { faults } from '../../src/simulator/faults/index.ts';
import { startSimulator } from '../../src/simulator/server.ts';

const server = startSimulator({ faults: true });
afterAll(() => server.close());
const entry = simulatorProvider({ baseUrl: server.url, faults: true });
const provider = entry.create(entry.options);

const bodies: Readonly<Record<Operation, object>> = {
  chat: { messages: [{ role: 'user', content: 'alpha beta gamma delta' }] },
  completions: { prompt: 'alpha beta gamma delta' },
  embeddings: { input: 'alpha beta gamma delta' },
};
const protocols: Readonly<Record<Operation, ProtocolName>> = {
  chat: 'openai-chat',
  completions: 'openai-completions',
  embeddings: 'openai-embeddings',
};

async function send(operation: Operation, model: string): Promise<{ status: number; headers: Headers; text: string }> {
  const call = { operation, protocol: protocols[operation], model, stream: false };
  const { path, query, headers } = provider.address(call, undefined);
  expect(query).toBe('');
  const response = await fetch(`${provider.defaultBaseUrl}${path}`, {
    method: 'POST',
    redirect: 'manual',
    body: JSON.stringify({ model, ...bodies[operation] }),
    headers: { 'content-type': 'application/json', ...Object.fromEntries(headers) },
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const spoken = {
  chat: 'openai-chat',
  completions: 'openai-completions',
  embeddings: 'openai-embeddings',
} as const;

async function readUsage(operation: Operation, model: string): Promise<UsageReading | undefined> {
  const { text } = await send(operation, model);
  return provider.usage((JSON.parse(text) as { usage?: unknown }).usage, operation, spoken[operation]);
}

async function blame(model: string): Promise<FaultClass> {
  const { status, headers, text } = await send('chat', model);
  return provider.classify({ status, headers: new Map(headers), body: text });
}

test('every listed model is served, for every operation it lists', async () => {
  const silent = ['sim/u02', 'sim/u03', 'sim/u04', 'sim/u13', 'sim/u14', 'sim/u26', 'sim/u29'];
  for (const { model, operations } of provider.models.filter((each) => !silent.includes(each.model))) {
    for (const operation of operations) {
      const reached = await send(operation, model).then(
        ({ status }) => status !== 404,
        () => true,
      );
      expect([model, operation, reached]).toEqual([model, operation, true]);
    }
  }
});

test('honest usage is read without flags', async () => {
  expect(await readUsage('chat', 'sim/fast')).toEqual({
    parts: { input: 6, cacheRead: 0, output: 4, reasoning: 0 },
    flags: [],
  });
  expect(await readUsage('chat', 'sim/fast[[sim: cached=2 reasoning=9]]')).toEqual({
    parts: { input: 4, cacheRead: 2, output: 4, reasoning: 9 },
    flags: [],
  });
  expect(await readUsage('completions', 'sim/fast')).toMatchObject({ parts: { input: 6, output: 4 }, flags: [] });
  expect(await readUsage('embeddings', 'sim/embed')).toEqual({ parts: { input: 6 }, flags: [] });
});

describe('U23: what is read out of usage that lies', () => {
  const zero = { input: 0, cacheRead: 0, output: 0, reasoning: 0 };
  const honest = { input: 6, cacheRead: 0, output: 4, reasoning: 0 };
  const expected: Readonly<Record<string, UsageReading | undefined>> = {
    negative: { parts: zero, flags: ['negative'] },
    absent: undefined,
    null: undefined,
    'null-counts': { parts: zero, flags: ['input-missing', 'output-missing'] },
    string: { parts: zero, flags: ['not-an-integer'] },
    float: { parts: zero, flags: ['not-an-integer'] },
    huge: { parts: zero, flags: ['too-large'] },
    beyond: { parts: zero, flags: ['too-large'] },
    cached: { parts: { ...honest, input: 0, cacheRead: 6 }, flags: ['cached-above-input'] },
    reasoning: { parts: { ...honest, output: 0, reasoning: 4 }, flags: ['reasoning-above-output'] },
    total: { parts: honest, flags: ['total-differs'] },
    zero: { parts: zero, flags: [] },
    under: { parts: { ...honest, output: 0 }, flags: [] },
    over: { parts: { ...honest, input: 60, output: 40 }, flags: [] },
    list: undefined,
    text: undefined,
    doubles: { parts: honest, flags: [] },
    growing: { parts: { ...honest, input: 12, output: 8 }, flags: [] },
    twice: { parts: honest, flags: [] },
    early: { parts: honest, flags: [] },
    forged: { parts: honest, flags: [] },
  };

  test('names every variant', () => {
    expect(Object.keys(expected)).toEqual(Object.keys(faults.find(({ number }) => number === 23)?.variants ?? {}));
  });

  test.each(Object.keys(expected))('%s', async (variant) => {
    expect(await readUsage('chat', `sim/u23-${variant}`)).toEqual(expected[variant] as UsageReading);
  });
});

test('failures are blamed on the right one', async () => {
  const blamed: Record<string, FaultClass> = {};
  for (const model of [
    'u16',
    'u16-rate',
    'u16-string',
    'u16-empty',
    'u17',
    'u17-quota',
    'u18-500',
    'u18-html',
    'u19',
    'u19-402',
    'u19-403',
    'u20',
    'u21',
  ]) {
    blamed[model] = await blame(`sim/${model}`);
  }
  blamed['unknown'] = await blame('sim/none');
  expect(blamed).toEqual({
    u16: 'unavailable',
    'u16-rate': 'rate-limit',
    'u16-string': 'unavailable',
    'u16-empty': 'unavailable',
    u17: 'rate-limit',
    'u17-quota': 'credential',
    'u18-500': 'unavailable',
    'u18-html': 'unavailable',
    u19: 'credential',
    'u19-402': 'credential',
    'u19-403': 'credential',
    u20: 'unavailable',
    u21: 'unavailable',
    unknown: 'model',
  });
});
