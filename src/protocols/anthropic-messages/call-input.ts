// The input of a call, as Anthropic's messages have it: an object, always.

import type { JsonObject, ToolCallPart } from '../../plugin/conversation.ts';
import { isObject, parsedJson } from '../json-fields.ts';

/** Arguments that the limit cut short, or that are no object, stand as Anthropic advises: under a name that says so. */
export function callInput(part: ToolCallPart, lost: (loss: string) => void): JsonObject {
  if (part.custom === true) return { input: part.arguments };
  if (part.arguments.trim() === '') return {};
  const parsed = parsedJson(part.arguments);
  if (isObject(parsed)) return parsed;
  lost('tool-arguments');
  return { INVALID_JSON: part.arguments };
}
