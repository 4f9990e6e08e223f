// Every vendor that is settings alone runs the provider suite; what is its own is tested with its recordings.

import { expect, test } from 'bun:test';
import { describeProvider } from 'tollgate/conformance';
import type { Operation, UsageSample } from 'tollgate/plugin';
import { azureOpenAi } from '../../../plugins/providers/azure.ts';
import { openAi } from '../../../plugins/providers/openai.ts';
import * as vendors from '../../../plugins/providers/vendors.ts';

const samples: Readonly<Record<Operation, UsageSample>> = {
  chat: {
    operation: 'chat',
    protocol: 'openai-chat',
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
    expected: { input: 10, output: 5 },
  },
  completions: {
    operation: 'completions',
    usage: { prompt_tokens: 4, completion_tokens: 5, total_tokens: 9 },
    expected: { input: 4, output: 5 },
  },
  embeddings: { operation: 'embeddings', usage: { prompt_tokens: 8, total_tokens: 8 }, expected: { input: 8 } },
};
const responses: UsageSample = {
  operation: 'chat',
  protocol: 'openai-responses',
  usage: {
    input_tokens: 30,
    output_tokens: 20,
    total_tokens: 50,
    input_tokens_details: { cached_tokens: 10 },
    output_tokens_details: { reasoning_tokens: 15 },
  },
  expected: { input: 20, cacheRead: 10, output: 5, reasoning: 15 },
};

const entries = [
  openAi(),
  azureOpenAi({ apiVersion: '2024-10-21' }),
  ...Object.values(vendors).map((vendor) => vendor()),
];

for (const entry of entries) {
  const { speaks } = entry.create(entry.options);
  const served: readonly Operation[] = (['chat', 'completions', 'embeddings'] as const).filter(
    (each) => each in speaks,
  );
  const both = speaks.chat?.includes('openai-responses') === true ? [responses] : [];
  describeProvider(entry, { name: entry.name, samples: [...served.map((operation) => samples[operation]), ...both] });
}

const written = vendors.openRouter({ cacheWrites: true });
describeProvider(written, {
  name: 'openrouter, with what was written to the cache',
  samples: [
    {
      operation: 'chat',
      protocol: 'openai-chat',
      usage: {
        prompt_tokens: 30,
        completion_tokens: 5,
        total_tokens: 35,
        prompt_tokens_details: { cached_tokens: 10, cache_write_tokens: 7 },
      },
      expected: { input: 13, cacheRead: 10, cacheWrite5m: 7, output: 5 },
    },
    {
      operation: 'chat',
      protocol: 'openai-responses',
      usage: { input_tokens: 9, output_tokens: 1, input_tokens_details: { cached_tokens: 1, cache_write_tokens: 8 } },
      expected: { cacheRead: 1, cacheWrite5m: 8, output: 1 },
    },
  ],
});

test('what is not kept is not asked for', () => {
  const keeps = entries.filter((entry) => entry.create(entry.options).storedReplyPath !== undefined);
  const names = keeps.map(({ name }) => name).toSorted();
  expect(names).toEqual(['azure-openai', 'bedrock-openai', 'lmstudio', 'openai', 'xai']);
});

test('every vendor has a name of its own', () => {
  expect(new Set(entries.map(({ name }) => name)).size).toBe(entries.length);
});

test('Azure asks a deployment by its path where a version is named, and by its body where none is', () => {
  const call = { operation: 'chat', protocol: 'openai-chat', model: 'my gpt', stream: false } as const;
  const versioned = azureOpenAi({ apiVersion: '2024-10-21' });
  expect(versioned.create(versioned.options).address(call, 'k')).toEqual({
    path: '/deployments/my%20gpt/chat/completions',
    query: 'api-version=2024-10-21',
    headers: [['api-key', 'k']],
  });
  const plain = azureOpenAi();
  expect(plain.create(plain.options).address(call, 'k')).toMatchObject({ path: '/chat/completions', query: '' });
});
