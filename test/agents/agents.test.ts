// Each agent on an upstream of its own protocol, as part of the suite; `agents.ts` crosses them, too.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { agents } from './agent-commands.ts';
import type { Agent } from './agent-commands.ts';
import { modelOn, startProtocolUpstreams, upstreamProtocols } from '../support/protocol-upstreams.ts';
import { installAgents, runAgent } from './run-agent.ts';

setDefaultTimeout(120_000);

const own: Readonly<Record<string, (typeof upstreamProtocols)[number]>> = {
  '@anthropic-ai': 'anthropic-messages',
  '@openai': 'openai-responses',
  '@google': 'gemini-generate',
  'opencode-linux-x64': 'openai-chat',
};
const fetched = installAgents();
const chosen = agents.filter(({ program }, index) => agents.findIndex((each) => each.program === program) === index);
const upstreamOf = ({ program }: Agent) => own[program.split('/')[0] ?? ''] ?? 'openai-chat';

test.skipIf(!fetched)('there are four agents, each with an upstream (skipped without a network)', () => {
  expect(chosen.map(upstreamOf).toSorted()).toEqual([...upstreamProtocols].toSorted());
});

describe.skipIf(!fetched)('agents (skipped without a network: they come from the package registry)', () => {
  let gateway: Awaited<ReturnType<typeof startProtocolUpstreams>>;
  beforeAll(async () => {
    gateway = await startProtocolUpstreams();
  });
  afterAll(() => gateway.stop());

  test.each(chosen)('$name does its task, with two calls at once', async (agent) => {
    const model = modelOn(upstreamOf(agent));
    const { url, apiKey } = gateway;
    expect(await runAgent(agent, { url, apiKey, model })).toBe('ok');
  });
});
