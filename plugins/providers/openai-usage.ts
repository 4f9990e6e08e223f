// Reads an OpenAI usage block into disjoint parts. OpenAI counts cached tokens inside the prompt and
// reasoning inside the completion, so both are taken out here: for a well-formed block the parts sum to
// prompt plus completion. What cannot be read is zero and flagged; nothing is ever negative, fractional or
// thrown.

import type { UsageReading } from 'tollgate/plugin';
import { asBlock, checkTotal, optionalCount, requiredCount, within } from './usage-counts.ts';
import type { Block } from './usage-counts.ts';

/** How a vendor's block differs from OpenAI's own. */
export interface UsageRules {
  /**
   * `within`: reasoning tokens are part of `completion_tokens` (OpenAI). `beside`: they come on top (xAI's
   * chat).
   */
  readonly reasoning: 'within' | 'beside';
  /**
   * Split what was written to the cache into a part of its own, which some bill above input; otherwise it stays in it.
   */
  readonly cacheWrites?: boolean;
  /** Split audio tokens into parts of their own; otherwise they stay in input and output. */
  readonly audio: boolean;
  /**
   * `within`: audio tokens are part of `prompt_tokens` (OpenAI). `beside`: they come on top (Mistral's Voxtral), and
   * the total shows it.
   */
  readonly audioInput?: 'within' | 'beside';
  /** What the total has beyond prompt and completion is thinking, stated nowhere else (Gemini's own endpoint). */
  readonly hiddenThinking?: boolean;
}

/** What of the fresh input was written to the cache, as far as it is a part of its own. */
function cacheWritten(details: Block | undefined, fresh: number, rules: UsageRules, flags: string[]): number {
  if (rules.cacheWrites !== true) return 0;
  return within(optionalCount(details?.cache_write_tokens, flags), fresh, flags, 'cache-write-above-input');
}

/** True if it has any of the fields that make a usage block. */
function isUsageBlock(block: Block): boolean {
  return block.prompt_tokens !== undefined || block.completion_tokens !== undefined || block.total_tokens !== undefined;
}

/** Chat and legacy completions. `undefined` if this is not a usage block. */
export function readGenerationUsage(raw: unknown, rules: UsageRules): UsageReading | undefined {
  const block = asBlock(raw);
  if (!block || !isUsageBlock(block)) return undefined;
  const flags: string[] = [];
  const prompt = requiredCount(block.prompt_tokens, flags, 'input-missing');
  const completion = requiredCount(block.completion_tokens, flags, 'output-missing');
  const inputDetails = asBlock(block.prompt_tokens_details);
  const outputDetails = asBlock(block.completion_tokens_details);

  // Moonshot and Together put the cached count on the block itself, DeepSeek under a name of its own.
  const cachedStated = inputDetails?.cached_tokens ?? block.cached_tokens ?? block.prompt_cache_hit_tokens;
  const cacheRead = within(optionalCount(cachedStated, flags), prompt, flags, 'cached-above-input');
  const reasoningStated = optionalCount(outputDetails?.reasoning_tokens, flags);
  const beside = rules.reasoning === 'beside';
  const reasoning = beside ? reasoningStated : within(reasoningStated, completion, flags, 'reasoning-above-output');
  let output = beside ? completion : completion - reasoning;
  const audioBeside = rules.audioInput === 'beside' ? optionalCount(inputDetails?.audio_tokens, flags) : 0;
  const cacheWrite5m = cacheWritten(inputDetails, prompt - cacheRead, rules, flags);
  const written = rules.cacheWrites === true ? { cacheWrite5m } : {};
  let input = prompt - cacheRead - cacheWrite5m + audioBeside;
  const stated = prompt + audioBeside + completion + (beside ? reasoning : 0);
  const hidden = rules.hiddenThinking === true ? aboveStated(block.total_tokens, stated) : 0;
  checkTotal(block.total_tokens, stated + hidden, flags);
  if (!rules.audio) return { parts: { input, cacheRead, ...written, output, reasoning: reasoning + hidden }, flags };

  const audioInput = within(optionalCount(inputDetails?.audio_tokens, flags), input, flags, 'audio-above-input');
  const audioOutput = within(optionalCount(outputDetails?.audio_tokens, flags), output, flags, 'audio-above-output');
  input -= audioInput;
  output -= audioOutput;
  const parts = { input, cacheRead, ...written, audioInput, output, reasoning: reasoning + hidden, audioOutput };
  return { parts, flags };
}

/** What a total has beyond what is stated. */
function aboveStated(total: unknown, stated: number): number {
  return typeof total === 'number' && Number.isSafeInteger(total) && total > stated ? total - stated : 0;
}

/** Responses: cached tokens and reasoning stand within input and output. `undefined` if this is not a usage block. */
export function readResponsesUsage(raw: unknown, rules: UsageRules): UsageReading | undefined {
  const block = asBlock(raw);
  if (!block || (block.input_tokens === undefined && block.output_tokens === undefined)) return undefined;
  const flags: string[] = [];
  const inputTotal = requiredCount(block.input_tokens, flags, 'input-missing');
  const outputTotal = requiredCount(block.output_tokens, flags, 'output-missing');
  const inputDetails = asBlock(block.input_tokens_details);
  const outputDetails = asBlock(block.output_tokens_details);
  const cacheRead = within(optionalCount(inputDetails?.cached_tokens, flags), inputTotal, flags, 'cached-above-input');
  const reasoningStated = optionalCount(outputDetails?.reasoning_tokens, flags);
  const reasoning = within(reasoningStated, outputTotal, flags, 'reasoning-above-output');
  const cacheWrite5m = cacheWritten(inputDetails, inputTotal - cacheRead, rules, flags);
  checkTotal(block.total_tokens, inputTotal + outputTotal, flags);
  return {
    parts: {
      input: inputTotal - cacheRead - cacheWrite5m,
      cacheRead,
      ...(rules.cacheWrites === true ? { cacheWrite5m } : {}),
      output: outputTotal - reasoning,
      reasoning,
    },
    flags,
  };
}

/** Embeddings: input only. `undefined` if this is not a usage block. */
export function readEmbeddingUsage(raw: unknown): UsageReading | undefined {
  const block = asBlock(raw);
  if (!block || !isUsageBlock(block)) return undefined;
  const flags: string[] = [];
  const input = requiredCount(block.prompt_tokens, flags, 'input-missing');
  checkTotal(block.total_tokens, input, flags);
  return { parts: { input }, flags };
}
