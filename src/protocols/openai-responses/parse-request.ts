// A request of OpenAI's responses, read into the neutral conversation. Source: OpenAI API reference, "Responses".

import { invalid } from '../../core/json-scan.ts';
import type {
  Conversation,
  JsonObject,
  JsonValue,
  OutputForm,
  ThinkingSettings,
  Turn,
  Unmapped,
} from '../../plugin/conversation.ts';
import { booleanOf, isEmpty, isList, isObject, listOf, numberOf, objectOf, stringOf } from '../json-fields.ts';
import { metadataOf, schemaForm, verbosityOfWord } from '../openai-settings.ts';
import { effortOfWord } from '../translation/thinking-effort.ts';
import { parseItems } from './parse-items.ts';
import { parseToolChoice, parseTools } from './parse-tools.ts';

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
const meaningful: ReadonlySet<string> = new Set(['previous_response_id', 'conversation', 'prompt', 'background']);

const tokenProbabilities = 'message.output_text.logprobs';
/** What a reply always has here, or has where there is any. */
const included: ReadonlySet<JsonValue> = new Set([tokenProbabilities, 'reasoning.encrypted_content']);

export function parseRequest(body: JsonValue): Conversation {
  const fields = objectOf(body);
  const unmapped: Unmapped[] = [];
  noteFields(fields, unmapped);
  const text = objectOf(fields['text']);
  const verbosity = verbosityOfWord(stringOf(text['verbosity']));
  if (verbosity === undefined && stringOf(text['verbosity']) !== undefined)
    unmapped.push({ path: 'text.verbosity', weight: 'hint' });
  const user = stringOf(fields['user']);
  const safety = stringOf(fields['safety_identifier']);
  if (user !== undefined && safety !== undefined) unmapped.push({ path: 'safety_identifier', weight: 'hint' });
  return {
    model: stringOf(fields['model']) ?? '',
    stream: booleanOf(fields['stream']) === true,
    turns: [...instructionTurns(fields['instructions'], unmapped), ...parseItems(fields['input'], 'input', unmapped)],
    tools: parseTools(fields['tools'], unmapped),
    toolChoice: parseToolChoice(fields['tool_choice'], unmapped),
    parallelToolCalls: booleanOf(fields['parallel_tool_calls']),
    outputLimit: numberIn(fields, 'max_output_tokens'),
    temperature: numberIn(fields, 'temperature'),
    topP: numberIn(fields, 'top_p'),
    outputForm: parseOutputForm(text['format']),
    thinking: parseThinking(objectOf(fields['reasoning'])),
    verbosity,
    logprobs: listOf(fields['include']).includes(tokenProbabilities)
      ? (numberIn(fields, 'top_logprobs') ?? 0)
      : numberIn(fields, 'top_logprobs') || undefined,
    serviceTier: stringOf(fields['service_tier']),
    user: user ?? safety,
    metadata: metadataOf(fields),
    cacheKey: stringOf(fields['prompt_cache_key']),
    store: booleanOf(fields['store']),
    unmapped,
  };
}

/** What says nothing is no loss: `null`, `false`, nothing in a list, and the default of a setting. */
const says = (value: JsonValue | undefined): value is JsonValue =>
  value !== undefined && value !== null && value !== false && !isEmpty(value);

function noteFields(fields: JsonObject, unmapped: Unmapped[]): void {
  for (const [name, value] of Object.entries(fields)) {
    if (mapped.has(name) || !says(value) || (name === 'truncation' && value === 'disabled')) continue;
    unmapped.push({ path: name, weight: meaningful.has(name) ? 'meaning' : 'hint' });
  }
  noteOthers(fields, 'text', ['format', 'verbosity'], unmapped);
  noteOthers(fields, 'reasoning', ['effort', 'summary', 'generate_summary'], unmapped);
  noteOthers(fields, 'stream_options', [], unmapped);
  for (const [index, value] of listOf(fields['include']).entries())
    if (!included.has(value)) unmapped.push({ path: `include[${index}]`, weight: 'hint' });
}

function noteOthers(fields: JsonObject, field: string, known: readonly string[], unmapped: Unmapped[]): void {
  for (const [name, value] of Object.entries(objectOf(fields[field])))
    if (!known.includes(name) && says(value)) unmapped.push({ path: `${field}.${name}`, weight: 'hint' });
}

function numberIn(fields: JsonObject, field: string): number | undefined {
  const value = fields[field];
  if (value === undefined || value === null) return undefined;
  const number = numberOf(value);
  if (number === undefined) throw invalid(field, 'must be a number');
  return number;
}

function instructionTurns(value: JsonValue | undefined, unmapped: Unmapped[]): readonly Turn[] {
  if (value === undefined || value === null || value === '') return [];
  if (typeof value === 'string')
    return [{ role: 'system', authority: 'system', parts: [{ kind: 'text', text: value }] }];
  if (!isList(value)) throw invalid('instructions', 'must be a text or a list of items');
  return parseItems(value, 'instructions', unmapped);
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
      if (!isObject(format['schema'])) throw invalid('text.format.schema', 'must be a JSON Schema object');
      return schemaForm(format, format['schema']);
    default:
      throw invalid('text.format.type', 'must be "text", "json_object" or "json_schema"');
  }
}

function parseThinking(reasoning: JsonObject): ThinkingSettings | undefined {
  const word = stringOf(reasoning['effort']);
  const summary = stringOf(reasoning['summary']) ?? stringOf(reasoning['generate_summary']);
  if (word === 'none') return { mode: 'off' };
  const effort = effortOfWord(word);
  if (word !== undefined && effort === undefined)
    throw invalid('reasoning.effort', 'must be "none", "minimal", "low", "medium", "high", "xhigh" or "max"');
  if (effort === undefined && summary === undefined) return undefined;
  return {
    mode: effort === undefined ? undefined : 'on',
    effort,
    summary,
    shown: summary === undefined ? undefined : true,
  };
}
