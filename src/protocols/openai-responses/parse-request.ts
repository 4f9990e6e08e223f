// A request of OpenAI's responses, read into the neutral conversation. Source: OpenAI API reference, "Responses".

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
import { booleanOf, isList, isObject, listOf, numberOf, objectOf, stringOf } from '../json-fields.ts';
import { effortOfWord, isEmpty } from '../openai-chat/parse-request.ts';
import { parseItems } from './parse-items.ts';

const mapped: ReadonlySet<string> = new Set([
  'model',
  'input',
  'instructions',
  'stream',
  'stream_options',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'max_output_tokens',
  'temperature',
  'top_p',
  'top_logprobs',
  'text',
  'reasoning',
  'service_tier',
  'user',
  'safety_identifier',
  'metadata',
  'prompt_cache_key',
  'store',
  'include',
]);

/** Without these the answer would be another one. */
const meaningful: ReadonlySet<string> = new Set([
  'previous_response_id',
  'conversation',
  'prompt',
  'background',
  'max_tool_calls',
]);

export function parseRequest(body: JsonValue): Conversation {
  const fields = objectOf(body);
  const unmapped: Unmapped[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (mapped.has(name) || value === null || value === false || isEmpty(value)) continue;
    unmapped.push({ path: name, weight: meaningful.has(name) ? 'meaning' : 'hint' });
  }
  const text = objectOf(fields['text']);
  const verbosity = stringOf(text['verbosity']);
  const includes = listOf(fields['include']);
  const top = numberOf(fields['top_logprobs']);
  const logprobs = includes.includes('message.output_text.logprobs') ? (top ?? 0) : top;
  return {
    model: stringOf(fields['model']) ?? '',
    stream: booleanOf(fields['stream']) === true,
    turns: [...instructionTurns(fields['instructions']), ...parseItems(fields['input'], unmapped)],
    tools: listOf(fields['tools']).map(parseTool),
    toolChoice: parseToolChoice(fields['tool_choice']),
    parallelToolCalls: booleanOf(fields['parallel_tool_calls']),
    outputLimit: numberOf(fields['max_output_tokens']),
    temperature: numberOf(fields['temperature']),
    topP: numberOf(fields['top_p']),
    outputForm: parseOutputForm(text['format']),
    thinking: parseThinking(objectOf(fields['reasoning'])),
    verbosity: verbosity === 'low' || verbosity === 'medium' || verbosity === 'high' ? verbosity : undefined,
    logprobs: logprobs === 0 && !includes.includes('message.output_text.logprobs') ? undefined : logprobs,
    serviceTier: stringOf(fields['service_tier']),
    user: stringOf(fields['user']) ?? stringOf(fields['safety_identifier']),
    metadata: isObject(fields['metadata']) && !isEmpty(fields['metadata']) ? fields['metadata'] : undefined,
    cacheKey: stringOf(fields['prompt_cache_key']),
    store: booleanOf(fields['store']),
    unmapped,
  };
}

function instructionTurns(value: JsonValue | undefined): readonly Turn[] {
  if (typeof value === 'string')
    return value === '' ? [] : [{ role: 'system', authority: 'system', parts: [{ kind: 'text', text: value }] }];
  return isList(value) ? parseItems(value, []) : [];
}

function parseTool(value: JsonValue, index: number): Tool {
  const tool = objectOf(value);
  const type = stringOf(tool['type']);
  const path = `tools[${index}]`;
  if (type === undefined) throw invalid(`${path}.type`, 'is missing');
  if (type !== 'function' && type !== 'custom') return { kind: 'native', protocol: 'openai-responses', type, value };
  const name = stringOf(tool['name']);
  if (name === undefined || name === '') throw invalid(`${path}.name`, 'is missing; name the function');
  const description = stringOf(tool['description']);
  if (type === 'custom') {
    return { kind: 'custom', name, description, format: isObject(tool['format']) ? tool['format'] : undefined };
  }
  const parameters = isObject(tool['parameters']) ? tool['parameters'] : undefined;
  return { kind: 'function', name, description, parameters, strict: booleanOf(tool['strict']) };
}

function parseToolChoice(value: JsonValue | undefined): ToolChoice | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === 'auto' || value === 'none' || value === 'required') return { kind: value };
  const choice = objectOf(value);
  const name = stringOf(choice['name']);
  if (choice['type'] === 'allowed_tools') {
    const names = listOf(choice['tools']).flatMap((tool) => stringOf(objectOf(tool)['name']) ?? []);
    return { kind: 'allowed', mode: choice['mode'] === 'required' ? 'required' : 'auto', names };
  }
  if (name === undefined) throw invalid('tool_choice', 'must be "auto", "none", "required", or name a function');
  return { kind: 'tool', name };
}

function parseOutputForm(value: JsonValue | undefined): OutputForm | undefined {
  const format: JsonObject = objectOf(value);
  switch (format['type']) {
    case undefined:
      return undefined;
    case 'text':
      return { kind: 'text' };
    case 'json_object':
      return { kind: 'json' };
    case 'json_schema':
      if (!isObject(format['schema'])) throw invalid('text.format.schema', 'is missing');
      return {
        kind: 'schema',
        name: stringOf(format['name']),
        description: stringOf(format['description']),
        schema: format['schema'],
        strict: booleanOf(format['strict']),
      };
    default:
      throw invalid('text.format.type', 'must be "text", "json_object" or "json_schema"');
  }
}

function parseThinking(reasoning: JsonObject): ThinkingSettings | undefined {
  const word = stringOf(reasoning['effort']);
  const summary = stringOf(reasoning['summary']) ?? stringOf(reasoning['generate_summary']);
  if (word === 'none') return { mode: 'off' };
  const effort = effortOfWord(word);
  if (effort === undefined && summary === undefined) return undefined;
  return {
    mode: effort === undefined ? undefined : 'on',
    effort,
    summary,
    shown: summary === undefined ? undefined : true,
  };
}
