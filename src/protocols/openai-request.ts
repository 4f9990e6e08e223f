// What OpenAI's three request forms have in common, read from the bytes. A limit that the client set is
// checked, never changed: what is out of range is refused with the field's name and its limits.

import { bounds } from '../core/bounds.ts';
import {
  fieldSet,
  invalid,
  isNull,
  readBoolean,
  readInteger,
  readString,
  scanObject,
} from '../core/json-scan.ts';
import type { FieldSpans, ScannedObject } from '../core/json-scan.ts';
import type { RequestFacts, RequestLine, Span } from '../plugin/protocol.ts';

/** Choices of one prompt; no vendor serves more. */
const choicesMax = 128;
/** Token limits are 32-bit integers upstream. */
const tokensMax = 2 ** 31 - 1;

export type ModelFacts = Pick<RequestFacts, 'model' | 'modelSpan' | 'modelMissingAt'>;

/** The model is the path's where that names one (Azure's deployments), and the body's otherwise. */
export function readModel(
  body: Uint8Array,
  { spans, inside }: Pick<ScannedObject<'model'>, 'spans' | 'inside'>,
  line: RequestLine,
): ModelFacts {
  const span = spans.get('model');
  if (line.model !== undefined && line.model !== '') {
    return { model: line.model, modelSpan: span, modelMissingAt: span === undefined ? inside : undefined };
  }
  if (span === undefined || isNull(body, span)) throw invalid('model', 'is missing; name the model to use');
  const model = readString(body, span, 'model', bounds.modelNameLength);
  if (model === '') throw invalid('model', 'is empty; name the model to use');
  return { model, modelSpan: span };
}

/** `n` or `best_of`, whichever is larger: all of them are generated and billed. */
export function readChoices(body: Uint8Array, spans: FieldSpans<'n' | 'best_of'>): number {
  const n = readInteger(body, spans.get('n'), 'n', 1, choicesMax) ?? 1;
  const bestOf = readInteger(body, spans.get('best_of'), 'best_of', 1, choicesMax) ?? 1;
  return Math.max(n, bestOf);
}

/** A limit on output tokens, at least `min`. */
export function readTokenLimit<F extends string>(
  body: Uint8Array,
  spans: FieldSpans<F>,
  field: F,
  min: number,
): number | undefined {
  return readInteger(body, spans.get(field), field, min, tokensMax);
}

const optionFields = fieldSet('include_usage');

export type StreamFacts = Pick<RequestFacts, 'stream' | 'wantsUsage' | 'forceUsage'>;

const notStreamed: StreamFacts = { stream: false, wantsUsage: false, forceUsage: undefined };

/**
 * Whether the reply is streamed, and the edit that makes a stream report its usage. Other options are kept.
 */
export function readStream(
  body: Uint8Array,
  scanned: ScannedObject<'stream' | 'stream_options'>,
): StreamFacts {
  if (readBoolean(body, scanned.spans.get('stream'), 'stream') !== true) return notStreamed;
  const options = scanned.spans.get('stream_options');
  if (options === undefined) {
    const text = `"stream_options":{"include_usage":true}${scanned.keys > 0 ? ',' : ''}`;
    return { stream: true, wantsUsage: false, forceUsage: { span: at(scanned.inside), text } };
  }
  if (isNull(body, options)) {
    return { stream: true, wantsUsage: false, forceUsage: { span: options, text: '{"include_usage":true}' } };
  }
  const inner = scanObject(body, options, optionFields, 'stream_options');
  const value = inner.spans.get('include_usage');
  if (value === undefined) {
    const text = `"include_usage":true${inner.keys > 0 ? ',' : ''}`;
    return { stream: true, wantsUsage: false, forceUsage: { span: at(inner.inside), text } };
  }
  const wantsUsage = readBoolean(body, value, 'stream_options.include_usage') === true;
  return { stream: true, wantsUsage, forceUsage: wantsUsage ? undefined : { span: value, text: 'true' } };
}

const at = (position: number): Span => ({ start: position, end: position });
