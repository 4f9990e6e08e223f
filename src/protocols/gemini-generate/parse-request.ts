// A Gemini request, read into the neutral conversation.

import { invalid } from '../../core/json-scan.ts';
import type {
  Conversation,
  JsonObject,
  JsonValue,
  OutputForm,
  ThinkingSettings,
  Tool,
  ToolChoice,
  Turn,
  Unmapped,
} from '../../plugin/conversation.ts';
import type { RequestLine } from '../../plugin/protocol.ts';
import { booleanOf, isObject, listOf, numberOf, objectOf, stringOf } from '../json-fields.ts';
import { jsonSchemaOf } from './json-schema.ts';
import { ContentsReader, systemParts } from './parse-contents.ts';
import { camelOf, isNothing, joined, manyOf, memberOf } from './spelling.ts';

const configPath = 'generationConfig';

const mappedFields: ReadonlySet<string> = new Set([
  'model',
  'contents',
  'systemInstruction',
  'generationConfig',
  'tools',
  'toolConfig',
  'serviceTier',
  'store',
]);
const mappedConfig: ReadonlySet<string> = new Set([
  'temperature',
  'topP',
  'topK',
  'candidateCount',
  'maxOutputTokens',
  'stopSequences',
  'responseLogprobs',
  'logprobs',
  'presencePenalty',
  'frequencyPenalty',
  'seed',
  'responseMimeType',
  'responseSchema',
  'responseJsonSchema',
  '_responseJsonSchema',
  'responseModalities',
  'thinkingConfig',
]);
const mappedThinking: ReadonlySet<string> = new Set(['includeThoughts', 'thinkingBudget', 'thinkingLevel']);
const mappedCalling: ReadonlySet<string> = new Set(['mode', 'allowedFunctionNames']);
const mappedDeclaration: ReadonlySet<string> = new Set(['name', 'description', 'parameters', 'parametersJsonSchema']);

/** Without these the answer would be another one. */
const meaningful: ReadonlySet<string> = new Set([
  'cachedContent',
  'continuationToken',
  'modelArmorConfig',
  'generationConfig.speechConfig',
  'generationConfig.imageConfig',
  'generationConfig.audioTranscriptionConfig',
  'generationConfig.translationConfig',
  'generationConfig.responseFormat',
  'generationConfig.routingConfig',
  'generationConfig.modelSelectionConfig',
]);

function noteOthers(object: JsonObject, known: ReadonlySet<string>, path: string, unmapped: Unmapped[]): void {
  for (const [key, value] of Object.entries(object)) {
    const name = camelOf(key);
    if (known.has(name) || isNothing(value)) continue;
    const own = joined(path, name);
    unmapped.push({ path: own, weight: meaningful.has(own) ? 'meaning' : 'hint' });
  }
}

export function parseRequest(body: JsonValue, line: RequestLine): Conversation {
  const fields = objectOf(body);
  const unmapped: Unmapped[] = [];
  noteOthers(fields, mappedFields, '', unmapped);
  const config = objectOf(memberOf(fields, configPath, ''));
  noteOthers(config, mappedConfig, configPath, unmapped);
  const setting = (name: string) => memberOf(config, name, configPath);
  const system = systemParts(memberOf(fields, 'systemInstruction', ''));
  const first: readonly Turn[] = system.length === 0 ? [] : [{ role: 'system', authority: 'system', parts: system }];
  const turns = [...first, ...new ContentsReader(unmapped).read(memberOf(fields, 'contents', ''))];
  const tools = manyOf(memberOf(fields, 'tools', '')).flatMap((tool, index) =>
    parseTool(objectOf(tool), `tools[${index}]`, unmapped),
  );
  const stop = listOf(setting('stopSequences')).flatMap((each) => stringOf(each) ?? []);
  const modalities = listOf(setting('responseModalities')).flatMap((each) => stringOf(each)?.toLowerCase() ?? []);
  const logprobs = booleanOf(setting('responseLogprobs')) === true ? (numberOf(setting('logprobs')) ?? 0) : undefined;
  return {
    model: line.model ?? stringOf(fields['model']) ?? '',
    stream: line.stream === true,
    turns,
    tools,
    toolChoice: parseToolChoice(objectOf(memberOf(fields, 'toolConfig', '')), unmapped),
    outputLimit: numberOf(setting('maxOutputTokens')),
    choices: numberOf(setting('candidateCount')),
    temperature: numberOf(setting('temperature')),
    topP: numberOf(setting('topP')),
    topK: numberOf(setting('topK')),
    seed: numberOf(setting('seed')),
    presencePenalty: numberOf(setting('presencePenalty')),
    frequencyPenalty: numberOf(setting('frequencyPenalty')),
    stop: stop.length === 0 ? undefined : stop,
    outputForm: parseOutputForm(config, unmapped),
    thinking: parseThinking(setting('thinkingConfig'), unmapped),
    logprobs,
    serviceTier: tierOf(stringOf(memberOf(fields, 'serviceTier', ''))),
    store: booleanOf(fields['store']),
    modalities: modalities.length === 0 ? undefined : modalities,
    unmapped,
  };
}

function tierOf(word: string | undefined): string | undefined {
  const tier = word?.toLowerCase().replace(/^service_tier_/, '');
  if (tier === 'standard') return 'default';
  return tier === 'unspecified' ? undefined : tier;
}

function parseTool(tool: JsonObject, path: string, unmapped: Unmapped[]): readonly Tool[] {
  const declarations = manyOf(memberOf(tool, 'functionDeclarations', path)).map((each, index) =>
    parseFunction(objectOf(each), `${path}.functionDeclarations[${index}]`, unmapped),
  );
  const others = Object.entries(tool).flatMap(([key, value]): Tool[] => {
    const type = camelOf(key);
    if (type === 'functionDeclarations' || value === null || value === undefined) return [];
    return [{ kind: 'native', protocol: 'gemini-generate', type, value: { [key]: value } }];
  });
  return [...declarations, ...others];
}

function parseFunction(fields: JsonObject, path: string, unmapped: Unmapped[]): Tool {
  const name = stringOf(fields['name']);
  if (name === undefined || name === '') throw invalid(`${path}.name`, 'is missing; name the function');
  noteOthers(fields, mappedDeclaration, path, unmapped);
  const google = memberOf(fields, 'parameters', path);
  const json = memberOf(fields, 'parametersJsonSchema', path);
  if (google !== undefined && json !== undefined)
    throw invalid(`${path}.parameters`, 'is also sent as parametersJsonSchema; send one of the two');
  const schema = json ?? google;
  return {
    kind: 'function',
    name,
    description: stringOf(fields['description']),
    parameters: isObject(schema) ? jsonSchemaOf(schema, json === undefined) : undefined,
  };
}

function parseToolChoice(config: JsonObject, unmapped: Unmapped[]): ToolChoice | undefined {
  const path = 'toolConfig.functionCallingConfig';
  noteOthers(config, new Set(['functionCallingConfig']), 'toolConfig', unmapped);
  const calling = memberOf(config, 'functionCallingConfig', 'toolConfig');
  if (!isObject(calling)) return undefined;
  noteOthers(calling, mappedCalling, path, unmapped);
  const names = listOf(memberOf(calling, 'allowedFunctionNames', path)).flatMap((each) => stringOf(each) ?? []);
  const [only, ...more] = names;
  const mode = stringOf(calling['mode'])?.toUpperCase();
  switch (mode) {
    case undefined:
    case '':
    case 'MODE_UNSPECIFIED':
      return undefined;
    case 'AUTO':
      return { kind: 'auto' };
    case 'NONE':
      return { kind: 'none' };
    case 'ANY':
      if (only === undefined) return { kind: 'required' };
      return more.length === 0 ? { kind: 'tool', name: only } : { kind: 'allowed', mode: 'required', names };
    case 'VALIDATED':
      if (only !== undefined) return { kind: 'allowed', mode: 'auto', names };
      unmapped.push({ path: `${path}.mode`, weight: 'hint' });
      return { kind: 'auto' };
    default:
      throw invalid(`${path}.mode`, 'must be AUTO, ANY, NONE or VALIDATED');
  }
}

function parseOutputForm(config: JsonObject, unmapped: Unmapped[]): OutputForm | undefined {
  const google = memberOf(config, 'responseSchema', configPath);
  const json = memberOf(config, 'responseJsonSchema', configPath) ?? config['_responseJsonSchema'] ?? undefined;
  if (google !== undefined && json !== undefined)
    throw invalid(`${configPath}.responseSchema`, 'is also sent as responseJsonSchema; send one of the two');
  const type = stringOf(memberOf(config, 'responseMimeType', configPath));
  if (type !== undefined && type !== '' && type !== 'application/json' && type !== 'text/plain')
    unmapped.push({ path: `${configPath}.responseMimeType`, weight: 'meaning' });
  const schema = json ?? google;
  if (isObject(schema)) return { kind: 'schema', schema: jsonSchemaOf(schema, json === undefined) };
  if (type === 'application/json') return { kind: 'json' };
  return type === 'text/plain' ? { kind: 'text' } : undefined;
}

function parseThinking(value: JsonValue | undefined, unmapped: Unmapped[]): ThinkingSettings | undefined {
  if (!isObject(value) || isNothing(value)) return undefined;
  const path = `${configPath}.thinkingConfig`;
  noteOthers(value, mappedThinking, path, unmapped);
  const shown = booleanOf(memberOf(value, 'includeThoughts', path));
  const budget = numberOf(memberOf(value, 'thinkingBudget', path));
  const level = stringOf(memberOf(value, 'thinkingLevel', path))?.toUpperCase();
  const effort = effortOfLevel(level);
  if (level !== undefined && effort === undefined && level !== 'THINKING_LEVEL_UNSPECIFIED')
    unmapped.push({ path: `${path}.thinkingLevel`, weight: 'hint' });
  if (budget === 0) return { mode: 'off', shown };
  if (budget === -1) return { mode: 'adaptive', shown, effort };
  if (budget === undefined && effort === undefined) return shown === undefined ? undefined : { shown };
  return { mode: 'on', effort, budgetTokens: budget, shown };
}

function effortOfLevel(level: string | undefined): ThinkingSettings['effort'] {
  switch (level) {
    case 'MINIMAL':
      return 'minimal';
    case 'LOW':
      return 'low';
    case 'MEDIUM':
      return 'medium';
    case 'HIGH':
      return 'high';
    default:
      return undefined;
  }
}
