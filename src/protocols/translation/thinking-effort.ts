// Between words for effort and numbers of tokens. No vendor states the relation: these are the steps in the middle of
// what they document, and each but the last maps back to the word that it came from.

import type { Carriage } from '../../plugin/codec.ts';
import type { ThinkingSettings } from '../../plugin/conversation.ts';

export type Effort = NonNullable<ThinkingSettings['effort']>;

const budgets: Readonly<Record<Effort, number>> = {
  minimal: 1_024,
  low: 4_096,
  medium: 12_288,
  high: 24_576,
  xhigh: 32_768,
  max: 65_536,
};

export const budgetOf = (effort: Effort): number => budgets[effort];

/** Undefined for a word that is no effort. */
export function effortOfWord(word: string | undefined): Effort | undefined {
  switch (word) {
    case 'minimal':
    case 'low':
    case 'medium':
    case 'high':
    case 'xhigh':
    case 'max':
      return word;
    default:
      return undefined;
  }
}

/** For a target that is told an effort. A number of tokens becomes one, and that is told: it bounded what is spent. */
export function askedEffort({ effort, budgetTokens }: ThinkingSettings, carriage: Carriage): Effort | undefined {
  if (effort !== undefined || budgetTokens === undefined) return effort;
  carriage.lost('thinking-settings');
  return effortOf(budgetTokens);
}

/** The least effort whose budget is at least that many tokens; never `max`, which few models take. */
function effortOf(budgetTokens: number): Effort {
  if (budgetTokens <= budgets.minimal) return 'minimal';
  if (budgetTokens <= budgets.low) return 'low';
  if (budgetTokens <= budgets.medium) return 'medium';
  return budgetTokens <= budgets.high ? 'high' : 'xhigh';
}
