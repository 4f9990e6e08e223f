// Reads an OpenAI usage block into disjoint parts. OpenAI counts cached tokens inside the prompt and
// reasoning inside the completion, so both are taken out here: for a well-formed block the parts sum to
// prompt plus completion. What cannot be read is zero and flagged; nothing is ever negative, fractional or
// thrown.

import type { UsageReading } from 'tollgate/plugin';

/** How a vendor's block differs from OpenAI's own. */
export interface UsageRules {
  /**
   * `within`: reasoning tokens are part of `completion_tokens` (OpenAI). `beside`: they come on top (xAI's
   * chat).
   */
  readonly reasoning: 'within' | 'beside';
  /** Split audio tokens into parts of their own; otherwise they stay in input and output. */
  readonly audio: boolean;
}

type Block = Readonly<Record<string, unknown>>;

function isBlock(value: unknown): value is Block {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asBlock(value: unknown): Block | undefined {
  return isBlock(value) ? value : undefined;
}

function addFlag(flags: string[], flag: string): void {
  if (!flags.includes(flag)) flags.push(flag);
}

/**
 * A count as it stands; zero and a flag for whatever is none. 1e308 is an integer to JavaScript: it is too
 * large.
 */
function readCount(value: unknown, flags: string[]): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) addFlag(flags, 'not-an-integer');
  else if (value < 0) addFlag(flags, 'negative');
  else if (value > Number.MAX_SAFE_INTEGER) addFlag(flags, 'too-large');
  else return value === 0 ? 0 : value; // also turns -0 into 0
  return 0;
}

/** A count that every block must have. */
function requiredCount(value: unknown, flags: string[], missing: string): number {
  if (value !== undefined && value !== null) return readCount(value, flags);
  addFlag(flags, missing);
  return 0;
}

/** A count that honest vendors leave out or set to null. */
function optionalCount(value: unknown, flags: string[]): number {
  return value === undefined || value === null ? 0 : readCount(value, flags);
}

/** `count`, but no more than what it is a part of. */
function within(count: number, whole: number, flags: string[], flag: string): number {
  if (count <= whole) return count;
  addFlag(flags, flag);
  return whole;
}

function checkTotal(total: unknown, sum: number, flags: string[]): void {
  if (total === undefined || total === null) return;
  const before = flags.length;
  const count = readCount(total, flags);
  if (flags.length === before && count !== sum) addFlag(flags, 'total-differs');
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
  let input = prompt - cacheRead;
  checkTotal(block.total_tokens, prompt + completion + (beside ? reasoning : 0), flags);
  if (!rules.audio) return { parts: { input, cacheRead, output, reasoning }, flags };

  const audioInput = within(optionalCount(inputDetails?.audio_tokens, flags), input, flags, 'audio-above-input');
  const audioOutput = within(optionalCount(outputDetails?.audio_tokens, flags), output, flags, 'audio-above-output');
  input -= audioInput;
  output -= audioOutput;
  return { parts: { input, cacheRead, audioInput, output, reasoning, audioOutput }, flags };
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
