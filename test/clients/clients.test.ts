// Unmodified clients against the executable: each on an upstream of its own protocol and on one of every other, whole
// and streamed, with two tools that are called at once.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { field } from '../support/gateway.ts';
import { modelOn, startProtocolUpstreams, upstreamProtocols } from '../support/protocol-upstreams.ts';
import { greeting } from './client.ts';
import type { Client } from './client.ts';
import { frameworkClients } from './framework-clients.ts';
import { openAiClients } from './openai-clients.ts';
import { anthropicClients, geminiClients } from './vendor-clients.ts';

setDefaultTimeout(30_000);

/** The version that is installed. */
function versionOf(name: string): string {
  const text = readFileSync(join(import.meta.dir, '../../node_modules', name, 'package.json'), 'utf8');
  return String(field(JSON.parse(text), 'version'));
}

const versions = Object.fromEntries(
  [
    'ai',
    '@ai-sdk/openai',
    '@ai-sdk/anthropic',
    '@ai-sdk/google',
    '@ai-sdk/openai-compatible',
    '@langchain/openai',
    '@langchain/anthropic',
    '@langchain/google-genai',
    '@openrouter/sdk',
  ].map((name) => [name, versionOf(name)]),
);

const clients = [
  ...openAiClients(versionOf('openai'), versionOf('openai-6')),
  ...anthropicClients(versionOf('@anthropic-ai/sdk'), versionOf('anthropic-sdk-0')),
  ...geminiClients(versionOf('@google/genai'), versionOf('genai-2')),
  ...frameworkClients(versions),
];

function tokensSeen(client: Client, upstream: string, stream: boolean): number | undefined {
  const tokens = Math.ceil(Buffer.byteLength(greeting) / 4);
  if (!stream || client.streamedUsage === undefined) return tokens;
  if (client.streamedUsage === 'unasked') return undefined;
  return upstream === 'anthropic-messages' ? tokens : 0;
}

let gateway: Awaited<ReturnType<typeof startProtocolUpstreams>>;
beforeAll(async () => {
  gateway = await startProtocolUpstreams();
});
afterAll(() => gateway.stop());

for (const client of clients) {
  describe(client.name, () => {
    for (const upstream of upstreamProtocols) {
      for (const stream of [false, true]) {
        const how = `on ${upstream}, ${stream ? 'streamed' : 'whole'}`;
        const target = () => ({ url: gateway.url, apiKey: gateway.apiKey, model: modelOn(upstream) });

        test(`says and counts ${how}`, async () => {
          const { text, inputTokens } = await client.say(target(), stream);
          expect(text).toBe(greeting);
          expect(inputTokens).toBe(tokensSeen(client, upstream, stream));
        });

        test(`calls two tools at once and goes on ${how}`, async () => {
          const { called, text } = await client.round(target(), stream);
          expect(called).toEqual(['weather', 'clock']);
          expect(text).toContain('noon');
        });
      }
    }
  });
}
