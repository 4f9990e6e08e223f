// OpenAI's usage block for chat, out of disjoint parts: its totals hold everything, its details say how much of it.

import type { JsonObject } from '../../plugin/conversation.ts';
import type { UsageParts } from '../../plugin/usage.ts';

export function chatUsage(usage: UsageParts): JsonObject {
  const cached = usage.cacheRead ?? 0;
  const written = (usage.cacheWrite5m ?? 0) + (usage.cacheWrite1h ?? 0);
  const audioIn = usage.audioInput ?? 0;
  const prompt = (usage.input ?? 0) + cached + written + audioIn + (usage.imageInput ?? 0);
  const reasoning = usage.reasoning ?? 0;
  const audioOut = usage.audioOutput ?? 0;
  const completion = (usage.output ?? 0) + reasoning + audioOut + (usage.imageOutput ?? 0);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: {
      cached_tokens: cached,
      audio_tokens: audioIn,
      ...(written > 0 ? { cache_write_tokens: written } : {}),
    },
    completion_tokens_details: {
      reasoning_tokens: reasoning,
      audio_tokens: audioOut,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}
