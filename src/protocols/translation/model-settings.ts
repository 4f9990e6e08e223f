// What a request asks of its model, as far as models differ in whether they take it.

import type { Carriage, Dialect, EffortWord, Sampling } from '../../plugin/codec.ts';
import type { Conversation, ThinkingSettings, ToolChoice } from '../../plugin/conversation.ts';
import { askedEffort } from './thinking-effort.ts';

/** The answer must be a call. */
export const demandsCall = (choice: ToolChoice | undefined): boolean =>
  choice?.kind === 'required' || choice?.kind === 'tool' || (choice?.kind === 'allowed' && choice.mode === 'required');

/** `thinks`: whether the request as it is written asks for thinking; undefined where it says nothing of it. */
export function takesSampling(sampling: Sampling, thinks: boolean | undefined): boolean {
  switch (sampling) {
    case 'always':
      return true;
    case 'unless-thinking':
      return thinks !== true;
    case 'only-at-rest':
      return thinks === false;
    case 'never':
      return false;
  }
}

/** The word of effort that OpenAI's protocols say. Undefined: nothing, which is to think as the model sees fit. */
export function openAiEffort(thinking: ThinkingSettings, dialect: Dialect, carriage: Carriage): EffortWord | undefined {
  if (dialect.thinking === 'effort') return askedEffort(thinking, dialect.efforts, carriage);
  // A model that takes nothing but not to think is off already.
  const off = thinking.mode === 'off' && dialect.efforts.every((word) => word === 'none');
  if (!off) carriage.lost('thinking-settings');
  return undefined;
}

/** OpenAI's settings of how a token is drawn. What is left out is listed, unless it says no more than the default. */
export function openAiSampling(
  conversation: Conversation,
  { sampling }: Dialect,
  thinks: boolean | undefined,
  carriage: Carriage,
): Pick<Conversation, 'temperature' | 'topP' | 'logprobs' | 'presencePenalty' | 'frequencyPenalty' | 'logitBias'> {
  if (sampling === 'always') return conversation;
  // Models that think take these at no time.
  if (conversation.presencePenalty || conversation.frequencyPenalty) carriage.lost('penalties');
  if (conversation.logitBias !== undefined) carriage.lost('logit-bias');
  const { temperature, topP, logprobs } = conversation;
  if (takesSampling(sampling, thinks)) return { temperature, topP, logprobs };
  if (temperature !== undefined && temperature !== 1) carriage.lost('temperature');
  if (topP !== undefined && topP !== 1) carriage.lost('top-p');
  if (logprobs !== undefined) carriage.lost('logprobs');
  return {};
}
