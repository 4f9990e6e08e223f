// A request of Gemini's generateContent, read into the neutral conversation. Clients spell members in camelCase and in
// snake_case: both are read. Source: Gemini API reference, "Generating content".

import { invalid } from '../../core/json-scan.ts';
import type {
  Conversation,
  JsonObject,
  JsonValue,
  OutputForm,
  SystemTurn,
  ThinkingSettings,
  Tool,
  ToolChoice,
  Unmapped,
} from '../../plugin/conversation.ts';
import type { RequestLine } from '../../plugin/protocol.ts';
import { booleanOf, isObject, listOf, numberOf, objectOf, stringOf } from '../json-fields.ts';
import { isEmpty } from '../openai-chat/parse-request.ts';
import { parseContents } from './parse-contents.ts';
import { camelCased } from './spelling.ts';

const mapped: ReadonlySet<string> = new Set([
  'model',
  'contents',
  'systemInstruction',
  'tools',
  'toolConfig',
  'generationConfig',
]);

/** Without these the answer would be another one. */
const meaningful: ReadonlySet<string> = new Set(['cachedContent', 'speechConfig', 'imageConfig', 'mediaResolution']);

const mappedConfig: ReadonlySet<string> = new Set([
  'stopSequences',
  'responseMimeType',
  'responseSchema',
  'responseJsonSchema',
  'candidateCount',
  'maxOutputTokens',
  'temperature',
  'topP',
  'topK',
  'seed',
  'presencePenalty',
  'frequencyPenalty',
  'responseLogprobs',
  'logprobs',
  'thinkingConfig',
  'responseModalities',
]);

export function parseRequest(body: JsonValue, line: RequestLine): Conversation {
  const fields = camelCased(objectOf(body), '');
  const unmapped: Unmapped[] = [];
  noteRest(fields, mapped, '', unmapped);
  const config = camelCased(objectOf(fields['generationConfig']), 'generationConfig');
  noteRest(config, mappedConfig, 'generationConfig.', unmapped);
  const stop = listOf(config['stopSequences']).flatMap((each) => stringOf(each) ?? []);
  const modalities = listOf(config['responseModalities']).flatMap((each) => stringOf(each)?.toLowerCase() ?? []);
  return {
    model: line.model ?? stringOf(fields['model']) ?? '',
    stream: line.stream === true,
    turns: [...systemTurns(fields['systemInstruction']), ...parseContents(fields['contents'])],
    tools: listOf(fields['tools']).flatMap(parseTools),
    toolChoice: parseToolConfig(objectOf(fields['toolConfig'])),
    outputLimit: numberOf(config['maxOutputTokens']),
    choices: numberOf(config['candidateCount']),
    temperature: numberOf(config['temperature']),
    topP: numberOf(config['topP']),
    topK: numberOf(config['topK']),
    seed: numberOf(config['seed']),
    presencePenalty: numberOf(config['presencePenalty']),
    frequencyPenalty: numberOf(config['frequencyPenalty']),
    stop: stop.length === 0 ? undefined : stop,
    outputForm: parseOutputForm(config),
    thinking: parseThinking(objectOf(config['thinkingConfig'])),
    logprobs: booleanOf(config['responseLogprobs']) === true ? (numberOf(config['logprobs']) ?? 0) : undefined,
    modalities: modalities.length === 0 ? undefined : modalities,
    unmapped,
  };
}

function noteRest(fields: JsonObject, known: ReadonlySet<string>, path: string, unmapped: Unmapped[]): void {
  for (const [name, value] of Object.entries(fields)) {
    if (known.has(name) || value === null || value === undefined || isEmpty(value)) continue;
    unmapped.push({ path: `${path}${name}`, weight: meaningful.has(name) ? 'meaning' : 'hint' });
  }
}

function systemTurns(value: JsonValue | undefined): readonly SystemTurn[] {
  if (value === undefined || value === null) return [];
  const texts =
    typeof value === 'string'
      ? [value]
      : listOf(objectOf(value)['parts']).flatMap((part) => stringOf(objectOf(part)['text']) ?? []);
  const parts = texts.filter((text) => text !== '').map((text) => ({ kind: 'text', text }) as const);
  return parts.length === 0 ? [] : [{ role: 'system', authority: 'system', parts }];
}

function parseTools(value: JsonValue, index: number): readonly Tool[] {
  const tool = camelCased(objectOf(value), `tools[${index}]`);
  return Object.entries(tool).flatMap(([type, inner]): readonly Tool[] => {
    if (inner === null || inner === undefined) return [];
    if (type !== 'functionDeclarations') {
      return [{ kind: 'native', protocol: 'gemini-generate', type, value: { [type]: inner } }];
    }
    return listOf(inner).map((each, at) => declared(each, `tools[${index}].functionDeclarations[${at}]`));
  });
}

function declared(value: JsonValue, path: string): Tool {
  const fields = camelCased(objectOf(value), path);
  const name = stringOf(fields['name']);
  if (name === undefined || name === '') throw invalid(`${path}.name`, 'is missing; name the function');
  const schema = fields['parametersJsonSchema'];
  const older = fields['parameters'];
  return {
    kind: 'function',
    name,
    description: stringOf(fields['description']),
    parameters: isObject(schema) ? schema : isObject(older) ? jsonSchemaOf(older) : undefined,
  };
}

/** Gemini's older schemas are JSON Schema with types in capitals and `nullable`. */
export function jsonSchemaOf(schema: JsonObject): JsonObject {
  const written: Record<string, JsonValue | undefined> = {};
  for (const [name, value] of Object.entries(schema)) {
    if (name === 'type' && typeof value === 'string') {
      const type = value.toLowerCase();
      written['type'] = schema['nullable'] === true ? [type, 'null'] : type;
    } else if (name === 'nullable' || name === 'propertyOrdering') continue;
    else if ((name === 'properties' || name === '$defs') && isObject(value)) {
      written[name] = Object.fromEntries(
        Object.entries(value).map(([key, inner]) => [key, isObject(inner) ? jsonSchemaOf(inner) : inner]),
      );
    } else if (name === 'items' && isObject(value)) written[name] = jsonSchemaOf(value);
    else if (name === 'anyOf')
      written[name] = listOf(value).map((inner) => (isObject(inner) ? jsonSchemaOf(inner) : inner));
    else written[name] = value;
  }
  return written;
}

function parseToolConfig(config: JsonObject): ToolChoice | undefined {
  const calling = camelCased(objectOf(camelCased(config, 'toolConfig')['functionCallingConfig']), 'toolConfig');
  const names = listOf(calling['allowedFunctionNames']).flatMap((each) => stringOf(each) ?? []);
  const [only] = names;
  switch (calling['mode']) {
    case 'NONE':
      return { kind: 'none' };
    case 'ANY':
      if (names.length === 1 && only !== undefined) return { kind: 'tool', name: only };
      return names.length > 0 ? { kind: 'allowed', mode: 'required', names } : { kind: 'required' };
    case 'AUTO':
    case 'VALIDATED':
      return names.length > 0 ? { kind: 'allowed', mode: 'auto', names } : { kind: 'auto' };
    default:
      return undefined;
  }
}

function parseOutputForm(config: JsonObject): OutputForm | undefined {
  const schema = config['responseJsonSchema'];
  const older = config['responseSchema'];
  if (isObject(schema)) return { kind: 'schema', schema };
  if (isObject(older)) return { kind: 'schema', schema: jsonSchemaOf(older) };
  return config['responseMimeType'] === 'application/json' ? { kind: 'json' } : undefined;
}

function parseThinking(value: JsonObject): ThinkingSettings | undefined {
  const config = camelCased(value, 'generationConfig.thinkingConfig');
  const budget = numberOf(config['thinkingBudget']);
  const level = stringOf(config['thinkingLevel'])?.toLowerCase();
  const shown = booleanOf(config['includeThoughts']);
  if (budget === 0) return { mode: 'off' };
  const effort = level === 'minimal' || level === 'low' || level === 'medium' || level === 'high' ? level : undefined;
  if (budget === -1) return { mode: 'adaptive', shown };
  if (budget === undefined && effort === undefined) return shown === undefined ? undefined : { shown };
  return { mode: 'on', budgetTokens: budget, effort, shown };
}
