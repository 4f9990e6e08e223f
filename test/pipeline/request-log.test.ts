// The log of requests: off unless asked for, one line each, ids and figures, never words.

import { expect, test } from 'bun:test';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';

const PROMPT = 'words-that-no-log-holds';
const calls = async (gateway: TestGateway): Promise<readonly Record<string, unknown>[]> => {
  const body = { model: 'sim/fast', messages: [{ role: 'user', content: PROMPT }] };
  await gateway.client('/chat/completions', body);
  await (await gateway.client('/chat/completions', { ...body, stream: true })).text();
  await gateway.client('/chat/completions', { ...body, model: 'nobody"has\nthis' });
  return gateway.log
    .map((line): Record<string, unknown> => JSON.parse(line))
    .filter(({ event }) => String(event).startsWith('request'));
};

test('is off by default', async () => {
  const gateway = await startTestGateway();
  expect(await calls(gateway)).toEqual([]);
  await gateway.stop();
});

test('has one line for each request, after its settlement', async () => {
  const gateway = await startTestGateway({ argv: ['--log-requests'] });
  const lines = await calls(gateway);
  expect(lines.map(({ event }) => event)).toEqual(['request', 'request', 'request-refused']);
  expect(lines[1]).toMatchObject({
    level: 'info',
    request: expect.stringMatching(/^req_/),
    account: expect.stringMatching(/^acc_/),
    apiKey: expect.stringMatching(/^key_/),
    protocol: 'openai-chat',
    model: 'sim/fast',
    upstream: 'simulator',
    stream: true,
    status: 200,
    outcome: 'finished',
    attempts: 1,
    inputTokens: expect.any(Number),
    outputTokens: 1,
    chargeNano: expect.stringMatching(/^\d+$/),
    currency: 'USD',
  });
  expect(lines[2]).toMatchObject({ code: 'model_not_found', protocol: 'openai-chat' });
  const text = gateway.log.join('');
  for (const secret of [PROMPT, gateway.apiKey, 'nobody']) expect(text).not.toContain(secret);
  await gateway.stop();
});

test('a level leaves it out, and a level that there is not is refused', async () => {
  const gateway = await startTestGateway({
    argv: ['--log-level', 'error'],
    environment: { TOLLGATE_LOG_REQUESTS: '1' },
  });
  await calls(gateway);
  expect(gateway.log).toEqual([]);
  await gateway.stop();
  await expect(startTestGateway({ argv: ['--log-level', 'loud'] })).rejects.toThrow('choose one of info, warn, error');
});
