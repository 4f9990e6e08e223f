// What the gateway must know of a request of Gemini's, from its bytes. The model and whether it streams stand in the
// path.

import { bounds } from '../../core/bounds.ts';
import { fieldSet, invalid, isNull, readInteger, scanBody, scanObject } from '../../core/json-scan.ts';
import type { RequestFacts, RequestLine, Span } from '../../plugin/protocol.ts';
import { refersOutside, templateTokensMax } from '../input-bound.ts';

/** Both spellings, of which a request uses one. */
const fields = fieldSet(
  'contents',
  'systemInstruction',
  'system_instruction',
  'tools',
  'cachedContent',
  'cached_content',
  'generationConfig',
  'generation_config',
);
const configFields = fieldSet('maxOutputTokens', 'max_output_tokens', 'candidateCount', 'candidate_count');

const tokensMax = 2 ** 31 - 1;
const choicesMax = 128;
/** Pictures and files are named in camelCase, which the shared look for references does not know. */
const media = ['inlineData"', 'inline_data"', 'fileData"', 'file_data"'].map((name) => Buffer.from(name));

export function readRequest(body: Uint8Array, line: RequestLine): RequestFacts {
  const { model = '' } = line;
  if (model === '') throw invalid('model', 'is missing; name it in the path');
  if (model.length > bounds.modelNameLength)
    throw invalid('model', `is longer than ${bounds.modelNameLength} characters`);
  const { spans } = scanBody(body, fields);
  const either = <F extends Parameters<typeof spans.get>[0]>(camel: F, snake: F): Span | undefined => {
    const [one, other] = [spans.get(camel), spans.get(snake)];
    if (one !== undefined && other !== undefined) {
      throw invalid(snake, `is there twice, as ${snake} and as ${camel}; send one of them`);
    }
    return one ?? other;
  };
  const config = either('generationConfig', 'generation_config');
  const cached = either('cachedContent', 'cached_content');
  const system = either('systemInstruction', 'system_instruction');
  const limits = config === undefined || isNull(body, config) ? {} : limitsIn(body, config);
  const contents = spans.get('contents');
  const tools = spans.get('tools');
  const outside =
    (cached !== undefined && !isNull(body, cached)) ||
    [contents, system].some((span) => span !== undefined && holdsMedia(body, span)) ||
    (tools !== undefined && hasServerTool(body, tools));
  return {
    model,
    modelSpan: undefined,
    stream: line.stream === true,
    framing: line.framing,
    outputLimit: limits.output,
    choices: limits.choices ?? 1,
    inputBound: outside ? undefined : body.length + templateTokensMax,
    wantsUsage: true,
    forceUsage: undefined,
  };
}

function limitsIn(body: Uint8Array, config: Span): { output?: number | undefined; choices?: number | undefined } {
  const { spans } = scanObject(body, config, configFields, 'generationConfig');
  const read = (
    camel: 'maxOutputTokens' | 'candidateCount',
    snake: 'max_output_tokens' | 'candidate_count',
    max: number,
  ) => {
    const [one, other] = [spans.get(camel), spans.get(snake)];
    if (one !== undefined && other !== undefined) {
      throw invalid(`generationConfig.${snake}`, `is there twice, as ${snake} and as ${camel}; send one of them`);
    }
    return readInteger(body, one ?? other, `generationConfig.${camel}`, 1, max);
  };
  return {
    output: read('maxOutputTokens', 'max_output_tokens', tokensMax),
    choices: read('candidateCount', 'candidate_count', choicesMax),
  };
}

function holdsMedia(body: Uint8Array, span: Span): boolean {
  const bytes = Buffer.from(body.buffer, body.byteOffset + span.start, span.end - span.start);
  return media.some((name) => bytes.includes(name)) || refersOutside(body, span, '[');
}

/** `googleSearch`, `urlContext` and the like put what they find into the prompt. */
function hasServerTool(body: Uint8Array, span: Span): boolean {
  const text = Buffer.from(body.buffer, body.byteOffset + span.start, span.end - span.start).toString('latin1');
  return /"(?:google_?[sS]earch\w*|url_?[cC]ontext|code_?[eE]xecution|file_?[sS]earch|google_?[mM]aps|computer_?[uU]se|retrieval|mcp_?[sS]ervers)"\s*:/.test(
    text,
  );
}
