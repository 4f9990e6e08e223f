// How Claude's models differ, by their names. Sources: Anthropic's "Adaptive thinking", "Effort", "Mid-conversation
// system messages" and the reference of `temperature` ("models released after Opus 4.6"); replies of the API; where the
// pages are silent, what Vercel's and LangChain's packages for Anthropic have by model.

import type { Dialect } from 'tollgate/plugin';

/** `claude-opus-4-6`, `claude-3-7-sonnet-20250219`, `anthropic/claude-sonnet-4.5`: which generation it is of. */
const numbered = /claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)/;
/** They always think: "disabled" is refused. */
const alwaysThinks = /claude-(?:(?:fable|mythos)-5|opus-5[-.]5)(?!\d)/;
/** Told not to think it still may between calls, and has a word of its own for that. */
const thinksBetweenTools = /claude-sonnet-5[-.]5(?!\d)/;
/** "tool_choice" may not demand a call. Anthropic's guides to migrating to these models. */
const callsAsItSeesFit = /claude-(?:(?:opus|sonnet)-5[-.]5|(?:fable|mythos)-5[-.][12])(?!\d)/;
/**
 * Told as far as several sources agree; of Sonnet 5 they do not. At Anthropic alone: clouds that serve the same models
 * were later or refuse it, and call them by other names.
 */
const hearsAmong = /^claude-(?:opus-4-8|(?:opus|fable|mythos)-5|(?:sonnet|haiku)-5-5)(?!\d)/;

/** `elsewhere`: the models are not at Anthropic's own address. */
export function claudeDialect(model: string, elsewhere: boolean): Partial<Dialect> {
  if (!model.includes('claude-')) return {};
  const [, major, minor = '0'] = numbered.exec(model) ?? [];
  const version = major === undefined ? undefined : Number(major) * 100 + Number(minor);
  // They are given a number of tokens to think in; later ones think as they see fit, by an effort.
  if (version !== undefined && version <= 405) return { thinking: 'budget' };
  // "This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium."
  if (version === 406) return { thinking: 'effort', efforts: ['none', 'low', 'medium', 'high', 'max'] };
  return {
    thinking: 'effort',
    sampling: 'never',
    ...(callsAsItSeesFit.test(model) ? { forcedCalls: false } : {}),
    ...(alwaysThinks.test(model) ? { efforts: ['low', 'medium', 'high', 'xhigh', 'max'] } : {}),
    ...(thinksBetweenTools.test(model) ? { notThinking: 'between_tools' } : {}),
    ...(!elsewhere && hearsAmong.test(model) ? { systemAmongTurns: true } : {}),
  };
}
