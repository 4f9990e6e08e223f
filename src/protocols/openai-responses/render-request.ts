// A request of OpenAI's responses out of the neutral conversation. Nothing is kept at the vendor unless the client
// asked for it: the other protocols keep nothing, and their clients expect that.

import type { Carriage, Dialect, RequestTarget } from '../../plugin/codec.ts';
import type { Conversation, JsonObject, JsonValue, Tool } from '../../plugin/conversation.ts';
import { carriedTools, demandOneText, offeredNames } from '../translation/carriage.ts';
import { customNames, parallelCalls, userName, withJsonWord } from '../openai-settings.ts';
import { openAiEffort, openAiSampling } from '../translation/model-settings.ts';
import { takenForm, takenFunction } from '../translation/open-ai-strict.ts';
import { openAiTier } from '../openai-tier.ts';
import { renderItems } from './render-items.ts';

export function renderRequest(conversation: Conversation, target: RequestTarget, carriage: Carriage): string {
  const { dialect } = target;
  loseUnknown(conversation, carriage);
  demandOneText(conversation, carriage);
  if (conversation.stop !== undefined && conversation.stop.length > 0)
    carriage.refuse('stop', 'sets stop sequences, which this protocol has not; leave them out.');
  const carried = carriedTools(conversation, 'openai-responses', true, carriage);
  const tools = carried.map((tool) => renderTool(tool, dialect, carriage));
  const reasoning = renderReasoning(conversation, dialect, carriage);
  const thinks = reasoning === undefined ? undefined : reasoning['effort'] !== 'none';
  const { temperature, topP, logprobs } = openAiSampling(conversation, dialect, thinks, carriage);
  const includes = [
    // Models that do not think refuse to be asked for it.
    ...(thinks === true || hasOwnThinking(conversation) ? ['reasoning.encrypted_content'] : []),
    ...(logprobs === undefined ? [] : ['message.output_text.logprobs']),
  ];
  return JSON.stringify({
    model: target.model,
    input: renderItems(withJsonWord(conversation), carriage),
    ...(target.stream ? { stream: true } : {}),
    store: conversation.store ?? false,
    ...(tools.length > 0 ? { tools, tool_choice: renderToolChoice({ ...conversation, tools: carried }) } : {}),
    parallel_tool_calls: parallelCalls(conversation, tools, dialect, carriage),
    max_output_tokens: outputLimit(conversation, carriage),
    temperature,
    top_p: topP,
    ...(logprobs === undefined || logprobs === 0 ? {} : { top_logprobs: logprobs }),
    text: renderText(withStrictness(conversation, dialect, carriage)),
    reasoning,
    ...(includes.length > 0 ? { include: includes } : {}),
    service_tier: openAiTier(conversation.serviceTier, carriage),
    user: userName(conversation, carriage),
    metadata: conversation.metadata,
    prompt_cache_key: conversation.cacheKey,
  });
}

/** The least that is taken. */
const outputLeast = 16;

function outputLimit({ outputLimit: limit }: Conversation, carriage: Carriage): number | undefined {
  if (limit === undefined || limit >= outputLeast) return limit;
  carriage.lost('output-limit');
  return outputLeast;
}

function loseUnknown(conversation: Conversation, carriage: Carriage): void {
  if (conversation.topK !== undefined) carriage.lost('top-k');
  if (conversation.minP !== undefined) carriage.lost('min-p');
  if (conversation.seed !== undefined) carriage.lost('seed');
  if (conversation.presencePenalty || conversation.frequencyPenalty) carriage.lost('penalties');
  if (conversation.logitBias !== undefined) carriage.lost('logit-bias');
}

const hasOwnThinking = ({ turns }: Conversation): boolean =>
  turns.some(
    (turn) =>
      turn.role === 'assistant' &&
      turn.parts.some((part) => part.kind === 'thinking' && part.signature?.protocol === 'openai-responses'),
  );

/** Some servers know the schema, and refuse the demand that it be kept to; OpenAI refuses it of some schemas. */
function withStrictness(conversation: Conversation, dialect: Dialect, carriage: Carriage): Conversation {
  const { outputForm } = conversation;
  if (outputForm?.kind !== 'schema') return conversation;
  return { ...conversation, outputForm: takenForm(outputForm, dialect, carriage) };
}

function renderTool(tool: Tool, dialect: Dialect, carriage: Carriage): JsonValue {
  if (tool.kind !== 'function') return toolJson(tool);
  if (tool.cache !== undefined) carriage.lost('cache-control');
  return toolJson(takenFunction(tool, dialect, carriage));
}

/** Also what a reply repeats of its request. */
export function toolJson(tool: Tool): JsonValue {
  switch (tool.kind) {
    case 'function': {
      const { name, description, parameters, strict } = tool;
      const schema = parameters ?? { type: 'object', properties: {} };
      // Left out it would be taken for true, which demands more of a schema than other protocols do.
      return { type: 'function', name, description, parameters: schema, strict: strict ?? false };
    }
    case 'custom':
      return { type: 'custom', name: tool.name, description: tool.description, format: tool.format };
    case 'native':
      return tool.value;
  }
}

const named = (name: string, customs: ReadonlySet<string>): JsonObject => ({
  type: customs.has(name) ? 'custom' : 'function',
  name,
});

export function renderToolChoice({ toolChoice, tools }: Conversation): JsonValue | undefined {
  switch (toolChoice?.kind) {
    case undefined:
      return undefined;
    case 'tool':
      return named(toolChoice.name, customNames(tools));
    case 'allowed': {
      const customs = customNames(tools);
      const names = offeredNames(toolChoice.names, tools);
      if (names.length === 0) return 'none';
      return { type: 'allowed_tools', mode: toolChoice.mode, tools: names.map((name) => named(name, customs)) };
    }
    case 'auto':
    case 'none':
    case 'required':
      return toolChoice.kind;
  }
}

export function renderText({ outputForm, verbosity }: Conversation): JsonObject | undefined {
  const format = renderFormat(outputForm);
  if (format === undefined && verbosity === undefined) return undefined;
  return { ...(format === undefined ? {} : { format }), ...(verbosity === undefined ? {} : { verbosity }) };
}

function renderFormat(form: Conversation['outputForm']): JsonObject | undefined {
  switch (form?.kind) {
    case undefined:
      return undefined;
    case 'text':
      return { type: 'text' };
    case 'json':
      return { type: 'json_object' };
    case 'schema': {
      const { name, description, schema, strict } = form;
      return { type: 'json_schema', name: name ?? 'answer', description, schema, strict: strict ?? false };
    }
  }
}

function renderReasoning({ thinking }: Conversation, dialect: Dialect, carriage: Carriage): JsonObject | undefined {
  if (thinking === undefined) return undefined;
  const effort = openAiEffort(thinking, dialect, carriage);
  if (effort === 'none') return { effort };
  if (dialect.thinking !== 'effort') return undefined;
  const summary = thinking.summary ?? (thinking.shown === true ? 'auto' : undefined);
  if (effort === undefined && summary === undefined) return undefined;
  return { effort, summary };
}
