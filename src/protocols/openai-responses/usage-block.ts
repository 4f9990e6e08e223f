// The usage block of a response, out of disjoint parts.

import type { JsonObject } from '../../plugin/conversation.ts';
import type { UsageParts } from '../../plugin/usage.ts';

export function responseUsage(usage: UsageParts): JsonObject {
  const cached = usage.cacheRead ?? 0;
  const written = (usage.cacheWrite5m ?? 0) + (usage.cacheWrite1h ?? 0);
  const input = (usage.input ?? 0) + cached + written + (usage.audioInput ?? 0) + (usage.imageInput ?? 0);
  const reasoning = usage.reasoning ?? 0;
  const output = (usage.output ?? 0) + reasoning + (usage.audioOutput ?? 0) + (usage.imageOutput ?? 0);
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: cached, cache_write_tokens: written },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: input + output,
  };
}
