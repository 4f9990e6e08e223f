// The executable with a config of four models, each behind a simulator that is asked in one protocol alone.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startExecutable } from './executable.ts';

export const upstreamProtocols = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini-generate'] as const;
/** The model that is served by an upstream of that protocol. */
export const modelOn = (protocol: (typeof upstreamProtocols)[number]): string => `to-${protocol}`;

const config = `import { defineGateway, named, simulatorAddress } from 'tollgate/plugin';
import { simulator, tokenPrice, weighted } from 'tollgate/plugins';

const protocols = ${JSON.stringify(upstreamProtocols)} as const;
const price = { currency: 'USD', rates: { input: 100_000n, cacheRead: 10_000n, output: 400_000n } };

export default defineGateway({
  providers: protocols.map((protocol) => named(protocol, simulator({ protocols: [protocol] }))),
  routing: [weighted()],
  billing: [tokenPrice()],
  policies: [],
  upstreams: protocols.map((name) => ({ name, provider: name, baseUrl: simulatorAddress, addresses: 'any' as const })),
  models: protocols.map((protocol) => ({
    name: \`to-\${protocol}\`,
    operations: ['chat'],
    contextTokens: 1_000_000,
    outputTokensMax: 32_000,
    price,
    offers: [{ upstream: protocol, model: 'sim/fast' }],
  })),
});
`;

/** Of the executable that the project builds, unless another is named. */
export async function startProtocolUpstreams(executable?: string) {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-upstreams-config-'));
  const file = join(folder, 'upstreams.config.ts');
  writeFileSync(file, config);
  const gateway = await startExecutable({
    argv: ['--config', file],
    ...(executable === undefined ? {} : { file: executable }),
  });
  return {
    url: gateway.url,
    apiKey: gateway.apiKey,
    async stop() {
      await gateway.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
