// A chat completion request, read into the neutral conversation.

import { invalid } from '../../core/json-scan.ts';
import type {
  Conversation,
  JsonObject,
  JsonValue,
  OutputForm,
  ThinkingSettings,
  Tool,
  ToolChoice,
  Unmapped,
} from '../../plugin/conversation.ts';
import type { RequestLine } from '../../plugin/protocol.ts';
import { booleanOf, isEmpty, isList, isObject, listOf, numberOf, objectOf, stringOf } from '../json-fields.ts';
import { metadataOf, schemaForm, verbosityOfWord } from '../openai-settings.ts';
import { effortOfWord } from '../translation/thinking-effort.ts';
import { parseMessages } from './parse-messages.ts';

/** Fields with a place in the neutral form; the rest is listed or refused by `weights`. */
const mapped: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'max_tokens',
  'max_completion_tokens',
  'n',
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'seed',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
  'stop',
  'response_format',
  'reasoning_effort',
  'reasoning',
  'verbosity',
  'logprobs',
  'top_logprobs',
  'service_tier',
  'user',
  'safety_identifier',
  'metadata',
  'prompt_cache_key',
  'store',
  'modalities',
  'audio',
]);

/** Without these the answer would be another one. */
const meaningful: ReadonlySet<string> = new Set([
  'web_search_options',
  'search_parameters',
  'plugins',
  'documents',
  'data_sources',
  'deferred',
  // The older form of tools: its clients read answers that are not written any more.
  'functions',
  'function_call',
  'best_of',
  'echo',
  'prompt',
]);

/** Its being there asks for a search, with everything as the vendor likes. */
const switchedOnByEmpty = 'web_search_options';

export function parseRequest(body: JsonValue, line: RequestLine): Conversation {
  const fields = objectOf(body);
  const unmapped: Unmapped[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (mapped.has(name) || value === null || (isEmpty(value) && name !== switchedOnByEmpty)) continue;
    unmapped.push({ path: name, weight: meaningful.has(name) ? 'meaning' : 'hint' });
  }
  const logprobs = booleanOf(fields['logprobs']) === true ? (numberOf(fields['top_logprobs']) ?? 0) : undefined;
  const toolChoice = parseToolChoice(fields['tool_choice']);
  const outputForm = parseOutputForm(fields['response_format']);
  const thinking = parseThinking(fields, unmapped);
  const stop = parseStop(fields['stop']);
  const turns = parseMessages(fields['messages'], unmapped);
  const outputLimit = numberOf(fields['max_completion_tokens']) ?? numberOf(fields['max_tokens']);
  const verbosity = verbosityOfWord(stringOf(fields['verbosity']));
  if (verbosity === undefined && stringOf(fields['verbosity']) !== undefined)
    unmapped.push({ path: 'verbosity', weight: 'hint' });
  return {
    model: line.model ?? stringOf(fields['model']) ?? '',
    stream: booleanOf(fields['stream']) === true,
    turns,
    tools: listOf(fields['tools']).map(parseTool),
    toolChoice,
    parallelToolCalls: booleanOf(fields['parallel_tool_calls']),
    outputLimit,
    choices: numberOf(fields['n']),
    temperature: numberOf(fields['temperature']),
    topP: numberOf(fields['top_p']),
    topK: numberOf(fields['top_k']),
    minP: numberOf(fields['min_p']),
    seed: numberOf(fields['seed']),
    presencePenalty: numberOf(fields['presence_penalty']),
    frequencyPenalty: numberOf(fields['frequency_penalty']),
    logitBias: isObject(fields['logit_bias']) && !isEmpty(fields['logit_bias']) ? fields['logit_bias'] : undefined,
    stop,
    outputForm,
    thinking,
    verbosity,
    logprobs,
    serviceTier: stringOf(fields['service_tier']),
    user: stringOf(fields['user']) ?? stringOf(fields['safety_identifier']),
    metadata: metadataOf(fields),
    cacheKey: stringOf(fields['prompt_cache_key']),
    store: booleanOf(fields['store']),
    modalities: isList(fields['modalities']) ? fields['modalities'].flatMap((each) => stringOf(each) ?? []) : undefined,
    audio: isObject(fields['audio']) ? fields['audio'] : undefined,
    unmapped,
  };
}

function parseTool(value: JsonValue, index: number): Tool {
  const tool = objectOf(value);
  const type = stringOf(tool['type']);
  const path = `tools[${index}]`;
  if (type === 'function') return functionTool(objectOf(tool['function']), `${path}.function`);
  if (type === 'custom') {
    const custom = objectOf(tool['custom']);
    const format = isObject(custom['format']) ? flatFormat(custom['format']) : undefined;
    return {
      kind: 'custom',
      name: nameOf(custom, `${path}.custom`),
      description: stringOf(custom['description']),
      format,
    };
  }
  if (type === undefined) throw invalid(`${path}.type`, 'is missing; send "function"');
  return { kind: 'native', protocol: 'openai-chat', type, value };
}

/** Chat holds a grammar in an object of its own; the neutral form is that of responses. */
function flatFormat({ grammar, ...format }: JsonObject): JsonObject {
  return isObject(grammar) ? { ...format, ...grammar } : format;
}

function functionTool(fields: JsonObject, path: string): Tool {
  return {
    kind: 'function',
    name: nameOf(fields, path),
    description: stringOf(fields['description']),
    parameters: isObject(fields['parameters']) ? fields['parameters'] : undefined,
    strict: booleanOf(fields['strict']),
  };
}

function nameOf(fields: JsonObject, path: string): string {
  const name = stringOf(fields['name']);
  if (name === undefined || name === '') throw invalid(`${path}.name`, 'is missing; name the function');
  return name;
}

function parseToolChoice(value: JsonValue | undefined): ToolChoice | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === 'auto' || value === 'none' || value === 'required') return { kind: value };
  // Mistral's word for the same.
  if (value === 'any') return { kind: 'required' };
  const choice = objectOf(value);
  switch (choice['type']) {
    case 'function':
      return { kind: 'tool', name: nameOf(objectOf(choice['function']), 'tool_choice.function') };
    case 'custom':
      return { kind: 'tool', name: nameOf(objectOf(choice['custom']), 'tool_choice.custom') };
    case 'allowed_tools': {
      const allowed = objectOf(choice['allowed_tools']);
      const names = listOf(allowed['tools']).flatMap((tool) => {
        const { function: called, custom } = objectOf(tool);
        return stringOf(objectOf(called)['name']) ?? stringOf(objectOf(custom)['name']) ?? [];
      });
      return { kind: 'allowed', mode: allowed['mode'] === 'required' ? 'required' : 'auto', names };
    }
    default:
      throw invalid('tool_choice', 'must be "auto", "none", "required", or name a function');
  }
}

function parseOutputForm(value: JsonValue | undefined): OutputForm | undefined {
  if (value === undefined || value === null || isEmpty(value)) return undefined;
  const format = objectOf(value);
  switch (format['type']) {
    case 'text':
      return { kind: 'text' };
    case 'json_object':
      return { kind: 'json' };
    case 'json_schema': {
      const schema = objectOf(format['json_schema']);
      if (!isObject(schema['schema'])) return { kind: 'json' };
      return schemaForm(schema, schema['schema']);
    }
    default:
      throw invalid('response_format.type', 'must be "text", "json_object" or "json_schema"');
  }
}

/** OpenAI's `reasoning_effort`, and OpenRouter's `reasoning` beside it. */
function parseThinking(fields: JsonObject, unmapped: Unmapped[]): ThinkingSettings | undefined {
  const reasoning = objectOf(fields['reasoning']);
  const word = stringOf(fields['reasoning_effort']) ?? stringOf(reasoning['effort']);
  const budgetTokens = numberOf(reasoning['max_tokens']);
  const excluded = booleanOf(reasoning['exclude']);
  const shown = excluded === undefined ? undefined : !excluded;
  if (word === 'none' || booleanOf(reasoning['enabled']) === false) return { mode: 'off' };
  const effort = effortOfWord(word);
  // A word that one vendor alone has.
  if (word !== undefined && effort === undefined) unmapped.push({ path: 'reasoning_effort', weight: 'hint' });
  if (effort === undefined && budgetTokens === undefined && shown === undefined && reasoning['enabled'] !== true)
    return undefined;
  return { mode: 'on', effort, budgetTokens, shown };
}

function parseStop(value: JsonValue | undefined): readonly string[] | undefined {
  if (typeof value === 'string') return [value];
  const stops = listOf(value).flatMap((each) => stringOf(each) ?? []);
  return stops.length === 0 ? undefined : stops;
}
