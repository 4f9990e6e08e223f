// Tools of a request of OpenAI's responses, and which of them are to be called.

import { invalid } from '../../core/json-scan.ts';
import type { JsonObject, JsonValue, Tool, ToolChoice, Unmapped } from '../../plugin/conversation.ts';
import { booleanOf, isList, isObject, listOf, objectOf, stringOf } from '../json-fields.ts';
import { joinedName } from './namespaces.ts';

const own = 'openai-responses';

const functionFields: ReadonlySet<string> = new Set(['type', 'name', 'description', 'parameters', 'strict', 'format']);

export function parseTools(tools: JsonValue | undefined, unmapped: Unmapped[]): readonly Tool[] {
  if (tools === undefined || tools === null) return [];
  if (!isList(tools)) throw invalid('tools', 'must be a list');
  const parsed: Tool[] = [];
  for (const [index, value] of tools.entries()) {
    const path = `tools[${index}]`;
    const tool = objectOf(value);
    const type = stringOf(tool['type']);
    if (type === undefined) throw invalid(`${path}.type`, 'is missing');
    if (type === 'function' || type === 'custom') parsed.push(clientTool(tool, path, undefined, unmapped));
    else if (type === 'namespace') parsed.push(...namespaceTools(tool, path, unmapped));
    else parsed.push({ kind: 'native', protocol: own, type, value });
  }
  return parsed;
}

function namespaceTools(space: JsonObject, path: string, unmapped: Unmapped[]): readonly Tool[] {
  const namespace = stringOf(space['name']);
  if (namespace === undefined || namespace === '') throw invalid(`${path}.name`, 'is missing; name the namespace');
  if (!isList(space['tools'])) throw invalid(`${path}.tools`, 'must be a list of functions');
  if (space['description'] !== undefined) unmapped.push({ path: `${path}.description`, weight: 'hint' });
  return space['tools'].map((each, index) =>
    clientTool(objectOf(each), `${path}.tools[${index}]`, namespace, unmapped),
  );
}

function clientTool(tool: JsonObject, path: string, namespace: string | undefined, unmapped: Unmapped[]): Tool {
  const given = stringOf(tool['name']);
  if (given === undefined || given === '') throw invalid(`${path}.name`, 'is missing; name the function');
  for (const [field, value] of Object.entries(tool)) {
    if (functionFields.has(field) || value === null || value === false) continue;
    unmapped.push({ path: `${path}.${field}`, weight: 'hint' });
  }
  const name = joinedName(namespace, given);
  const description = stringOf(tool['description']);
  if (tool['type'] === 'custom') {
    const format = isObject(tool['format']) ? tool['format'] : undefined;
    return { kind: 'custom', name, description, format, namespace };
  }
  if (tool['type'] !== 'function') throw invalid(`${path}.type`, 'must be "function" or "custom"');
  const { parameters } = tool;
  if (parameters !== undefined && parameters !== null && !isObject(parameters))
    throw invalid(`${path}.parameters`, 'must be a JSON Schema object');
  const schema = isObject(parameters) ? parameters : undefined;
  return { kind: 'function', name, description, parameters: schema, strict: booleanOf(tool['strict']), namespace };
}

export function parseToolChoice(value: JsonValue | undefined, unmapped: Unmapped[]): ToolChoice | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === 'auto' || value === 'none' || value === 'required') return { kind: value };
  const choice = objectOf(value);
  const name = stringOf(choice['name']);
  switch (choice['type']) {
    case 'function':
    case 'custom':
      if (name === undefined) throw invalid('tool_choice.name', 'is missing; name the function');
      return { kind: 'tool', name: joinedName(stringOf(choice['namespace']), name) };
    case 'allowed_tools': {
      const names = allowedNames(choice['tools'], unmapped);
      return { kind: 'allowed', mode: choice['mode'] === 'required' ? 'required' : 'auto', names };
    }
    case undefined:
      throw invalid('tool_choice', 'must be "auto", "none", "required", or name a tool');
    default:
      // A tool that runs at the vendor, and is to run.
      unmapped.push({ path: 'tool_choice', weight: 'meaning' });
      return undefined;
  }
}

function allowedNames(value: JsonValue | undefined, unmapped: Unmapped[]): readonly string[] {
  if (!isList(value)) throw invalid('tool_choice.tools', 'must be a list of tools');
  return listOf(value).flatMap((each, index) => {
    const tool = objectOf(each);
    const name = stringOf(tool['name']);
    if (name !== undefined && (tool['type'] === 'function' || tool['type'] === 'custom'))
      return joinedName(stringOf(tool['namespace']), name);
    unmapped.push({ path: `tool_choice.tools[${index}]`, weight: 'hint' });
    return [];
  });
}
