// Tollgate with an upstream of another protocol behind its chat clients: what a translated stream costs, beside the
// bare pass-through of one that needs none.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bar, TargetFigures } from './report.ts';
import { startTollgate } from './tollgate-target.ts';
import type { Target, Upstream } from './targets.ts';

const providers = {
  'anthropic-messages': 'anthropic()',
  'openai-responses': "named('responses', openAiCompatible({ chat: ['openai-responses'] }))",
  'gemini-generate': 'gemini()',
} as const;
type Translated = keyof typeof providers;

const names: Readonly<Record<Translated, string>> = {
  'anthropic-messages': 'anthropic',
  'openai-responses': 'responses',
  'gemini-generate': 'gemini',
};
const TRANSLATED_MAX = 2;
const isTranslated = (name: string): boolean => name.startsWith('to ');

const configText = (protocol: Translated, origin: string): string => `
import { defineGateway, fromEnvironment, named } from 'tollgate/plugin';
import { anthropic, gemini, openAiCompatible, termsAcceptance, tokenPrice, weighted } from 'tollgate/plugins';

void [anthropic, gemini, openAiCompatible, named];
export default defineGateway({
  providers: [${providers[protocol]}],
  routing: [weighted()],
  billing: [tokenPrice()],
  policies: [],
  upstreams: [{ name: 'mock', provider: '${names[protocol]}', baseUrl: '${origin}/v1', addresses: 'any', credential: fromEnvironment('OPENAI_API_KEY') }],
  models: [{
    name: 'gpt-4o-mini', operations: ['chat'], contextTokens: 1_047_576, outputTokensMax: 16_384,
    price: { currency: 'USD', rates: { input: 150_000n, cacheRead: 75_000n, cacheWrite5m: 1n, cacheWrite1h: 1n, output: 600_000n, toolCalls: 1n } },
    offers: [{ upstream: 'mock' }],
  }],
});
`;

export async function startTranslated(executable: string, upstream: Upstream): Promise<readonly Target[]> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-bench-config-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const targets: Target[] = [];
  for (const protocol of ['anthropic-messages', 'openai-responses', 'gemini-generate'] as const) {
    const file = join(folder, `${names[protocol]}.config.ts`);
    writeFileSync(file, configText(protocol, upstream.origin));
    const name = `to ${names[protocol]}`;
    targets.push(await startTollgate(executable, upstream, { name, argv: ['--config', file], preset: false }));
  }
  return targets;
}

export function translatedBars(figures: readonly TargetFigures[]): readonly Bar[] {
  return figures
    .filter(({ name }) => isTranslated(name))
    .map(({ name, cpuRatio }) => ({
      what: `CPU per chunk, chat ${name}, / bare`,
      value: cpuRatio,
      limit: TRANSLATED_MAX,
      kind: 'at most',
      unit: 'x',
    }));
}
