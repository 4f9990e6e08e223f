// Embeddings: unit vectors that depend on the text alone. The numbers are rounded to 32 bits first, so that
// the list and the base64 form say the same.

import { openAiForm } from './forms/openai.ts';
import { doneEvent } from './wire.ts';
import type { Answer } from './answer.ts';
import { usageJson } from './answer.ts';
import { readDirectives } from './directives.ts';
import type { Directives } from './directives.ts';
import { listOf, optionalInteger, tokensOf } from './fields.ts';
import type { Fields } from './fields.ts';
import { Refusal } from './refusal.ts';

const dimensionsDefault = 256;
const dimensionsMax = 4_096;
const inputsMax = 2_048;

export interface EmbeddingRequest {
  readonly fields: Fields;
  readonly model: string;
  readonly directives: Directives;
}

interface Input {
  readonly text: string;
  readonly tokens: number;
}

function isTokens(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length > 0 && value.every((each) => Number.isInteger(each));
}

function readInputs(fields: Fields): readonly Input[] {
  const { input } = fields;
  const given: readonly unknown[] = typeof input === 'string' || isTokens(input) ? [input] : listOf(input);
  if (given.length === 0 || given.length > inputsMax) {
    throw new Refusal(`'input' must be a string, tokens, or a list of 1 to ${inputsMax} of them`, {
      param: 'input',
    });
  }
  return given.map((each, index) => {
    if (typeof each === 'string' && each !== '') return { text: each, tokens: tokensOf(Buffer.byteLength(each)) };
    if (isTokens(each)) return { text: each.join(' '), tokens: each.length };
    throw new Refusal('an input must be a string that is not empty, or a list of tokens', {
      param: `input[${index}]`,
    });
  });
}

/** A unit vector from a text's hash, by xorshift. */
export function unitVector(text: string, dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions);
  let state = (Bun.hash.crc32(text) ^ 0x9e3779b9) | 1;
  let squares = 0;
  for (let index = 0; index < dimensions; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const value = state / 2 ** 31;
    vector[index] = value;
    squares += value * value;
  }
  const length = Math.sqrt(squares);
  return vector.map((value) => value / length);
}

function encode(vector: Float32Array, format: 'float' | 'base64'): string {
  if (format === 'base64') return `"${Buffer.from(vector.buffer).toString('base64')}"`;
  return `[${Array.from(vector).join(',')}]`;
}

function readFormat(fields: Fields): 'float' | 'base64' {
  const format = fields.encoding_format ?? 'float';
  if (format === 'float' || format === 'base64') return format;
  throw new Refusal("'encoding_format' must be 'float' or 'base64'", { param: 'encoding_format' });
}

/** Throws Refusal for a request that cannot be read. */
export function answerEmbeddings(request: EmbeddingRequest): Answer {
  const { fields, model } = request;
  const inputs = readInputs(fields);
  const format = readFormat(fields);
  const dimensions = optionalInteger(fields, 'dimensions', 1, dimensionsMax) ?? dimensionsDefault;
  const directives = { ...request.directives, ...readDirectives(inputs[0]?.text ?? '').directives };
  const prompt = inputs.reduce((sum, { tokens }) => sum + tokens, 0);
  return {
    stream: false,
    wantsUsage: false,
    timing: { delayMs: directives.delay ?? 0, firstMs: directives.first ?? 0, gapMs: 0 },
    usage: { prompt, completion: 0, cached: 0, reasoning: 0 },
    form: openAiForm,
    done: () => doneEvent,
    body(choice = 'honest') {
      const data = inputs.map(
        ({ text }, index) =>
          `{"object":"embedding","index":${index},"embedding":${encode(unitVector(text, dimensions), format)}}`,
      );
      const usage = usageJson(choice, () => `{"prompt_tokens":${prompt},"total_tokens":${prompt}}`);
      return (
        `{"object":"list","data":[${data.join(',')}],"model":${JSON.stringify(model)}` +
        `${usage === undefined ? '' : `,"usage":${usage}`}}`
      );
    },
    *frames() {},
    contentFrame: (text) => JSON.stringify(text),
  };
}
