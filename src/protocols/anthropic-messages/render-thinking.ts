// How thinking is asked for, and in what form the answer: both stand in the same fields. Older models are given a
// number of tokens to think in; later ones think as they see fit, by an effort.

import type { Carriage, Dialect, RequestTarget } from '../../plugin/codec.ts';
import type { Conversation, JsonObject, ThinkingSettings } from '../../plugin/conversation.ts';
import { demandsCall } from '../translation/model-settings.ts';
import { askedEffort, budgetOf } from '../translation/thinking-effort.ts';
import type { Effort } from '../translation/thinking-effort.ts';
import { closedSchema } from './closed-schema.ts';
import { mayThink } from './render-messages.ts';

/** Anthropic takes no smaller budget. */
const budgetLeast = 1_024;
/** What is left for the answer where the client set no limit of its own. */
const answerTokens = 4_096;

/** `thinking` and `output_config`, as far as they are to be set. */
export function renderThinking(
  conversation: Conversation,
  { dialect }: RequestTarget,
  limit: number,
  carriage: Carriage,
): { readonly thinking?: JsonObject; readonly output_config?: JsonObject } {
  const { thinking } = conversation;
  const format = renderOutputForm(conversation.outputForm, carriage);
  const shape = format === undefined ? {} : { output_config: { format } };
  if (thinking === undefined) return shape;
  const { mode, shown } = thinking;
  switch (dialect.thinking) {
    case 'effort': {
      const word = askedEffort(thinking, dialect.efforts, carriage);
      const off = word === 'none';
      const effort = off ? restingEffort(thinking.effort, dialect, carriage) : word;
      const config = { ...(effort === undefined ? {} : { effort }), ...(format === undefined ? {} : { format }) };
      // Whoever wants to see thinking wants some.
      const asked = mode !== undefined || word !== undefined || wantsToSee(thinking);
      return {
        ...(asked ? { thinking: off ? { type: dialect.notThinking } : { type: 'adaptive', ...display(shown) } } : {}),
        ...(Object.keys(config).length > 0 ? { output_config: config } : {}),
      };
    }
    case 'budget': {
      if (mode === 'off') return { ...shape, thinking: { type: 'disabled' } };
      const budget = budgetFor(conversation, limit, carriage);
      if (budget === undefined) return shape;
      return { ...shape, thinking: { type: 'enabled', budget_tokens: budget, ...display(shown) } };
    }
    case 'level':
    case 'none':
      // What cannot think is off already.
      if (mode !== 'off') carriage.lost('thinking-settings');
      return shape;
  }
}

const display = (shown: boolean | undefined): JsonObject =>
  shown === undefined ? {} : { display: shown ? 'summarized' : 'omitted' };

const wantsToSee = ({ shown, summary }: ThinkingSettings): boolean => shown === true || summary !== undefined;

/** Between tools a model does not think more than highly. */
function restingEffort(effort: Effort | undefined, { notThinking }: Dialect, carriage: Carriage): Effort | undefined {
  if (notThinking !== 'between_tools' || (effort !== 'xhigh' && effort !== 'max')) return effort;
  carriage.lost('thinking-settings');
  return 'high';
}

/** Tokens to think in; undefined where none are asked for, or none can be given. */
function budgetFor(conversation: Conversation, limit: number, carriage: Carriage): number | undefined {
  const { thinking = {}, toolChoice, turns, outputLimit } = conversation;
  if (thinking.mode === undefined && thinking.effort === undefined && thinking.budgetTokens === undefined) {
    if (wantsToSee(thinking)) carriage.lost('thinking-settings');
    return undefined;
  }
  // A model that is made to call a tool cannot be given time to think, and the call is what the client needs.
  if (demandsCall(toolChoice) || !mayThink(turns)) {
    carriage.lost('thinking-settings');
    return undefined;
  }
  const wanted = thinking.budgetTokens ?? budgetOf(thinking.effort ?? 'medium');
  // It counts within the limit, and something must be left to answer with.
  const room = outputLimit === undefined ? limit - answerTokens : limit - 1;
  const budget = Math.min(Math.max(wanted, budgetLeast), room);
  if (budget !== wanted) carriage.lost('thinking-settings');
  return budget < budgetLeast ? undefined : budget;
}

function renderOutputForm(form: Conversation['outputForm'], carriage: Carriage): JsonObject | undefined {
  switch (form?.kind) {
    case undefined:
    case 'text':
      return undefined;
    case 'json':
      return carriage.refuse('response_format', 'asks for JSON of any form; send the schema that it is to have.');
    case 'schema': {
      const { schema, loosened } = closedSchema(form.schema);
      if (loosened) carriage.lost('schema-strictness');
      return { type: 'json_schema', schema };
    }
  }
}
