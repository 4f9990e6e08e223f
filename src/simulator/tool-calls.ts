// Tool calls on demand: if tools are given and the last user message says `call NAME`, the answer calls NAME,
// once for each mention, with the arguments that stand behind it as JSON, or some made from the tool's schema.

import { isFields, listOf } from './fields.ts';
import type { Fields } from './fields.ts';

export interface ToolCall {
  readonly name: string;
  /** JSON. */
  readonly arguments: string;
}

function sampleValue(schema: unknown, depth: number): unknown {
  if (!isFields(schema) || depth > 8) return null;
  const [first] = listOf(schema.enum);
  if (first !== undefined) return first;
  const type: unknown = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  switch (type) {
    case 'string':
      return 'simulated';
    case 'number':
    case 'integer':
      return 1;
    case 'boolean':
      return true;
    case 'array':
      return [];
    case 'object': {
      const properties = isFields(schema.properties) ? schema.properties : {};
      return Object.fromEntries(
        Object.entries(properties).map(([name, inner]) => [name, sampleValue(inner, depth + 1)]),
      );
    }
    default:
      return null;
  }
}

interface Mention {
  readonly name: string;
  readonly given: string | undefined;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Functions on offer, by name, with the schema of their parameters. */
function offeredTools(request: Fields): ReadonlyMap<string, unknown> {
  const offered = new Map<string, unknown>();
  for (const tool of listOf(request.tools)) {
    const definition = isFields(tool) && isFields(tool.function) ? tool.function : undefined;
    if (definition && typeof definition.name === 'string') offered.set(definition.name, definition.parameters);
  }
  return offered;
}

/** The function that `tool_choice` demands. */
function demandedTool(request: Fields, offered: ReadonlyMap<string, unknown>): string | undefined {
  const choice = request.tool_choice;
  if (choice === 'required') return offered.keys().next().value;
  return isFields(choice) && isFields(choice.function) && typeof choice.function.name === 'string'
    ? choice.function.name
    : undefined;
}

/** Calls that the answer to this request consists of; empty if it is to be text. */
export function toolCallsFor(request: Fields, lastUserText: string): readonly ToolCall[] {
  const offered = offeredTools(request);
  if (offered.size === 0 || request.tool_choice === 'none') return [];
  const mentioned = [...lastUserText.matchAll(/\bcall ([A-Za-z0-9_-]{1,64})(?: (\{[^{}]{0,2000}\}))?/g)].map(
    ([, name = '', given]): Mention => ({ name, given }),
  );
  const demanded = demandedTool(request, offered);
  const mentions = mentioned.filter(({ name }) => offered.has(name));
  if (mentions.length === 0 && demanded !== undefined && offered.has(demanded))
    mentions.push({ name: demanded, given: undefined });
  const called = request.parallel_tool_calls === false ? mentions.slice(0, 1) : mentions.slice(0, 128);
  return called.map(({ name, given }) => {
    // Some agents quote what they were told, and escape the quotes in it.
    const stated = given === undefined || isJson(given) ? given : given.replaceAll('\\"', '"');
    if (stated !== undefined && isJson(stated)) return { name, arguments: stated };
    const schema = offered.get(name);
    return {
      name,
      arguments: JSON.stringify(sampleValue({ type: 'object', ...(isFields(schema) ? schema : {}) }, 0)),
    };
  });
}
