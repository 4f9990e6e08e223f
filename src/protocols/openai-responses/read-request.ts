// What the gateway must know of a request of OpenAI's responses, from its bytes.

import { bounds } from '../../core/bounds.ts';
import { stringEndings } from '../../core/json-cursor.ts';
import { fieldSet, invalid, isNull, readBoolean, readInteger, readString, scanBody } from '../../core/json-scan.ts';
import type { RequestFacts, RequestLine, Span } from '../../plugin/protocol.ts';
import { outsideWords, refersOutside, setsAny, templateTokensMax } from '../input-bound.ts';
import { readModel, readTokenLimit } from '../openai-request.ts';

/** Members that bring in what is not in the body. */
const outsideFields = ['previous_response_id', 'conversation', 'prompt', 'context_management'] as const;

const fields = fieldSet(
  'model',
  'stream',
  'max_output_tokens',
  'top_logprobs',
  'input',
  'tools',
  'store',
  'background',
  ...outsideFields,
);

export function readRequest(body: Uint8Array, line: RequestLine): RequestFacts {
  const scanned = scanBody(body, fields, endings);
  const { spans, noticed } = scanned;
  const named = readModel(body, scanned, line);
  const stream = readBoolean(body, spans.get('stream'), 'stream') === true;
  const outputLimit = readTokenLimit(body, spans, 'max_output_tokens', 1);
  readInteger(body, spans.get('top_logprobs'), 'top_logprobs', 0, 128);
  // What runs on after its answer could be neither watched nor charged.
  if (readBoolean(body, spans.get('background'), 'background') === true) {
    throw invalid('background', 'is not served here; leave it out and stream the response');
  }
  const previous = spans.get('previous_response_id');
  const continues =
    previous === undefined || isNull(body, previous)
      ? undefined
      : readString(body, previous, 'previous_response_id', bounds.modelNameLength);
  const input = spans.get('input');
  let outside = input !== undefined && refersOutside(body, input, '[', noticed);
  outside ||= noticed && input !== undefined && refers(body, input);
  outside ||= setsAny(body, spans, outsideFields);
  const conversation = spans.get('conversation');
  if (conversation !== undefined && !isNull(body, conversation)) {
    throw invalid('conversation', 'is not served here; send the turns, or previous_response_id');
  }
  const tools = spans.get('tools');
  outside ||= tools !== undefined && hasServerTool(body, tools);
  return {
    ...named,
    stream,
    outputLimit,
    choices: 1,
    inputBound: outside ? undefined : body.length + templateTokensMax,
    continues,
    keeps: readBoolean(body, spans.get('store'), 'store') !== false,
    wantsUsage: true,
    forceUsage: undefined,
  };
}

/**
 * Items and parts that stand for what only the upstream has, in words that `refersOutside` does not look for. Within a
 * text their quotes would be escaped.
 */
const references = [
  '"item_reference',
  '"image_generation_call',
  '"additional_tools',
  'file_id',
  'screenshot',
  'container_id',
] as const;
const referenceBytes = references.map((word) => Buffer.from(`${word}"`));
const endings = stringEndings(...outsideWords, ...references.map((word) => word.replace('"', '')));
/** `\u0074` and the like: letters written as escapes, which no honest encoder does. */
const escapedLetter = /\\u00[4-7]/;

const { indexOf } = Buffer.prototype;

function refers(body: Uint8Array, { start, end }: Span): boolean {
  for (const word of referenceBytes) {
    const at = indexOf.call(body, word, start);
    if (at >= 0 && at < end) return true;
  }
  return false;
}

const toolType = /"type"\s*:\s*"([^"]*)"/g;
/** Types that stand in a tool which the client runs itself: its own, and those of its schema. */
const harmless: ReadonlySet<string> = new Set([
  'function',
  'custom',
  'namespace',
  'object',
  'string',
  'number',
  'integer',
  'boolean',
  'array',
  'null',
  'grammar',
  'text',
]);

/** A tool that runs at the vendor puts what it finds into the prompt. */
function hasServerTool(body: Uint8Array, { start, end }: Span): boolean {
  const text = Buffer.from(body.buffer, body.byteOffset + start, end - start).toString('latin1');
  for (const [, type = ''] of text.matchAll(toolType)) if (!harmless.has(type)) return true;
  return escapedLetter.test(text);
}
