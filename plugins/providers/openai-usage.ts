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
  let input = prompt - cacheRead + audioBeside;
  const stated = prompt + audioBeside + completion + (beside ? reasoning : 0);
  const hidden = rules.hiddenThinking === true ? aboveStated(block.total_tokens, stated) : 0;
  checkTotal(block.total_tokens, stated + hidden, flags);
  if (!rules.audio) return { parts: { input, cacheRead, output, reasoning: reasoning + hidden }, flags };

  const audioInput = within(optionalCount(inputDetails?.audio_tokens, flags), input, flags, 'audio-above-input');
  const audioOutput = within(optionalCount(outputDetails?.audio_tokens, flags), output, flags, 'audio-above-output');
  input -= audioInput;
  output -= audioOutput;
  return { parts: { input, cacheRead, audioInput, output, reasoning: reasoning + hidden, audioOutput }, flags };
}

/** What a total has beyond what is stated. */
function aboveStated(total: unknown, stated: number): number {
  return typeof total === 'number' && Number.isSafeInteger(total) && total > stated ? total - stated : 0;
}

/** Responses: cached tokens and reasoning stand within input and output. `undefined` if this is not a usage block. */
export function readResponsesUsage(raw: unknown): UsageReading | undefined {
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
  checkTotal(block.total_tokens, inputTotal + outputTotal, flags);
  return {
    parts: { input: inputTotal - cacheRead, cacheRead, output: outputTotal - reasoning, reasoning },
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
