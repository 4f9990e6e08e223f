// A request of Anthropic's messages, read into the neutral conversation. Source: Anthropic, Messages API.

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
import { cacheOf } from '../cache-mark.ts';
import { booleanOf, isEmpty, isList, isObject, listOf, numberOf, objectOf, stringOf } from '../json-fields.ts';
import { own } from './parse-content.ts';
import { effortOfWord } from '../translation/thinking-effort.ts';
import { parseMessages, systemTurn } from './parse-messages.ts';

const mapped: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'system',
  'stream',
  'max_tokens',
  'temperature',
  'top_p',
  'top_k',
  'stop_sequences',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
  'output_format',
  'metadata',
  'service_tier',
]);

/** Without these the answer would be another one. */
const meaningful: ReadonlySet<string> = new Set(['container', 'mcp_servers', 'fallbacks']);

export function parseRequest(body: JsonValue): Conversation {
  const fields = objectOf(body);
  const unmapped: Unmapped[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (mapped.has(name) || value === null) continue;
    unmapped.push({ path: name, weight: meaningful.has(name) && !isEmpty(value) ? 'meaning' : 'hint' });
  }
  const config = objectOf(fields['output_config']);
  listOthers(config, 'output_config', ['effort', 'format'], unmapped);
  const metadata = objectOf(fields['metadata']);
  listOthers(metadata, 'metadata', ['user_id'], unmapped);
  const { choice, parallel } = parseToolChoice(fields['tool_choice']);
  const { turns, effort } = parseMessages(fields['messages'], unmapped);
  const tier = stringOf(fields['service_tier']);
  const format = config['format'] ?? fields['output_format'];
  return {
    model: stringOf(fields['model']) ?? '',
    stream: booleanOf(fields['stream']) === true,
    turns: [...leadingSystem(fields['system'], unmapped), ...turns],
    tools: parseTools(fields['tools'], unmapped),
    toolChoice: choice,
    parallelToolCalls: parallel,
    outputLimit: numberOf(fields['max_tokens']),
    temperature: numberOf(fields['temperature']),
    topP: numberOf(fields['top_p']),
    topK: numberOf(fields['top_k']),
    stop: parseStop(fields['stop_sequences']),
    outputForm: parseOutputForm(format, config['format'] === undefined ? 'output_format' : 'output_config.format'),
    thinking: parseThinking(fields['thinking'], effort ?? stringOf(config['effort'])),
    serviceTier: tier === 'standard_only' ? 'default' : tier,
    user: stringOf(metadata['user_id']),
    unmapped,
  };
}

function listOthers(fields: JsonObject, path: string, known: readonly string[], unmapped: Unmapped[]): void {
  for (const [name, value] of Object.entries(fields))
    if (value !== null && !known.includes(name)) unmapped.push({ path: `${path}.${name}`, weight: 'hint' });
}

/** What Claude Code says of itself to its vendor's billing. It changes with each version, and spoils other caches. */
const billingHeader = /^x-anthropic-billing-header:/;

function leadingSystem(value: JsonValue | undefined, unmapped: Unmapped[]): readonly SystemTurn[] {
  if (value === undefined || value === null) return [];
  const turn = systemTurn(value, 'system', unmapped);
  const parts = turn.parts.filter(({ text }) => !billingHeader.test(text));
  return parts.length === 0 ? [] : [{ ...turn, parts }];
}

function parseStop(value: JsonValue | undefined): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  const texts = listOf(value).map((each, index) => {
    if (typeof each !== 'string') throw invalid(`stop_sequences[${index}]`, 'must be a text');
    return each;
  });
  return texts.length === 0 ? undefined : texts;
}

function parseTools(value: JsonValue | undefined, unmapped: Unmapped[]): readonly Tool[] {
  if (value === undefined || value === null) return [];
  if (!isList(value)) throw invalid('tools', 'must be a list of tools');
  return value.map((tool, index) => parseTool(objectOf(tool), `tools[${index}]`, unmapped));
}

const toolFields = ['type', 'name', 'description', 'input_schema', 'strict', 'cache_control'];

function parseTool(tool: JsonObject, path: string, unmapped: Unmapped[]): Tool {
  const type = stringOf(tool['type']);
  if (type !== undefined && type !== 'custom') return { kind: 'native', protocol: own, type, value: tool };
  const name = stringOf(tool['name']);
  if (name === undefined || name === '') throw invalid(`${path}.name`, 'is missing; name the tool');
  listOthers(tool, path, toolFields, unmapped);
  return {
    kind: 'function',
    name,
    description: stringOf(tool['description']),
    parameters: isObject(tool['input_schema']) ? tool['input_schema'] : undefined,
    strict: booleanOf(tool['strict']),
    cache: cacheOf(tool),
  };
}

function parseToolChoice(value: JsonValue | undefined): {
  readonly choice: ToolChoice | undefined;
  readonly parallel: boolean | undefined;
} {
  if (value === undefined || value === null) return { choice: undefined, parallel: undefined };
  const fields = objectOf(value);
  const disabled = booleanOf(fields['disable_parallel_tool_use']);
  const parallel = disabled === undefined ? undefined : !disabled;
  switch (fields['type']) {
    case 'auto':
      return { choice: { kind: 'auto' }, parallel };
    case 'any':
      return { choice: { kind: 'required' }, parallel };
    case 'none':
      return { choice: { kind: 'none' }, parallel };
    case 'tool': {
      const name = stringOf(fields['name']);
      if (name === undefined) throw invalid('tool_choice.name', 'is missing; name the tool');
      return { choice: { kind: 'tool', name }, parallel };
    }
    default:
      throw invalid('tool_choice.type', 'must be "auto", "any", "tool" or "none"');
  }
}

function parseOutputForm(value: JsonValue | undefined, path: string): OutputForm | undefined {
  if (value === undefined || value === null) return undefined;
  const format = objectOf(value);
  if (format['type'] !== 'json_schema') throw invalid(`${path}.type`, 'must be "json_schema"');
  if (!isObject(format['schema'])) throw invalid(`${path}.schema`, 'must be a JSON Schema');
  return { kind: 'schema', name: stringOf(format['name']), schema: format['schema'], strict: true };
}

function parseThinking(value: JsonValue | undefined, word: string | undefined): ThinkingSettings | undefined {
  const effort = word === undefined ? undefined : effortOf(word);
  if (value === undefined || value === null) return effort === undefined ? undefined : { effort };
  const fields = objectOf(value);
  const display = stringOf(fields['display']);
  const shown = display === undefined ? undefined : display !== 'omitted';
  switch (fields['type']) {
    case 'enabled':
      return { mode: 'on', budgetTokens: numberOf(fields['budget_tokens']), effort, shown };
    case 'adaptive':
      return { mode: 'adaptive', effort, shown };
    case 'disabled':
    // The same of models that may still think between the calls of tools.
    case 'between_tools':
      return { mode: 'off', effort };
    default:
      throw invalid('thinking.type', 'must be "enabled", "adaptive" or "disabled"');
  }
}

/** `minimal` is a word of OpenAI's. */
function effortOf(word: string): ThinkingSettings['effort'] {
  const effort = effortOfWord(word);
  if (effort === undefined || effort === 'minimal')
    throw invalid('output_config.effort', 'must be "low", "medium", "high", "xhigh" or "max"');
  return effort;
}
