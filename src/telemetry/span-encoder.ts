// One request as spans of OTLP: a server span, and a client span for each try. GenAI semantic conventions, no prompt,
// no reply, and nothing of who asked. Nearly all of a span is the same for many requests: that is written once, copied,
// and ids and moments are put over the places kept for them.

import type { Closing } from '../domain/ledger/ledger.ts';
import type { Attempt, Outcome } from '../domain/ledger/records.ts';
import type { Operation } from '../plugin/operations.ts';
import { writeAttribute } from './attributes.ts';
import type { AttributeValue } from './attributes.ts';
import { attributeSlot } from './attribute-slot.ts';
import { ProtobufWriter } from './protobuf-writer.ts';
import { SPAN_ID_BYTES, TRACE_ID_BYTES } from './trace-context.ts';

/** Where the spans of a request go, and what they are called. */
export interface SpanIds {
  readonly trace: Uint8Array;
  readonly server: Uint8Array;
  /** Undefined: the trace begins here. */
  readonly parent: Uint8Array | undefined;
  /** Of the try at that place in order; what it gives is copied before it is asked again. */
  attempt(index: number): Uint8Array;
}

/** Handed in: what is loaded with the gateway anyway is not to be loaded apart for the sake of this. */
export interface TokenSums {
  input(usage: Closing['usage']): number;
  output(usage: Closing['usage']): number;
}

export interface UpstreamAddress {
  readonly host: string;
  readonly port: number;
}

/** Field numbers of `Span` and `Status` in OTLP's `trace.proto`. */
const Span = {
  traceId: 1,
  spanId: 2,
  parentSpanId: 4,
  name: 5,
  kind: 6,
  start: 7,
  end: 8,
  attributes: 9,
  status: 15,
  flags: 16,
} as const;
const SERVER = 2;
const CLIENT = 3;
const SAMPLED = 1;
/** `Status { code: ERROR }`. */
const FAILED = Uint8Array.of(3 << 3, 2);

export const operationNames: Readonly<Record<Operation, string>> = {
  chat: 'chat',
  completions: 'text_completion',
  embeddings: 'embeddings',
};

/** Outcomes that are a failure of the service, not of the client or of its money. */
const failures: ReadonlySet<Outcome> = new Set(['upstream-failed', 'broken-off', 'timed-out', 'shut-down']);

const slots = {
  inputTokens: attributeSlot(Span.attributes, 'gen_ai.usage.input_tokens'),
  outputTokens: attributeSlot(Span.attributes, 'gen_ai.usage.output_tokens'),
  cacheRead: attributeSlot(Span.attributes, 'gen_ai.usage.cache_read.input_tokens'),
  cacheWrite: attributeSlot(Span.attributes, 'gen_ai.usage.cache_creation.input_tokens'),
  firstChunk: attributeSlot(Span.attributes, 'gen_ai.response.time_to_first_chunk'),
  requestId: attributeSlot(Span.attributes, 'tollgate.request.id'),
} as const;

/** What a phrase was made of. */
interface Wanted {
  readonly model: string;
  readonly operation: Operation;
  readonly stream: boolean;
  readonly upstream: string | undefined;
  /** The upstream's own name for the model. */
  readonly asked: string | undefined;
  readonly provider: string | undefined;
  /** Of the request; undefined for a try. */
  readonly outcome: Outcome | undefined;
  readonly status: number | undefined;
}

/** The fields of a span with nothing in the places for its ids and moments, and without what differs each time. */
interface Phrase extends Wanted {
  readonly fields: Uint8Array;
}

/** What is remembered for copying, by model or upstream; beyond that it is written anew. */
const PHRASES_MAX = 1_000;

/** Where a phrase keeps a place for what: each after its tag, ids also after their length. */
const TRACE_AT = 2;
const SPAN_AT = TRACE_AT + TRACE_ID_BYTES + 2;
const START_AT = SPAN_AT + SPAN_ID_BYTES + 1;
const END_AT = START_AT + 8 + 1;
/** In the phrases of tries alone: the request's span is above them. */
const PARENT_AT = END_AT + 8 + 2;

/** For a request that no upstream was asked for. */
const nobody = { model: undefined, provider: undefined } as const;

type Attributes = readonly (readonly [key: string, value: AttributeValue | undefined])[];

export class SpanEncoder {
  readonly #addressOf: (upstream: string) => UpstreamAddress | undefined;
  readonly #tokens: TokenSums;
  readonly #writer = new ProtobufWriter(8 * 1024);
  readonly #serverPhrases = new Map<string, Phrase[]>();
  readonly #attemptPhrases = new Map<string, Phrase[]>();

  constructor(addressOf: (upstream: string) => UpstreamAddress | undefined, tokens: TokenSums) {
    this.#addressOf = addressOf;
    this.#tokens = tokens;
  }

  /** Addresses of upstreams may have changed. */
  forget(): void {
    this.#attemptPhrases.clear();
  }

  /** Hands each span to `take` as the fields of one message; what it gets is gone when it returns. */
  encode(closing: Closing, durationMs: number, ids: SpanIds, take: (span: ProtobufWriter) => void): void {
    const endMs = closing.admittedAt + durationMs;
    this.#server(closing, endMs, ids);
    take(this.#writer);
    const { attempts } = closing;
    for (let index = 0; index < attempts.length; index += 1) {
      const attempt = attempts[index];
      if (attempt === undefined) continue;
      const served = index === attempts.length - 1 && closing.upstream !== undefined;
      const until = served && closing.stream ? endMs : attempt.startedAt + attempt.durationMs;
      this.#attempt(closing, attempt, Math.max(until, attempt.startedAt), ids, ids.attempt(index));
      take(this.#writer);
    }
  }

  #server(closing: Closing, endMs: number, { trace, server, parent }: SpanIds): void {
    const writer = this.#writer;
    this.#begin(this.#serverPhrase(closing), trace, server, closing.admittedAt, endMs);
    if (parent !== undefined) writer.bytes(Span.parentSpanId, parent);
    slots.requestId.text(writer, closing.requestId);
    if (closing.usageSource !== 'none') {
      const { usage } = closing;
      slots.inputTokens.whole(writer, this.#tokens.input(usage));
      slots.outputTokens.whole(writer, this.#tokens.output(usage));
      const written = (usage.cacheWrite5m ?? 0) + (usage.cacheWrite1h ?? 0);
      if (usage.cacheRead !== undefined && usage.cacheRead > 0) slots.cacheRead.whole(writer, usage.cacheRead);
      if (written > 0) slots.cacheWrite.whole(writer, written);
    }
    if (closing.stream && closing.firstByteMs !== undefined) {
      slots.firstChunk.double(writer, closing.firstByteMs / 1000);
    }
  }

  #attempt(closing: Closing, attempt: Attempt, endMs: number, { trace, server }: SpanIds, span: Uint8Array): void {
    const writer = this.#writer;
    this.#begin(this.#attemptPhrase(closing, attempt), trace, span, attempt.startedAt, endMs);
    writer.bytesAt(PARENT_AT, server);
    if (attempt.fault === undefined) return;
    writeAttribute(writer, Span.attributes, 'error.type', attempt.fault);
    writer.bytes(Span.status, FAILED);
  }

  #begin(phrase: Uint8Array, trace: Uint8Array, span: Uint8Array, startMs: number, endMs: number): void {
    const writer = this.#writer;
    writer.reset();
    writer.raw(phrase);
    writer.bytesAt(TRACE_AT, trace);
    writer.bytesAt(SPAN_AT, span);
    writer.nanosecondsAt(START_AT, startMs);
    writer.nanosecondsAt(END_AT, endMs);
  }

  #serverPhrase({ model, operation, stream, attempts, upstream, outcome, status }: Closing): Uint8Array {
    const { model: asked, provider } = attempts[attempts.length - 1] ?? nobody;
    const wanted = { model, operation, stream, upstream, asked, provider, outcome, status };
    const phrases = this.#serverPhrases;
    return found(phrases, model, wanted) ?? remember(phrases, model, wanted, serverFields(wanted));
  }

  #attemptPhrase({ operation, stream }: Closing, { upstream, provider, model, status }: Attempt): Uint8Array {
    const wanted = { model, operation, stream, upstream, asked: model, provider, outcome: undefined, status };
    const phrases = this.#attemptPhrases;
    const known = found(phrases, upstream, wanted);
    return known ?? remember(phrases, upstream, wanted, attemptFields(wanted, this.#addressOf(upstream)));
  }
}

function found(phrases: ReadonlyMap<string, readonly Phrase[]>, key: string, wanted: Wanted): Uint8Array | undefined {
  const known = phrases.get(key);
  if (known === undefined) return undefined;
  for (let index = 0; index < known.length; index += 1) {
    const one = known[index];
    if (one !== undefined && alike(one, wanted)) return one.fields;
  }
  return undefined;
}

const alike = (one: Phrase, other: Wanted): boolean =>
  one.model === other.model &&
  one.operation === other.operation &&
  one.stream === other.stream &&
  one.upstream === other.upstream &&
  one.asked === other.asked &&
  one.provider === other.provider &&
  one.outcome === other.outcome &&
  one.status === other.status;

function remember(phrases: Map<string, Phrase[]>, key: string, wanted: Wanted, fields: Uint8Array): Uint8Array {
  const known = phrases.get(key);
  const phrase = { ...wanted, fields };
  if (known === undefined && phrases.size >= PHRASES_MAX) phrases.clear();
  if (known === undefined || known.length >= PHRASES_MAX) phrases.set(key, [phrase]);
  else known.push(phrase);
  return fields;
}

function serverFields(wanted: Wanted): Uint8Array {
  const { upstream, asked, provider, outcome = 'finished', status } = wanted;
  const error = outcome === 'finished' || outcome === 'empty' ? undefined : outcome;
  const writer = spanFields(wanted, SERVER, [
    ['gen_ai.provider.name', provider],
    ['gen_ai.response.model', upstream === undefined ? undefined : asked],
    ['tollgate.outcome', outcome],
    ['error.type', error],
  ]);
  const failed = error !== undefined && (failures.has(error) || (status ?? 0) >= 500);
  if (failed) writer.bytes(Span.status, FAILED);
  return writer.copy();
}

function attemptFields(wanted: Wanted, address: UpstreamAddress | undefined): Uint8Array {
  const writer = spanFields(wanted, CLIENT, [
    ['gen_ai.provider.name', wanted.provider],
    ['server.address', address?.host],
    ['server.port', address?.port],
    ['tollgate.upstream', wanted.upstream],
  ]);
  return writer.copy();
}

/** First the places that are kept, as the constants above have them; then what all spans say. */
function spanFields({ model, operation, stream, status }: Wanted, kind: number, more: Attributes): ProtobufWriter {
  const writer = new ProtobufWriter(512);
  writer.bytes(Span.traceId, new Uint8Array(TRACE_ID_BYTES));
  writer.bytes(Span.spanId, new Uint8Array(SPAN_ID_BYTES));
  writer.nanoseconds(Span.start, 0);
  writer.nanoseconds(Span.end, 0);
  if (kind === CLIENT) writer.bytes(Span.parentSpanId, new Uint8Array(SPAN_ID_BYTES));
  writer.fixed32(Span.flags, SAMPLED);
  writer.text(Span.name, `${operationNames[operation]} ${model}`);
  writer.number(Span.kind, kind);
  const attributes: Attributes = [
    ['gen_ai.operation.name', operationNames[operation]],
    ['gen_ai.request.model', model],
    ['gen_ai.request.stream', stream],
    ['http.request.method', 'POST'],
    ['http.response.status_code', status !== undefined && status > 0 ? status : undefined],
    ...more,
  ];
  for (const [name, value] of attributes) {
    if (value !== undefined) writeAttribute(writer, Span.attributes, name, value);
  }
  return writer;
}
