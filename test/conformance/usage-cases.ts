// Usage blocks by vendor, with the parts that they come to. Numbers are as seen, where somebody's were.

import type { rates } from './scripted-gateway.ts';

export type Parts = Readonly<Partial<Record<keyof typeof rates, number>>>;
export interface UsageCase {
  readonly name: string;
  readonly model: string;
  readonly usage: object;
  readonly parts: Parts;
  /** What is odd about the block, and stands on the record. */
  readonly flags?: readonly string[];
}

const details = (cached: number, reasoning: number) => ({
  prompt_tokens_details: { cached_tokens: cached },
  completion_tokens_details: { reasoning_tokens: reasoning },
});
export const xaiBlock = { prompt_tokens: 331, completion_tokens: 11, total_tokens: 613, ...details(0, 271) };
export const responsesBlock = (cached: number, reasoning: number) => ({
  input_tokens: 331,
  output_tokens: 282,
  total_tokens: 613,
  input_tokens_details: { cached_tokens: cached },
  output_tokens_details: { reasoning_tokens: reasoning },
});

export const cacheBlock = {
  input_tokens: 10,
  cache_read_input_tokens: 2_000,
  cache_creation_input_tokens: 700,
  cache_creation: { ephemeral_5m_input_tokens: 500, ephemeral_1h_input_tokens: 200 },
  output_tokens: 30,
};

export const chatCases: readonly UsageCase[] = [
  {
    name: '6B.1 xAI chat leaves reasoning out of completion_tokens',
    model: 'xai',
    usage: xaiBlock,
    parts: { input: 331, output: 11, reasoning: 271 },
  },
  {
    name: '6B.1 and OpenAI’s chat holds it within',
    model: 'openai',
    usage: { prompt_tokens: 331, completion_tokens: 282, total_tokens: 613, ...details(0, 271) },
    parts: { input: 331, output: 11, reasoning: 271 },
  },
  {
    name: '6B.2 Grok on Azure: more cached tokens than prompt tokens',
    model: 'azure',
    usage: { prompt_tokens: 202, completion_tokens: 18, total_tokens: 220, ...details(314, 0) },
    parts: { cacheRead: 202, output: 18 },
    flags: ['cached-above-input'],
  },
  {
    name: '6B.4 Gemini’s own OpenAI endpoint: thinking only in the total',
    model: 'gemini-openai',
    usage: { prompt_tokens: 66, completion_tokens: 6, total_tokens: 100 },
    parts: { input: 66, output: 6, reasoning: 28 },
  },
  {
    name: '6B.5 Vercel’s gateway with Gemini: more reasoning than completion',
    model: 'vercel',
    usage: { prompt_tokens: 61, completion_tokens: 14, total_tokens: 75, ...details(0, 43) },
    parts: { input: 61, reasoning: 14 },
    flags: ['reasoning-above-output'],
  },
  {
    name: '6B.6 Voxtral: audio stands outside prompt_tokens',
    model: 'mistral',
    usage: {
      prompt_tokens: 9,
      completion_tokens: 201,
      total_tokens: 585,
      prompt_tokens_details: { cached_tokens: 0, audio_tokens: 375 },
    },
    parts: { input: 384, output: 201 },
  },
  {
    name: '6B.8 OpenAI’s cached tokens are within the prompt',
    model: 'openai',
    usage: { prompt_tokens: 1_200, completion_tokens: 7, total_tokens: 1_207, ...details(1_024, 0) },
    parts: { input: 176, cacheRead: 1_024, output: 7 },
  },
  {
    name: '6B.8 DeepSeek: hits and misses add up to the prompt',
    model: 'deepseek',
    usage: {
      prompt_tokens: 305,
      completion_tokens: 72,
      total_tokens: 377,
      prompt_cache_hit_tokens: 256,
      prompt_cache_miss_tokens: 49,
    },
    parts: { input: 49, cacheRead: 256, output: 72 },
  },
  {
    name: '6B.8 DeepSeek: hits that are also told in OpenAI’s words count once',
    model: 'deepseek',
    usage: {
      prompt_tokens: 305,
      completion_tokens: 72,
      total_tokens: 377,
      prompt_cache_hit_tokens: 256,
      prompt_cache_miss_tokens: 49,
      ...details(256, 14),
    },
    parts: { input: 49, cacheRead: 256, output: 58, reasoning: 14 },
  },
  {
    name: '6B.8 Together: the cached count stands on the block itself',
    model: 'together',
    usage: { prompt_tokens: 41, completion_tokens: 15, total_tokens: 56, cached_tokens: 32 },
    parts: { input: 9, cacheRead: 32, output: 15 },
  },
  {
    name: '6B.8 Mistral’s cached tokens are within the prompt',
    model: 'mistral',
    usage: {
      prompt_tokens: 159,
      completion_tokens: 28,
      total_tokens: 187,
      prompt_tokens_details: { cached_tokens: 128 },
    },
    parts: { input: 31, cacheRead: 128, output: 28 },
  },
  {
    name: '6B.8 OpenRouter’s own cost is no price of ours',
    model: 'openrouter',
    usage: {
      prompt_tokens: 441,
      completion_tokens: 267,
      total_tokens: 708,
      cost: 0.001982,
      is_byok: false,
      cost_details: { upstream_inference_cost: null },
      ...details(153, 199),
    },
    parts: { input: 288, cacheRead: 153, output: 68, reasoning: 199 },
  },
];
export const geminiCases: readonly UsageCase[] = [
  {
    name: '6B.3 thinking and what tools put into the prompt stand beside prompt and candidates',
    model: 'gemini',
    usage: {
      promptTokenCount: 100,
      toolUsePromptTokenCount: 40,
      candidatesTokenCount: 20,
      thoughtsTokenCount: 300,
      totalTokenCount: 460,
    },
    parts: { input: 140, output: 20, reasoning: 300 },
  },
  {
    name: '6B.3 nothing but thoughts came',
    model: 'gemini',
    usage: { promptTokenCount: 100, thoughtsTokenCount: 300, totalTokenCount: 400 },
    parts: { input: 100, reasoning: 300 },
  },
  {
    name: '6B.8 cached tokens are within the prompt',
    model: 'gemini',
    usage: { promptTokenCount: 1_100, cachedContentTokenCount: 1_000, candidatesTokenCount: 5, totalTokenCount: 1_105 },
    parts: { input: 100, cacheRead: 1_000, output: 5 },
  },
];
export const messagesCases: readonly UsageCase[] = [
  {
    name: '6B.7 input leaves out the cache; writes of 5 minutes and of an hour have prices of their own',
    model: 'anthropic',
    usage: cacheBlock,
    parts: { input: 10, cacheRead: 2_000, cacheWrite5m: 500, cacheWrite1h: 200, output: 30 },
  },
  {
    name: '6B.7 writes without a lifetime are of 5 minutes',
    model: 'anthropic',
    usage: { input_tokens: 10, cache_creation_input_tokens: 700, output_tokens: 30 },
    parts: { input: 10, cacheWrite5m: 700, output: 30 },
  },
  {
    name: '6B.10 iterations: a compaction is billed outside the top level',
    model: 'anthropic',
    usage: {
      input_tokens: 500,
      output_tokens: 112,
      iterations: [
        { type: 'compaction', input_tokens: 60_000, output_tokens: 385 },
        { type: 'message', input_tokens: 500, output_tokens: 112 },
      ],
    },
    parts: { input: 60_500, output: 497 },
    flags: ['iterations-added'],
  },
  {
    name: '6B.10 iterations: an advisor ran on another model',
    model: 'anthropic',
    usage: {
      input_tokens: 500,
      output_tokens: 112,
      iterations: [
        { type: 'message', input_tokens: 500, output_tokens: 112 },
        { type: 'advisor_message', model: 'claude-opus-4-8', input_tokens: 2_000, output_tokens: 543 },
      ],
    },
    parts: { input: 2_500, output: 655 },
    flags: ['iterations-added', 'other-model'],
  },
  {
    name: '6B.10 iterations: a declined attempt of a fallback is listed and not billed',
    model: 'anthropic',
    usage: {
      input_tokens: 20,
      output_tokens: 30,
      iterations: [
        { type: 'message', model: 'claude-mythos-5', input_tokens: 20, output_tokens: 4 },
        { type: 'fallback_message', model: 'claude-opus-4-8', input_tokens: 20, output_tokens: 30 },
      ],
    },
    parts: { input: 20, output: 30 },
  },
];
