// A request of Anthropic's messages, read into the neutral conversation. Source: Anthropic, Messages API.

import { invalid } from '../../core/json-scan.ts';
import type {
  Conversation,
  JsonValue,
  OutputForm,
  SystemTurn,
  ThinkingSettings,
  Tool,
  ToolChoice,
  Unmapped,
} from '../../plugin/conversation.ts';
import { booleanOf, isObject, listOf, numberOf, objectOf, stringOf } from '../json-fields.ts';
import { cacheOf, parseMessages, textParts } from './parse-messages.ts';

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
    unmapped.push({ path: name, weight: meaningful.has(name) ? 'meaning' : 'hint' });
  }
  const config = objectOf(fields['output_config']);
  const { choice, parallel } = parseToolChoice(fields['tool_choice']);
  const metadata = objectOf(fields['metadata']);
  const stop = listOf(fields['stop_sequences']).flatMap((each) => stringOf(each) ?? []);
  const tier = stringOf(fields['service_tier']);
  return {
    model: stringOf(fields['model']) ?? '',
    stream: booleanOf(fields['stream']) === true,
    turns: [...systemTurns(fields['system']), ...parseMessages(fields['messages'], unmapped)],
    tools: listOf(fields['tools']).map((tool, index) => parseTool(tool, index, unmapped)),
    toolChoice: choice,
    parallelToolCalls: parallel,
    outputLimit: numberOf(fields['max_tokens']),
    temperature: numberOf(fields['temperature']),
    topP: numberOf(fields['top_p']),
    topK: numberOf(fields['top_k']),
    stop: stop.length === 0 ? undefined : stop,
    outputForm: parseOutputForm(config['format'] ?? fields['output_format']),
    thinking: parseThinking(fields['thinking'], stringOf(config['effort'])),
    serviceTier: tier === 'standard_only' ? 'default' : tier,
    user: stringOf(metadata['user_id']),
    unmapped,
  };
}

/** What Claude Code says of itself to its vendor's billing. It changes with each version, and spoils other caches. */
const billingHeader = /^x-anthropic-billing-header:/;

function systemTurns(value: JsonValue | undefined): readonly SystemTurn[] {
  if (value === undefined || value === null) return [];
  const parts = textParts(value, 'system').filter(({ text }) => !billingHeader.test(text));
  return parts.length === 0 ? [] : [{ role: 'system', authority: 'system', parts }];
}

function parseTool(value: JsonValue, index: number, unmapped: Unmapped[]): Tool {
  const tool = objectOf(value);
  const type = stringOf(tool['type']);
  const path = `tools[${index}]`;
  if (type !== undefined && type !== 'custom') return { kind: 'native', protocol: 'anthropic-messages', type, value };
  const name = stringOf(tool['name']);
  if (name === undefined || name === '') throw invalid(`${path}.name`, 'is missing; name the tool');
  for (const each of ['defer_loading', 'allowed_callers', 'input_examples'] as const)
    if (tool[each] !== undefined) unmapped.push({ path: `${path}.${each}`, weight: 'hint' });
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

function parseOutputForm(value: JsonValue | undefined): OutputForm | undefined {
  const format = objectOf(value);
  if (format['type'] !== 'json_schema' || !isObject(format['schema'])) return undefined;
  return { kind: 'schema', name: stringOf(format['name']), schema: format['schema'], strict: true };
}

function parseThinking(value: JsonValue | undefined, word: string | undefined): ThinkingSettings | undefined {
  const fields = objectOf(value);
  const effort = effortOfWord(word);
  const display = stringOf(fields['display']);
  const shown = display === undefined ? undefined : display !== 'omitted';
  switch (fields['type']) {
    case 'enabled':
      return { mode: 'on', budgetTokens: numberOf(fields['budget_tokens']), effort, shown };
    case 'adaptive':
      return { mode: 'adaptive', effort, shown };
    case 'disabled':
      return { mode: 'off' };
    default:
      return effort === undefined ? undefined : { effort };
  }
}

function effortOfWord(word: string | undefined): ThinkingSettings['effort'] {
  switch (word) {
    case 'low':
    case 'medium':
    case 'high':
      return word;
    case 'xhigh':
    case 'max':
      return 'max';
    default:
      return undefined;
  }
}
