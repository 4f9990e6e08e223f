// A request of Gemini's generateContent out of the neutral conversation. The model stands in the path.

import type { Carriage, Dialect, RequestTarget } from '../../plugin/codec.ts';
import type { Conversation, JsonObject, JsonValue, Tool, ToolChoice } from '../../plugin/conversation.ts';
import { isObject } from '../json-fields.ts';
import { carriedTools } from '../translation/carriage.ts';
import { budgetOf, effortOf } from '../translation/thinking-effort.ts';
import { renderContents } from './render-contents.ts';

export function renderRequest(conversation: Conversation, target: RequestTarget, carriage: Carriage): string {
  loseUnknown(conversation, carriage);
  const { turns } = conversation;
  const system = turns.flatMap((turn) => (turn.role === 'system' ? turn.parts : [])).filter(({ text }) => text !== '');
  if (system.some(({ cache }) => cache !== undefined)) carriage.lost('cache-control');
  const first = turns.findIndex(({ role }) => role !== 'system');
  if (first >= 0 && turns.slice(first).some(({ role }) => role === 'system')) carriage.lost('system-position');
  const config = generationConfig(conversation, target.dialect, carriage);
  return JSON.stringify({
    contents: renderContents(turns, carriage),
    ...(system.length > 0 ? { systemInstruction: { parts: system.map(({ text }) => ({ text })) } } : {}),
    ...renderTools(conversation, carriage),
    ...(Object.keys(config).length > 0 ? { generationConfig: config } : {}),
  });
}

function loseUnknown(conversation: Conversation, carriage: Carriage): void {
  if (conversation.minP !== undefined) carriage.lost('min-p');
  if (conversation.logitBias !== undefined) carriage.lost('logit-bias');
  if (conversation.verbosity !== undefined) carriage.lost('verbosity');
  if (conversation.serviceTier !== undefined && conversation.serviceTier !== 'auto') carriage.lost('service-tier');
  if (conversation.user !== undefined) carriage.lost('user');
  if (conversation.metadata !== undefined) carriage.lost('metadata');
  if (conversation.cacheKey !== undefined) carriage.lost('cache-key');
  if (conversation.store === true) carriage.lost('store');
  if (conversation.parallelToolCalls === false) carriage.lost('parallel-tool-calls');
  if (conversation.audio !== undefined) carriage.refuse('audio', 'asks for a voice, which cannot be carried.');
}

function generationConfig(conversation: Conversation, dialect: Dialect, carriage: Carriage): JsonObject {
  const { outputForm, logprobs, stop, modalities } = conversation;
  const members: Record<string, JsonValue | undefined> = {
    maxOutputTokens: conversation.outputLimit,
    candidateCount: conversation.choices,
    temperature: conversation.temperature,
    topP: conversation.topP,
    topK: conversation.topK,
    seed: conversation.seed,
    presencePenalty: conversation.presencePenalty,
    frequencyPenalty: conversation.frequencyPenalty,
    stopSequences: stop === undefined || stop.length === 0 ? undefined : stop,
    responseMimeType: outputForm === undefined || outputForm.kind === 'text' ? undefined : 'application/json',
    responseJsonSchema: outputForm?.kind === 'schema' ? outputForm.schema : undefined,
    responseLogprobs: logprobs === undefined ? undefined : true,
    logprobs: logprobs === undefined || logprobs === 0 ? undefined : logprobs,
    thinkingConfig: thinkingConfig(conversation, dialect, carriage),
    responseModalities: modalities?.map((each) => each.toUpperCase()),
  };
  for (const name of Object.keys(members)) if (members[name] === undefined) delete members[name];
  return members;
}

function thinkingConfig({ thinking }: Conversation, dialect: Dialect, carriage: Carriage): JsonObject | undefined {
  if (thinking === undefined) return undefined;
  if (dialect.thinking !== 'budget' && dialect.thinking !== 'level') {
    carriage.lost('thinking-settings');
    return undefined;
  }
  const shown = thinking.shown === undefined ? {} : { includeThoughts: thinking.shown };
  const { effort, budgetTokens, mode } = thinking;
  if (dialect.thinking === 'budget') {
    if (mode === 'off') return { thinkingBudget: 0 };
    if (budgetTokens !== undefined) return { thinkingBudget: budgetTokens, ...shown };
    if (effort !== undefined) return { thinkingBudget: budgetOf(effort), ...shown };
    return mode === 'adaptive' ? { thinkingBudget: -1, ...shown } : thinking.shown === undefined ? undefined : shown;
  }
  // A model with levels cannot be kept from thinking: the least is asked for.
  if (mode === 'off') return { thinkingLevel: 'minimal' };
  const level = effort ?? (budgetTokens === undefined ? undefined : effortOf(budgetTokens));
  if (level === undefined) return thinking.shown === undefined ? undefined : shown;
  return { thinkingLevel: level === 'max' ? 'high' : level, ...shown };
}

function renderTools(conversation: Conversation, carriage: Carriage): JsonObject {
  const declarations: JsonValue[] = [];
  const native: JsonValue[] = [];
  for (const tool of carriedTools(conversation, 'gemini-generate', false, carriage))
    renderTool(tool, declarations, native, carriage);
  const tools = [...(declarations.length > 0 ? [{ functionDeclarations: declarations }] : []), ...native];
  const choice = declarations.length > 0 ? functionCalling(conversation.toolChoice) : undefined;
  return {
    ...(tools.length > 0 ? { tools } : {}),
    ...(choice === undefined ? {} : { toolConfig: { functionCallingConfig: choice } }),
  };
}

function renderTool(tool: Tool, declarations: JsonValue[], native: JsonValue[], carriage: Carriage): void {
  switch (tool.kind) {
    case 'function': {
      if (tool.cache !== undefined) carriage.lost('cache-control');
      if (tool.strict === true) carriage.lost('strict');
      const { name, description, parameters } = tool;
      // The older `parameters` refuse much of JSON Schema; this member takes it as it is.
      const schema = parameters === undefined ? {} : { parametersJsonSchema: parameters };
      declarations.push({ name, ...(description === undefined ? {} : { description }), ...schema });
      return;
    }
    case 'custom':
      carriage.refuse('tools', `has the custom tool "${tool.name}", whose input is free text.`);
      return;
    case 'native':
      if (tool.protocol !== 'gemini-generate' || !isObject(tool.value))
        carriage.refuse('tools', `has "${tool.type}", which runs at another vendor.`);
      native.push(tool.value);
  }
}

function functionCalling(choice: ToolChoice | undefined): JsonObject | undefined {
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
    case 'allowed':
      return { mode: choice.mode === 'required' ? 'ANY' : 'VALIDATED', allowedFunctionNames: choice.names };
  }
}
