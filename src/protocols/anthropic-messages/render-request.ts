// A request of Anthropic's messages out of the neutral conversation. Source: Anthropic, Messages API of 2023-06-01.

import type { Carriage, Dialect, RequestTarget } from '../../plugin/codec.ts';
import type { Conversation, JsonObject, JsonValue, Tool, ToolChoice } from '../../plugin/conversation.ts';
import { carriedTools } from '../translation/carriage.ts';
import { budgetOf, effortOf } from '../translation/thinking-effort.ts';
import { cacheControl, mayThink, renderMessages, systemBlocks } from './render-messages.ts';

/** Anthropic takes no smaller budget. */
const budgetLeast = 1_024;
/** What is left for the answer where the client set no limit of its own. */
const answerTokens = 4_096;

export function renderRequest(conversation: Conversation, target: RequestTarget, carriage: Carriage): string {
  const { dialect } = target;
  loseUnknown(conversation, carriage);
  if (conversation.choices !== undefined && conversation.choices > 1)
    carriage.refuse('n', 'asks for several choices, and there is only ever one.');
  if (conversation.modalities?.some((each) => each !== 'text') === true)
    carriage.refuse('modalities', 'asks for more than text.');
  const limit = conversation.outputLimit ?? target.outputTokensMax;
  const thinking = renderThinking(conversation, dialect, limit, carriage);
  const thinks = thinking['thinking'] !== undefined && objectType(thinking['thinking']) !== 'disabled';
  const sampled = dialect.sampling && !thinks;
  const system = systemBlocks(conversation.turns, dialect, carriage);
  const body: Record<string, JsonValue | undefined> = {
    model: target.model,
    max_tokens: limit,
    ...(system.length > 0 ? { system } : {}),
    messages: renderMessages(conversation.turns, dialect, carriage),
    ...(target.stream ? { stream: true } : {}),
    ...renderTools(conversation, thinks, carriage),
    ...thinking,
    temperature: sampled
      ? temperatureOf(conversation, carriage)
      : lose(conversation.temperature, 'temperature', carriage),
    // The two together are refused by later models: the first says more.
    top_p:
      sampled && conversation.temperature === undefined
        ? conversation.topP
        : lose(conversation.topP, 'top-p', carriage),
    top_k: sampled ? conversation.topK : lose(conversation.topK, 'top-k', carriage),
    stop_sequences: conversation.stop?.filter((each) => each.trim() !== ''),
    ...(conversation.user === undefined ? {} : { metadata: { user_id: conversation.user } }),
    service_tier: renderTier(conversation.serviceTier, carriage),
  };
  return JSON.stringify(body);
}

const objectType = (value: JsonValue | undefined): JsonValue | undefined =>
  typeof value === 'object' && value !== null && 'type' in value ? value['type'] : undefined;

function lose(value: number | undefined, loss: string, carriage: Carriage): undefined {
  if (value !== undefined) carriage.lost(loss);
  return undefined;
}

function loseUnknown(conversation: Conversation, carriage: Carriage): void {
  if (conversation.minP !== undefined) carriage.lost('min-p');
  if (conversation.seed !== undefined) carriage.lost('seed');
  if (conversation.presencePenalty || conversation.frequencyPenalty) carriage.lost('penalties');
  if (conversation.logitBias !== undefined) carriage.lost('logit-bias');
  if (conversation.logprobs !== undefined) carriage.lost('logprobs');
  if (conversation.verbosity !== undefined) carriage.lost('verbosity');
  if (conversation.metadata !== undefined) carriage.lost('metadata');
  if (conversation.cacheKey !== undefined) carriage.lost('cache-key');
  if (conversation.store === true) carriage.lost('store');
}

/** Anthropic's temperatures end at 1, OpenAI's at 2: half as much would be another temperature. */
function temperatureOf({ temperature }: Conversation, carriage: Carriage): number | undefined {
  if (temperature === undefined || temperature <= 1) return temperature;
  carriage.lost('temperature');
  return undefined;
}

function renderTier(tier: string | undefined, carriage: Carriage): string | undefined {
  if (tier === undefined || tier === 'auto') return tier;
  if (tier === 'default' || tier === 'standard') return 'standard_only';
  carriage.lost('service-tier');
  return undefined;
}

function renderTools(conversation: Conversation, thinks: boolean, carriage: Carriage): JsonObject {
  const carried = carriedTools(conversation, 'anthropic-messages', false, carriage);
  const tools = carried.map((tool) => renderTool(tool, carriage));
  if (tools.length === 0) return {};
  const choice = renderToolChoice(conversation.toolChoice, conversation.parallelToolCalls, thinks, carriage);
  return { tools, ...(choice === undefined ? {} : { tool_choice: choice }) };
}

function renderTool(tool: Tool, carriage: Carriage): JsonValue {
  switch (tool.kind) {
    case 'function': {
      const { name, description, parameters, strict, cache } = tool;
      return {
        name,
        description,
        input_schema: objectSchema(parameters),
        ...(strict === true ? { strict } : {}),
        ...(cache === undefined ? {} : { cache_control: cacheControl(cache) }),
      };
    }
    case 'custom':
      return carriage.refuse('tools', `has the custom tool "${tool.name}", whose input is free text.`);
    case 'native':
      if (tool.protocol === 'anthropic-messages') return tool.value;
      return carriage.refuse('tools', `has "${tool.type}", which runs at another vendor.`);
  }
}

/** A schema must be of an object, and say so. */
function objectSchema(parameters: JsonObject | undefined): JsonObject {
  if (parameters === undefined) return { type: 'object', properties: {} };
  return parameters['type'] === 'object' ? parameters : { ...parameters, type: 'object' };
}

function renderToolChoice(
  choice: ToolChoice | undefined,
  parallel: boolean | undefined,
  thinks: boolean,
  carriage: Carriage,
): JsonObject | undefined {
  const single = parallel === undefined ? {} : { disable_parallel_tool_use: !parallel };
  switch (choice?.kind) {
    case undefined:
      return parallel === false ? { type: 'auto', ...single } : undefined;
    case 'none':
      return { type: 'none' };
    case 'auto':
      return { type: 'auto', ...single };
    case 'required':
    case 'tool':
      // A model that thinks cannot be made to call.
      if (thinks) {
        carriage.lost('tool-choice');
        return { type: 'auto', ...single };
      }
      return choice.kind === 'tool' ? { type: 'tool', name: choice.name, ...single } : { type: 'any', ...single };
    case 'allowed':
      carriage.lost('allowed-tools');
      return { type: choice.mode === 'required' && !thinks ? 'any' : 'auto', ...single };
  }
}

function renderThinking(conversation: Conversation, dialect: Dialect, limit: number, carriage: Carriage): JsonObject {
  const { thinking, outputForm } = conversation;
  const format = renderOutputForm(outputForm, carriage);
  const formatted = format === undefined ? {} : { output_config: { format } };
  if (thinking === undefined) return formatted;
  if (thinking.mode === 'off') return { ...formatted, thinking: { type: 'disabled' } };
  const asked = thinking.mode !== undefined || thinking.effort !== undefined || thinking.budgetTokens !== undefined;
  if (!asked) return formatted;
  if (!mayThink(conversation.turns)) {
    carriage.lost('thinking-settings');
    return formatted;
  }
  if (dialect.thinking === 'effort') {
    const { budgetTokens } = thinking;
    const effort = thinking.effort ?? (budgetTokens === undefined ? undefined : effortOf(budgetTokens));
    const word = effort === undefined ? {} : { effort: effort === 'minimal' ? 'low' : effort };
    const config = { ...word, ...(format === undefined ? {} : { format }) };
    return {
      thinking: { type: 'adaptive', ...(thinking.shown === false ? { display: 'omitted' } : {}) },
      ...(Object.keys(config).length > 0 ? { output_config: config } : {}),
    };
  }
  if (dialect.thinking !== 'budget') {
    carriage.lost('thinking-settings');
    return formatted;
  }
  const wanted = thinking.budgetTokens ?? budgetOf(thinking.effort ?? 'medium');
  // It counts within the limit, and something must be left to answer with.
  const room = conversation.outputLimit === undefined ? limit - answerTokens : limit - 1;
  const budget = Math.min(wanted, room);
  if (budget < wanted && thinking.budgetTokens !== undefined) carriage.lost('thinking-settings');
  if (budget < budgetLeast) {
    carriage.lost('thinking-settings');
    return formatted;
  }
  return { ...formatted, thinking: { type: 'enabled', budget_tokens: budget } };
}

function renderOutputForm(form: Conversation['outputForm'], carriage: Carriage): JsonObject | undefined {
  switch (form?.kind) {
    case undefined:
    case 'text':
      return undefined;
    case 'json':
      return carriage.refuse('response_format', 'asks for JSON without a schema; send a schema.');
    case 'schema':
      return { type: 'json_schema', schema: form.schema };
  }
}
