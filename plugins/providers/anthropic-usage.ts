// Reads Anthropic's usage block into disjoint parts. Its input leaves out what was read from the cache and written
// to it, and writes are priced by their lifetime. Source: Anthropic, Messages API, `usage`.

import type { UsageReading } from 'tollgate/plugin';
import { addFlag, asBlock, optionalCount, requiredCount, within } from './usage-counts.ts';
import type { Block } from './usage-counts.ts';

interface Counts {
  readonly input: number;
  readonly cacheRead: number;
  readonly cacheWrite5m: number;
  readonly cacheWrite1h: number;
  readonly output: number;
}

function countsOf(block: Block, flags: string[]): Counts {
  const written = optionalCount(block.cache_creation_input_tokens, flags);
  const byLifetime = asBlock(block.cache_creation);
  const cacheWrite1h = within(
    optionalCount(byLifetime?.ephemeral_1h_input_tokens, flags),
    Math.max(written, optionalCount(byLifetime?.ephemeral_1h_input_tokens, [])),
    flags,
    'cache-write-above-total',
  );
  const stated5m = optionalCount(byLifetime?.ephemeral_5m_input_tokens, flags);
  return {
    input: requiredCount(block.input_tokens, flags, 'input-missing'),
    cacheRead: optionalCount(block.cache_read_input_tokens, flags),
    // What is not said to last for an hour lasts for five minutes.
    cacheWrite5m: Math.max(stated5m, written - cacheWrite1h, 0),
    cacheWrite1h,
    output: requiredCount(block.output_tokens, flags, 'output-missing'),
  };
}

/**
 * `undefined` if this is not a usage block. The top level leaves out compactions and advisors, which are billed: they
 * stand in `iterations` alone. A declined attempt of a fallback is listed there, too, and not billed.
 */
export function readAnthropicUsage(raw: unknown): UsageReading | undefined {
  const block = asBlock(raw);
  if (!block || (block.input_tokens === undefined && block.output_tokens === undefined)) return undefined;
  const flags: string[] = [];
  let { input, cacheRead, cacheWrite5m, cacheWrite1h, output } = countsOf(block, flags);
  const thinking = optionalCount(asBlock(block.output_tokens_details)?.thinking_tokens, flags);
  const reasoning = within(thinking, output, flags, 'reasoning-above-output');
  output -= reasoning;
  for (const iteration of Array.isArray(block.iterations) ? block.iterations : []) {
    const each = asBlock(iteration);
    if (each === undefined || each.type === 'message' || each.type === 'fallback_message') continue;
    const counts = countsOf(each, flags);
    input += counts.input;
    cacheRead += counts.cacheRead;
    cacheWrite5m += counts.cacheWrite5m;
    cacheWrite1h += counts.cacheWrite1h;
    output += counts.output;
    addFlag(flags, 'iterations-added');
    // It ran on another model, whose price this request was not admitted at.
    if (typeof each.model === 'string') addFlag(flags, 'other-model');
  }
  // What the vendor prices otherwise than the list: it is charged by the list, and told.
  if (block.speed === 'fast') addFlag(flags, 'speed-fast');
  if (block.service_tier === 'priority') addFlag(flags, 'tier-priority');
  if (block.inference_geo === 'us') addFlag(flags, 'geo-us');
  const searches = optionalCount(asBlock(block.server_tool_use)?.web_search_requests, flags);
  return { parts: { input, cacheRead, cacheWrite5m, cacheWrite1h, output, reasoning, toolCalls: searches }, flags };
}
