// A Gemini request out of the neutral conversation. Schemas go as JSON Schema, which needs no cleaning.

import type { Carriage, Dialect, RequestTarget } from '../../plugin/codec.ts';
import type { Conversation, JsonObject, JsonValue, OutputForm, Tool, ToolChoice } from '../../plugin/conversation.ts';
import { carriedTools, offeredNames, stopsWithin } from '../translation/carriage.ts';
import { askedEffort, budgetOf } from '../translation/thinking-effort.ts';
import { renderTurns } from './render-contents.ts';

/** Google takes no more stop sequences. */
const stopsMax = 5;
/** The most that every model takes to think. A number of the client's own goes as it is. */
const budgetMax = 24_576;
const int32 = 2 ** 31;

export function renderRequest(conversation: Conversation, target: RequestTarget, carriage: Carriage): string {
  const { systemInstruction, contents } = renderTurns(conversation.turns, target.dialect, carriage);
  const carried = carriedTools(conversation, 'gemini-generate', false, carriage);
  const tools = renderTools(carried, carriage);
  const functions = conversation.tools.some(({ kind }) => kind === 'function');
  noteLosses(conversation, carriage);
  const config = generationConfig(conversation, target.dialect, carriage);
  return JSON.stringify({
    contents,
    systemInstruction,
    ...(tools.length > 0 ? { tools } : {}),
    // Without functions the choice says nothing.
    toolConfig: functions ? renderToolChoice(conversation.toolChoice, carried) : undefined,
    ...(Object.values(config).some((value) => value !== undefined) ? { generationConfig: config } : {}),
    serviceTier: renderTier(conversation.serviceTier, carriage),
  });
}

function noteLosses(conversation: Conversation, carriage: Carriage): void {
  if (conversation.minP !== undefined) carriage.lost('min-p');
  if (conversation.logitBias !== undefined) carriage.lost('logit-bias');
  if (conversation.verbosity !== undefined) carriage.lost('verbosity');
  if (conversation.user !== undefined) carriage.lost('user');
  if (conversation.metadata !== undefined) carriage.lost('metadata');
  if (conversation.cacheKey !== undefined) carriage.lost('cache-key');
  if (conversation.store === true) carriage.lost('store');
  if (conversation.parallelToolCalls === false && conversation.tools.length > 0) carriage.lost('parallel-tool-calls');
}

function generationConfig(conversation: Conversation, dialect: Dialect, carriage: Carriage): JsonObject {
  const { choices, logprobs } = conversation;
  return {
    maxOutputTokens: conversation.outputLimit,
    candidateCount: choices === undefined || choices === 1 ? undefined : choices,
    temperature: conversation.temperature,
    topP: conversation.topP,
    topK: conversation.topK,
    seed: renderSeed(conversation.seed, carriage),
    // Nothing is what is left unsaid, and some models refuse to hear of penalties.
    presencePenalty: conversation.presencePenalty || undefined,
    frequencyPenalty: conversation.frequencyPenalty || undefined,
    stopSequences: stopsWithin(stopsMax, conversation, carriage),
    ...(logprobs === undefined ? {} : { responseLogprobs: true, logprobs: logprobs === 0 ? undefined : logprobs }),
    ...renderOutputForm(conversation.outputForm),
    responseModalities: renderModalities(conversation, carriage),
    thinkingConfig: renderThinking(conversation, dialect, carriage),
  };
}

function renderSeed(seed: number | undefined, carriage: Carriage): number | undefined {
  if (seed === undefined || (Number.isInteger(seed) && seed >= -int32 && seed < int32)) return seed;
  carriage.lost('seed');
  return undefined;
}

function renderTier(tier: string | undefined, carriage: Carriage): string | undefined {
  switch (tier) {
    case undefined:
    case 'auto':
    case 'default':
      return undefined;
    case 'flex':
    case 'priority':
      return tier;
    default:
      carriage.lost('service-tier');
      return undefined;
  }
}

function renderModalities({ modalities, audio }: Conversation, carriage: Carriage): readonly string[] | undefined {
  if (audio !== undefined || modalities?.includes('audio') === true)
    carriage.refuse('modalities', 'asks for spoken output, whose voices are other ones there; ask for text.');
  return modalities === undefined || modalities.length === 0
    ? undefined
    : modalities.map((modality) => modality.toUpperCase());
}

function renderTools(tools: readonly Tool[], carriage: Carriage): readonly JsonValue[] {
  const declarations: JsonValue[] = [];
  const natives: JsonValue[] = [];
  for (const tool of tools) {
    if (tool.kind === 'native') natives.push(tool.value);
    else if (tool.kind === 'function') {
      if (tool.cache !== undefined) carriage.lost('cache-control');
      if (tool.strict === true) carriage.lost('strict');
      declarations.push({ name: tool.name, description: tool.description, parametersJsonSchema: tool.parameters });
    }
  }
  return declarations.length === 0 ? natives : [{ functionDeclarations: declarations }, ...natives];
}

function renderToolChoice(choice: ToolChoice | undefined, tools: readonly Tool[]): JsonObject | undefined {
  const calling = callingConfig(choice, tools);
  return calling === undefined ? undefined : { functionCallingConfig: calling };
}

function callingConfig(choice: ToolChoice | undefined, tools: readonly Tool[]): JsonObject | undefined {
  switch (choice?.kind) {
    case undefined:
      return undefined;
    case 'auto':
      return { mode: 'AUTO' };
    case 'none':
      return { mode: 'NONE' };
    case 'required':
      return { mode: 'ANY' };
    case 'tool':
      return { mode: 'ANY', allowedFunctionNames: [choice.name] };
    case 'allowed': {
      const names = offeredNames(choice.names, tools);
      // An empty list would be read as no list at all.
      if (names.length === 0) return { mode: 'NONE' };
      return { mode: choice.mode === 'required' ? 'ANY' : 'VALIDATED', allowedFunctionNames: names };
    }
  }
}

function renderOutputForm(form: OutputForm | undefined): JsonObject {
  switch (form?.kind) {
    case undefined:
      return {};
    case 'text':
      return { responseMimeType: 'text/plain' };
    case 'json':
      return { responseMimeType: 'application/json' };
    case 'schema': {
      const { schema, description } = form;
      const described = description === undefined || schema['description'] !== undefined;
      return {
        responseMimeType: 'application/json',
        responseJsonSchema: described ? schema : { description, ...schema },
      };
    }
  }
}

function renderThinking({ thinking }: Conversation, dialect: Dialect, carriage: Carriage): JsonObject | undefined {
  if (thinking === undefined) return undefined;
  const { mode, effort, budgetTokens, shown } = thinking;
  // Whoever asks for thinking wants to see it, unless they say otherwise.
  const wanted = shown ?? (thinking.summary !== undefined || mode === 'on' || mode === 'adaptive' ? true : undefined);
  switch (dialect.thinking) {
    case 'none':
      if (mode !== 'off') carriage.lost('thinking-settings');
      return undefined;
    case 'budget': {
      if (mode === 'off' && dialect.efforts.includes('none')) return { thinkingBudget: 0, includeThoughts: shown };
      if (mode === 'off') {
        carriage.lost('thinking-settings');
        return { thinkingBudget: budgetOf('minimal'), includeThoughts: shown };
      }
      const meant = effort === undefined ? undefined : budgetOf(effort);
      if (budgetTokens === undefined && meant !== undefined && meant > budgetMax) carriage.lost('thinking-settings');
      const budget = budgetTokens ?? (meant === undefined ? undefined : Math.min(meant, budgetMax));
      return { thinkingBudget: budget ?? (mode === 'adaptive' ? -1 : undefined), includeThoughts: wanted };
    }
    case 'level':
    case 'effort': {
      // There is no level of nothing: an operator's word for it would be refused, and the least is as near as it gets.
      const levels = dialect.efforts.filter((word) => word !== 'none');
      const level = askedEffort(thinking, levels, carriage)?.toUpperCase();
      return mode === 'off' ? { thinkingLevel: level } : { thinkingLevel: level, includeThoughts: wanted };
    }
  }
}
