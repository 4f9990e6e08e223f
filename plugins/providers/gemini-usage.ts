// Reads Gemini's usageMetadata into disjoint parts. Cached tokens stand within the prompt; what tools put into it,
// and what was thought, stand beside prompt and candidates. Source: Gemini API, `UsageMetadata`.

import type { UsageReading } from 'tollgate/plugin';
import { asBlock, checkTotal, optionalCount, requiredCount, within } from './usage-counts.ts';

/** `undefined` if this is not a usage block. Vertex sends one without any count at the head of a stream. */
export function readGeminiUsage(raw: unknown): UsageReading | undefined {
  const block = asBlock(raw);
  if (!block || (block.promptTokenCount === undefined && block.totalTokenCount === undefined)) return undefined;
  const flags: string[] = [];
  const prompt = requiredCount(block.promptTokenCount, flags, 'input-missing');
  const toolPrompt = optionalCount(block.toolUsePromptTokenCount, flags);
  const cached = optionalCount(block.cachedContentTokenCount, flags);
  const cacheRead = within(cached, prompt, flags, 'cached-above-input');
  // Absent where nothing but thoughts came.
  const output = optionalCount(block.candidatesTokenCount, flags);
  const reasoning = optionalCount(block.thoughtsTokenCount, flags);
  checkTotal(block.totalTokenCount, prompt + toolPrompt + output + reasoning, flags);
  return { parts: { input: prompt - cacheRead + toolPrompt, cacheRead, output, reasoning }, flags };
}
