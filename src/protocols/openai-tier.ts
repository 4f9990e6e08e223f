// OpenAI's words for how fast a request is served. Another vendor's word means nothing to it, and would be refused.

import type { Carriage } from '../plugin/codec.ts';

const tiers: ReadonlySet<string> = new Set(['auto', 'default', 'flex', 'scale', 'priority']);

export function openAiTier(tier: string | undefined, carriage: Carriage): string | undefined {
  if (tier === undefined || tiers.has(tier)) return tier;
  carriage.lost('service-tier');
  return undefined;
}
