// The agents' command lines against the executable, each doing one task with two tool calls at once: `bun
// test/agents/agents.ts [--executable dist/tollgate]`. They are fetched from the package registry when first asked for
// (1.1 GB, not part of the project), run in a home of their own, and speak to a simulator through Tollgate: to an
// upstream of their own protocol, and to one of every other.

import { resolve } from 'node:path';
import { agents } from './agent-commands.ts';
import { modelOn, startProtocolUpstreams, upstreamProtocols } from '../support/protocol-upstreams.ts';
import { installAgents, runAgent } from './run-agent.ts';

const at = process.argv.indexOf('--executable');
const executable = resolve(at > 0 ? (process.argv[at + 1] ?? '') : 'dist/tollgate');

if (!installAgents()) {
  console.log('(skip) the agents cannot be fetched: no package registry can be reached');
} else {
  const gateway = await startProtocolUpstreams(executable);
  let failed = 0;
  try {
    for (const agent of agents) {
      for (const model of upstreamProtocols.map(modelOn)) {
        const startedMs = performance.now();
        const verdict = await runAgent(agent, { url: gateway.url, apiKey: gateway.apiKey, model });
        if (verdict !== 'ok') failed += 1;
        const took = `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
        const said = verdict === 'ok' ? '' : `: ${verdict}`;
        console.log(`(${verdict === 'ok' ? 'pass' : 'fail'}) ${agent.name} ${model} ${took}${said}`);
      }
    }
  } finally {
    await gateway.stop();
  }
  console.log(`${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
