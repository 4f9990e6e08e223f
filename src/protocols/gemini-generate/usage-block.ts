// Gemini's usage block, out of disjoint parts: what is cached stands within the prompt, what was thought beside the
// candidates.

import type { JsonObject } from '../../plugin/conversation.ts';
import type { UsageParts } from '../../plugin/usage.ts';

export function geminiUsage(usage: UsageParts): JsonObject {
  const cached = usage.cacheRead ?? 0;
  const { imageInput = 0, audioInput = 0, imageOutput = 0, audioOutput = 0, reasoning = 0 } = usage;
  const textIn = (usage.input ?? 0) + cached + (usage.cacheWrite5m ?? 0) + (usage.cacheWrite1h ?? 0);
  const textOut = usage.output ?? 0;
  const prompt = textIn + imageInput + audioInput;
  const candidates = textOut + imageOutput + audioOutput;
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: candidates,
    totalTokenCount: prompt + candidates + reasoning,
    ...(cached > 0 ? { cachedContentTokenCount: cached } : {}),
    ...(reasoning > 0 ? { thoughtsTokenCount: reasoning } : {}),
    ...detailsOf('promptTokensDetails', textIn, imageInput, audioInput),
    ...detailsOf('candidatesTokensDetails', textOut, imageOutput, audioOutput),
  };
}

function detailsOf(name: string, text: number, image: number, audio: number): JsonObject {
  const details = [
    { modality: 'TEXT', tokenCount: text },
    { modality: 'IMAGE', tokenCount: image },
    { modality: 'AUDIO', tokenCount: audio },
  ].filter(({ tokenCount }) => tokenCount > 0);
  return details.length === 0 ? {} : { [name]: details };
}

/** Vertex heads its streams with a block that counts nothing. */
export const hasCounts = (usage: JsonObject): boolean =>
  usage['promptTokenCount'] !== undefined || usage['totalTokenCount'] !== undefined;
