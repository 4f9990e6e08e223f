// Each agent on an upstream of its own protocol, as part of the suite; `agents.ts` crosses them, too.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { agents } from './agent-commands.ts';
import { startAgentGateway } from './agent-gateway.ts';
import { installAgents, runAgent } from './run-agent.ts';

setDefaultTimeout(120_000);

const own: Readonly<Record<string, string>> = {
  '@anthropic-ai': 'to-anthropic-messages',
  '@openai': 'to-openai-responses',
  '@google': 'to-gemini-generate',
  'opencode-linux-x64': 'to-openai-chat',
};
const fetched = installAgents();
const [chosen] = [
  agents.filter(({ program }, index) => agents.findIndex((each) => each.program === program) === index),
];

// They come from the package registry.
if (!fetched) test.skip('agents (skipped without a network: they cannot be fetched)', () => {});

describe.skipIf(!fetched)('agents (skipped without a network)', () => {
  let gateway: Awaited<ReturnType<typeof startAgentGateway>>;
  beforeAll(async () => {
    gateway = await startAgentGateway();
  });
  afterAll(() => gateway.stop());

  test.each(chosen)('$name does its task, with two calls at once', async (agent) => {
    const model = own[agent.program.split('/')[0] ?? ''] ?? '';
    const { url, apiKey } = gateway;
    expect(await runAgent(agent, { url, apiKey, model })).toBe('ok');
  });
});
