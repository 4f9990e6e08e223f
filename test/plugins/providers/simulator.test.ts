// The simulator's provider runs the suite that every provider runs.

import { expect, test } from 'bun:test';
import { describeProvider } from 'tollgate/conformance';
import { simulator } from '../../../plugins/providers/simulator.ts';

const usage = {
  prompt_tokens: 9,
  completion_tokens: 5,
  total_tokens: 14,
  prompt_tokens_details: { cached_tokens: 2 },
};

describeProvider(simulator({ baseUrl: 'http://127.0.0.1:9100/v1', faults: true }), {
  name: 'simulator',
  samples: [
    { operation: 'chat', usage, expected: { input: 7, cacheRead: 2, output: 5 } },
    { operation: 'completions', usage, expected: { input: 7, cacheRead: 2, output: 5 } },
    { operation: 'embeddings', usage: { prompt_tokens: 3, total_tokens: 3 }, expected: { input: 3 } },
  ],
});

test('fault models are listed only when asked for', () => {
  const names = (entry: ReturnType<typeof simulator>) => entry.create(entry.options).models.map(({ model }) => model);
  expect(names(simulator())).toEqual(['sim/echo', 'sim/fast', 'sim/embed']);
  expect(names(simulator({ faults: true }))).toContain('sim/u32');
});
