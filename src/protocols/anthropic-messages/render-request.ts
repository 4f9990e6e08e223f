// A request of Anthropic's messages out of the neutral conversation. Source: Anthropic, Messages API of 2023-06-01.

import type { Carriage, Dialect, RequestTarget } from '../../plugin/codec.ts';
import type { Conversation, JsonObject, JsonValue, Tool, ToolChoice } from '../../plugin/conversation.ts';
import { objectOf } from '../json-fields.ts';
import { carriedTools, demandOneText } from '../translation/carriage.ts';
import { demandsCall, takesSampling } from '../translation/model-settings.ts';
import { own } from './parse-content.ts';
import { cacheControl } from './render-content.ts';
import { renderTurns } from './render-messages.ts';
import { renderThinking } from './render-thinking.ts';
import { plainRoot } from '../translation/tool-schema.ts';
import { strictTools } from './strict-tools.ts';

export function renderRequest(conversation: Conversation, target: RequestTarget, carriage: Carriage): string {
  const { dialect } = target;
  loseUnknown(conversation, carriage);
  demandOneText(conversation, carriage);
  const limit = conversation.outputLimit ?? target.outputTokensMax;
  const { thinking, output_config } = renderThinking(conversation, target, limit, carriage);
  const thinks = thinking === undefined ? undefined : thinking['type'] !== dialect.notThinking;
  const { system, messages } = renderTurns(conversation.turns, dialect, carriage);
  const body: JsonObject = {
    model: target.model,
    max_tokens: limit,
    system: system.length > 0 ? system : undefined,
    messages,
    stream: target.stream ? true : undefined,
    ...renderTools(conversation, dialect, carriage),
    thinking,
    output_config,
    ...renderSampling(conversation, dialect, thinks, carriage),
    stop_sequences: renderStop(conversation.stop, carriage),
    metadata: conversation.user === undefined ? undefined : { user_id: conversation.user },
    service_tier: renderTier(conversation.serviceTier, carriage),
  };
  return JSON.stringify(body);
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

function renderSampling(
  { temperature, topP, topK }: Conversation,
  { sampling }: Dialect,
  thinks: boolean | undefined,
  carriage: Carriage,
): JsonObject {
  if (takesSampling(sampling, thinks)) {
    // Anthropic's temperatures end at 1, OpenAI's at 2: half as much would be another temperature.
    const known = temperature !== undefined && temperature <= 1 ? temperature : undefined;
    if (known !== temperature) carriage.lost('temperature');
    if (known === undefined) return { top_p: topP, top_k: topK };
    // The two together are refused by later models: the first says more.
    if (topP !== undefined) carriage.lost('top-p');
    return { temperature: known, top_k: topK };
  }
  // The default may be left unsaid, and is the one temperature to think at.
  if (temperature !== undefined && temperature !== 1) carriage.lost('temperature');
  if (topP !== undefined && topP !== 1) carriage.lost('top-p');
  if (topK !== undefined) carriage.lost('top-k');
  return { temperature: sampling !== 'never' && temperature === 1 ? temperature : undefined };
}

/** Blanks alone are refused as a stop sequence. */
function renderStop(stop: readonly string[] | undefined, carriage: Carriage): readonly string[] | undefined {
  const taken = stop?.filter((each) => each.trim() !== '');
  if (taken?.length !== stop?.length) carriage.lost('stop');
  return taken?.length === 0 ? undefined : taken;
}

function renderTier(tier: string | undefined, carriage: Carriage): string | undefined {
  if (tier === undefined || tier === 'auto') return tier;
  if (tier === 'default' || tier === 'standard') return 'standard_only';
  carriage.lost('service-tier');
  return undefined;
}

function renderTools(conversation: Conversation, dialect: Dialect, carriage: Carriage): JsonObject {
  const { toolChoice, parallelToolCalls } = conversation;
  const carried = carriedTools(conversation, own, false, carriage);
  if (carried.length === 0) return {};
  const offered = allowedTools(carried, toolChoice);
  const needed = toolChoice?.kind === 'allowed' ? toolChoice.mode === 'required' : toolChoice?.kind === 'tool';
  if (needed && (offered.length === 0 || !offersChosen(offered, toolChoice)))
    carriage.refuse('tool_choice', 'demands a tool that is not among those that can be offered; choose another.');
  if (offered.length === 0) return {};
  if (!dialect.forcedCalls && demandsCall(toolChoice))
    carriage.refuse('tool_choice', 'demands a call, and this model decides by itself whether it calls; choose "auto".');
  const strict = strictTools(offered, conversation.outputForm, dialect);
  const tools = offered.map((tool) => renderTool(tool, strict.get(tool), carriage));
  return { tools, tool_choice: renderToolChoice(toolChoice, parallelToolCalls) };
}

/** Only some of the tools may be called: the others are not offered. */
function allowedTools(tools: readonly Tool[], choice: ToolChoice | undefined): readonly Tool[] {
  if (choice?.kind !== 'allowed') return tools;
  const names = new Set(choice.names);
  return tools.filter((tool) => tool.kind === 'native' || names.has(tool.name));
}

const offersChosen = (tools: readonly Tool[], choice: ToolChoice | undefined): boolean =>
  choice?.kind !== 'tool' ||
  tools.some((tool) => (tool.kind === 'native' ? objectOf(tool.value)['name'] : tool.name) === choice.name);

/** `exact`: the schema of one that stays strict. */
function renderTool(tool: Tool, exact: JsonObject | undefined, carriage: Carriage): JsonValue {
  switch (tool.kind) {
    case 'function': {
      const { name, description, parameters, strict, cache } = tool;
      if (strict === true && exact === undefined) carriage.lost('strict');
      return {
        name,
        description,
        input_schema: exact ?? plainRoot(parameters, carriage),
        strict: exact === undefined ? undefined : true,
        cache_control: cache === undefined ? undefined : cacheControl(cache),
      };
    }
    case 'custom':
      return carriage.refuse(
        'tools',
        `has the custom tool "${tool.name}", whose input is free text; make it a function.`,
      );
    case 'native':
      if (tool.protocol === own) return tool.value;
      return carriage.refuse('tools', `has "${tool.type}", which runs at another vendor; leave it out.`);
  }
}

function renderToolChoice(choice: ToolChoice | undefined, parallel: boolean | undefined): JsonObject | undefined {
  const single = parallel === undefined ? {} : { disable_parallel_tool_use: !parallel };
  switch (choice?.kind) {
    case undefined:
      // Said alone it must not make the model call.
      return parallel === false ? { type: 'auto', ...single } : undefined;
    case 'none':
      return { type: 'none' };
    case 'auto':
      return { type: 'auto', ...single };
    case 'required':
      return { type: 'any', ...single };
    case 'tool':
      return { type: 'tool', name: choice.name, ...single };
    case 'allowed':
      return { type: choice.mode === 'required' ? 'any' : 'auto', ...single };
  }
}
