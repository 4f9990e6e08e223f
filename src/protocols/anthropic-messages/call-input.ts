// The input of a call, as Anthropic's messages have it: an object, always.

import { bounds } from '../../core/bounds.ts';
import type { JsonObject, ToolCallPart } from '../../plugin/conversation.ts';
import { isObject } from '../json-fields.ts';
import { exactJson } from '../translation/exact-numbers.ts';

/**
 * Arguments that the limit cut short, that are no object, or that nest deeper than a request may, stand as Anthropic
 * advises: under a name that says so.
 */
export function callInput(part: ToolCallPart, lost: (loss: string) => void): JsonObject {
  if (part.custom === true) return { input: part.arguments };
  if (part.arguments.trim() === '') return {};
  const parsed = exactJson(part.arguments, bounds.requestDepth);
  if (isObject(parsed)) return parsed;
  lost('tool-arguments');
  return { INVALID_JSON: part.arguments };
}
