// What the pipeline needs of a Gemini request: the path has said the model and whether to stream, the body says the
// rest.

import { bounds } from '../../core/bounds.ts';
import { stringEndings } from '../../core/json-cursor.ts';
import { fieldSet, invalid, isNull, readInteger, scanBody, scanObject } from '../../core/json-scan.ts';
import type { FieldSpans } from '../../core/json-scan.ts';
import type { RequestFacts, RequestLine, Span } from '../../plugin/protocol.ts';
import { hasEscaped, templateTokensMax } from '../input-bound.ts';
import { elementsOf } from '../json-elements.ts';

// The last spelling of each is known to no vendor: where it stands, a lenient one may read it all the same.
const bodyFields = fieldSet(
  'model',
  'tools',
  'cachedContent',
  'cached_content',
  'cachedcontent',
  'generationConfig',
  'generation_config',
  'generationconfig',
);
const configFields = fieldSet(
  'candidateCount',
  'candidate_count',
  'candidatecount',
  'maxOutputTokens',
  'max_output_tokens',
  'maxoutputtokens',
);
const toolFields = fieldSet('functionDeclarations', 'function_declarations');

const tokensMax = 2 ** 31 - 1;
/** Choices of one request; no vendor serves more. */
const choicesMax = 128;

/** Members that stand for content that is not text: their quotes would be escaped inside one. */
const outsideNames = ['inlineData', 'inline_data', 'fileData', 'file_data', 'fileUri', 'file_uri'] as const;
const outside = outsideNames.map((name) => Buffer.from(`${name}"`));
const endings = stringEndings(...outsideNames);
const { indexOf } = Buffer.prototype;

export function readRequest(body: Uint8Array, line: RequestLine): RequestFacts {
  const { spans, noticed } = scanBody(body, bodyFields, endings);
  const { model } = line;
  if (model === undefined || model === '') throw invalid('model', 'is missing; name the model in the path');
  if (model.length > bounds.modelNameLength)
    throw invalid('model', `must have at most ${bounds.modelNameLength} characters`);
  const config = oneOf(body, spans, 'generationConfig', 'generation_config', 'generationconfig');
  const limits = config === undefined ? undefined : scanObject(body, config, configFields, 'generationConfig').spans;
  const facts = {
    model,
    // The path's name counts. Where the body has one, too, it must say the same to the upstream.
    modelSpan: spans.get('model'),
    stream: line.stream === true,
    outputLimit: limits && readInteger(body, limitOf(body, limits), 'generationConfig.maxOutputTokens', 1, tokensMax),
    choices:
      (limits && readInteger(body, choicesOf(body, limits), 'generationConfig.candidateCount', 1, choicesMax)) ?? 1,
    inputBound: refersOutside(body, spans, noticed) ? undefined : body.length + templateTokensMax,
    wantsUsage: true,
    forceUsage: undefined,
  };
  return line.framing === 'sse' ? facts : { ...facts, framing: line.framing };
}

const limitOf = (body: Uint8Array, spans: FieldSpans<(typeof configFields.names)[number]>) =>
  oneOf(body, spans, 'maxOutputTokens', 'max_output_tokens', 'maxoutputtokens', 'generationConfig');

const choicesOf = (body: Uint8Array, spans: FieldSpans<(typeof configFields.names)[number]>) =>
  oneOf(body, spans, 'candidateCount', 'candidate_count', 'candidatecount', 'generationConfig');

/** A field in either spelling, not in both; `null` is as good as absent. */
function oneOf<F extends string>(
  body: Uint8Array,
  spans: FieldSpans<F>,
  camel: F,
  snake: F,
  folded: F,
  path?: string,
): Span | undefined {
  const shown = path === undefined ? camel : `${path}.${camel}`;
  if (spans.get(folded) !== undefined)
    throw invalid(shown, 'is written in another letter case; field names are case-sensitive');
  const first = spans.get(camel);
  const second = spans.get(snake);
  if (first !== undefined && second !== undefined)
    throw invalid(shown, `is also sent as ${snake}; send one of the two`);
  const span = first ?? second;
  return span === undefined || isNull(body, span) ? undefined : span;
}

function refersOutside(
  body: Uint8Array,
  spans: FieldSpans<(typeof bodyFields.names)[number]>,
  noticed: boolean,
): boolean {
  if (oneOf(body, spans, 'cachedContent', 'cached_content', 'cachedcontent') !== undefined) return true;
  const tools = spans.get('tools');
  if (tools !== undefined && bringsText(body, tools)) return true;
  if (noticed) for (const name of outside) if (indexOf.call(body, name) >= 0) return true;
  return hasEscaped(body, { start: 0, end: body.length }, 0x34);
}

/** A search, an address that is read, code that is run: what such tools find is billed as input. */
function bringsText(body: Uint8Array, tools: Span): boolean {
  if (isNull(body, tools)) return false;
  for (const [index, tool] of toolsIn(body, tools).entries()) {
    const { spans, keys } = scanObject(body, tool, toolFields, `tools[${index}]`);
    const declares =
      spans.get('functionDeclarations') !== undefined || spans.get('function_declarations') !== undefined;
    if (keys > (declares ? 1 : 0)) return true;
  }
  return false;
}

/** Google reads a lone object as a list of one. */
function toolsIn(body: Uint8Array, tools: Span): readonly Span[] {
  if (body[tools.start] === 0x7b) return [tools];
  if (body[tools.start] !== 0x5b) throw invalid('tools', 'must be a list of tools');
  return elementsOf(body, tools);
}
