// Anthropic's usage block: put together from the two events that state it, and written out of disjoint parts.

import type { JsonObject } from '../../plugin/conversation.ts';
import type { UsageParts } from '../../plugin/usage.ts';

/** Members that are kept: some dozen are known. What grows with every event is not copied with every event. */
const membersMax = 64;

/** The later event repeats the counts, cumulative: they replace what stood, and are never added. */
export function mergedUsage(before: JsonObject, later: JsonObject): JsonObject {
  const merged = new Map(Object.entries(before));
  for (const [name, value] of Object.entries(later)) {
    if (value !== null && (merged.size < membersMax || merged.has(name))) merged.set(name, value);
  }
  return Object.fromEntries(merged);
}

export function messagesUsage(usage: UsageParts): JsonObject {
  const fiveMinutes = usage.cacheWrite5m ?? 0;
  const hour = usage.cacheWrite1h ?? 0;
  const reasoning = usage.reasoning ?? 0;
  return {
    input_tokens: (usage.input ?? 0) + (usage.audioInput ?? 0) + (usage.imageInput ?? 0),
    cache_creation_input_tokens: fiveMinutes + hour,
    cache_read_input_tokens: usage.cacheRead ?? 0,
    cache_creation: { ephemeral_5m_input_tokens: fiveMinutes, ephemeral_1h_input_tokens: hour },
    output_tokens: (usage.output ?? 0) + reasoning + (usage.audioOutput ?? 0) + (usage.imageOutput ?? 0),
    output_tokens_details: reasoning > 0 ? { thinking_tokens: reasoning } : null,
    server_tool_use: null,
  };
}

/** Stands in a message alone, and not in its end's event. */
export const servedHow: JsonObject = { service_tier: 'standard', inference_geo: null, speed: null };

/** Members of a message that are there whenever nothing is to be said of them. */
export const unsaid: JsonObject = { stop_details: null, container: null, diagnostics: null };
