// A chat completion request out of the neutral conversation, as one vendor's model takes it.

import type { Carriage, Dialect, EffortWord, RequestTarget } from '../../plugin/codec.ts';
import type { Conversation, JsonObject, JsonValue, Tool, ToolChoice } from '../../plugin/conversation.ts';
import { isObject } from '../json-fields.ts';
import { carriedTools, offeredNames, stopsWithin } from '../translation/carriage.ts';
import { customNames, parallelCalls, userName, withJsonWord } from '../openai-settings.ts';
import { openAiEffort, openAiSampling } from '../translation/model-settings.ts';
import { takenForm, takenFunction } from '../translation/open-ai-strict.ts';
import { openAiTier } from '../openai-tier.ts';
import { renderMessages } from './render-messages.ts';

/** Vendors take no more stop sequences. */
const stopsMax = 4;

export function renderRequest(conversation: Conversation, target: RequestTarget, carriage: Carriage): string {
  const { dialect } = target;
  const { choices, outputForm, toolChoice } = conversation;
  const effort = renderEffort(conversation, dialect, carriage);
  const sampling = openAiSampling(conversation, dialect, effort && effort !== 'none', carriage);
  const tools = carriedTools(conversation, 'openai-chat', true, carriage);
  if (conversation.topK !== undefined) carriage.lost('top-k');
  if (conversation.minP !== undefined) carriage.lost('min-p');
  const written = tools.map((tool) => renderTool(tool, dialect, carriage));
  const body: Record<string, JsonValue | undefined> = {
    model: target.model,
    messages: renderMessages(withJsonWord(conversation), dialect, carriage),
    ...(target.stream ? { stream: true } : {}),
    ...(target.stream && target.askUsage ? { stream_options: { include_usage: true } } : {}),
    ...(written.length > 0 ? { tools: written } : {}),
    // Without tools the choice says nothing, and is refused.
    tool_choice: written.length > 0 ? renderToolChoice(toolChoice, tools) : undefined,
    parallel_tool_calls: parallelCalls(conversation, written, dialect, carriage),
    [dialect.tokenLimit]: conversation.outputLimit,
    n: choices,
    temperature: sampling.temperature,
    top_p: sampling.topP,
    seed: conversation.seed,
    presence_penalty: sampling.presencePenalty,
    frequency_penalty: sampling.frequencyPenalty,
    logit_bias: sampling.logitBias,
    stop: stopsWithin(stopsMax, conversation, carriage),
    response_format: renderOutputForm(outputForm, dialect, carriage),
    reasoning_effort: effort,
    verbosity: conversation.verbosity,
    logprobs: sampling.logprobs === undefined ? undefined : true,
    top_logprobs: sampling.logprobs === 0 ? undefined : sampling.logprobs,
    service_tier: openAiTier(conversation.serviceTier, carriage),
    user: userName(conversation, carriage),
    metadata: conversation.metadata,
    prompt_cache_key: conversation.cacheKey,
    // Not to keep is what is done anyway, and saying so is refused by vendors who keep nothing.
    store: conversation.store === true ? true : undefined,
    modalities: conversation.modalities,
    audio: conversation.audio,
  };
  return JSON.stringify(body);
}

function renderTool(tool: Tool, dialect: Dialect, carriage: Carriage): JsonObject {
  switch (tool.kind) {
    case 'function': {
      if (tool.cache !== undefined) carriage.lost('cache-control');
      const { name, description, parameters, strict } = takenFunction(tool, dialect, carriage);
      return { type: 'function', function: { name, description, parameters, strict } };
    }
    case 'custom':
      return {
        type: 'custom',
        custom: { name: tool.name, description: tool.description, format: nestedFormat(tool.format) },
      };
    case 'native':
      if (tool.protocol === 'openai-chat' && isObject(tool.value)) return tool.value;
      return carriage.refuse('tools', `has "${tool.type}", which runs at another vendor.`);
  }
}

/** A grammar stands in an object of its own here. */
function nestedFormat(format: JsonObject | undefined): JsonObject | undefined {
  if (format === undefined || format['type'] !== 'grammar') return format;
  const { type, ...grammar } = format;
  return { type, grammar };
}

const named = (name: string, customs: ReadonlySet<string>): JsonObject =>
  customs.has(name) ? { type: 'custom', custom: { name } } : { type: 'function', function: { name } };

function renderToolChoice(choice: ToolChoice | undefined, tools: readonly Tool[]): JsonValue | undefined {
  switch (choice?.kind) {
    case undefined:
      return undefined;
    case 'tool':
      return named(choice.name, customNames(tools));
    case 'allowed': {
      const customs = customNames(tools);
      const names = offeredNames(choice.names, tools);
      if (names.length === 0) return 'none';
      return {
        type: 'allowed_tools',
        allowed_tools: { mode: choice.mode, tools: names.map((name) => named(name, customs)) },
      };
    }
    case 'auto':
    case 'none':
    case 'required':
      return choice.kind;
  }
}

function renderOutputForm(
  form: Conversation['outputForm'],
  dialect: Dialect,
  carriage: Carriage,
): JsonValue | undefined {
  switch (form?.kind) {
    case undefined:
      return undefined;
    case 'text':
      return { type: 'text' };
    case 'json':
      return { type: 'json_object' };
    case 'schema': {
      const { description, schema, strict } = takenForm(form, dialect, carriage);
      return { type: 'json_schema', json_schema: { name: form.name ?? 'answer', description, schema, strict } };
    }
  }
}

/** "Think as you see fit" is what such models do when nothing is said. */
function renderEffort({ thinking }: Conversation, dialect: Dialect, carriage: Carriage): EffortWord | undefined {
  if (thinking === undefined) return undefined;
  // Whether thinking is shown cannot be asked for.
  const shown = thinking.shown === true || thinking.summary !== undefined;
  if (shown && thinking.mode !== 'off') carriage.lost('thinking-settings');
  return openAiEffort(thinking, dialect, carriage);
}
