// Between words for effort and numbers of tokens. No vendor states the relation: these are the steps in the middle of
// what they document, and each but the last maps back to the word that it came from.

import type { Carriage, EffortWord } from '../../plugin/codec.ts';
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

/** Least first. */
const scale: readonly Effort[] = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'];

export const budgetOf = (effort: Effort): number => budgets[effort];

/** Undefined for a word that is no effort. */
export const effortOfWord = (word: string | undefined): Effort | undefined => scale.find((effort) => effort === word);

/**
 * For a target that is told an effort in a word. What it is not told as it was asked for is listed; so is a number of
 * tokens that becomes a word, since it bounded what is spent. Undefined: nothing is to be said.
 */
export function askedEffort(
  { mode, effort, budgetTokens }: ThinkingSettings,
  taken: readonly EffortWord[],
  carriage: Carriage,
): EffortWord | undefined {
  const counted = effort === undefined && budgetTokens !== undefined ? effortOf(budgetTokens) : undefined;
  const asked = mode === 'off' ? 'none' : (effort ?? counted);
  if (asked === undefined) return undefined;
  const told = nearest(asked, taken);
  if (told !== asked || (counted !== undefined && mode !== 'off')) carriage.lost('thinking-settings');
  return told;
}

/** Whoever wants some thinking is not given none, nor more than they asked for where less is as near. */
function nearest(asked: EffortWord, taken: readonly EffortWord[]): EffortWord | undefined {
  if (taken.includes(asked)) return asked;
  const place = asked === 'none' ? 0 : scale.indexOf(asked);
  let best: Effort | undefined;
  let least = scale.length;
  for (const [at, effort] of scale.entries()) {
    if (!taken.includes(effort) || Math.abs(at - place) >= least) continue;
    best = effort;
    least = Math.abs(at - place);
  }
  return best;
}

/** The least effort whose budget is at least that many tokens; never `max`, which few models take. */
const effortOf = (budgetTokens: number): Effort =>
  scale.find((effort) => effort === 'xhigh' || budgetTokens <= budgets[effort]) ?? 'xhigh';
