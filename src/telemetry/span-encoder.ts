// One request as spans of OTLP: a server span, and a client span for each try. GenAI semantic conventions, no prompt,
// no reply, and nothing of who asked. What is the same for many requests (names, model, provider, address) is written
// once and copied.

import type { Closing } from '../domain/ledger/ledger.ts';
import type { Attempt, Outcome } from '../domain/ledger/records.ts';
import type { Operation } from '../plugin/operations.ts';
import { writeAttribute } from './attributes.ts';
import type { AttributeValue } from './attributes.ts';
import { attributeSlot } from './attribute-slot.ts';
import { ProtobufWriter } from './protobuf-writer.ts';
import type { TraceContext } from './trace-context.ts';

/** Where the spans of a request go, and what they are called. */
export interface SpanIds {
  readonly trace: TraceContext;
  readonly server: string;
  /** Of each try, in order. */
  readonly attempts: readonly string[];
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
  status: attributeSlot(Span.attributes, 'http.response.status_code'),
  inputTokens: attributeSlot(Span.attributes, 'gen_ai.usage.input_tokens'),
  outputTokens: attributeSlot(Span.attributes, 'gen_ai.usage.output_tokens'),
  cacheRead: attributeSlot(Span.attributes, 'gen_ai.usage.cache_read.input_tokens'),
  cacheWrite: attributeSlot(Span.attributes, 'gen_ai.usage.cache_creation.input_tokens'),
  firstChunk: attributeSlot(Span.attributes, 'gen_ai.response.time_to_first_chunk'),
  requestId: attributeSlot(Span.attributes, 'tollgate.request.id'),
  outcome: attributeSlot(Span.attributes, 'tollgate.outcome'),
  errorType: attributeSlot(Span.attributes, 'error.type'),
} as const;

/** What the fields of a phrase were made of. */
interface Wanted {
  readonly model: string;
  readonly operation: Operation;
  readonly stream: boolean;
  readonly upstream: string | undefined;
  /** The upstream's own name for the model. */
  readonly asked: string | undefined;
  readonly provider: string | undefined;
}

interface Phrase extends Wanted {
  readonly fields: Uint8Array;
}

/** What is remembered for copying, by model or upstream; beyond that it is written anew. */
const PHRASES_MAX = 1_000;

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
      this.#attempt(closing, attempt, Math.max(until, attempt.startedAt), ids, ids.attempts[index] ?? ids.server);
      take(this.#writer);
    }
  }

  #server(closing: Closing, endMs: number, { trace, server }: SpanIds): void {
    const writer = this.#writer;
    writer.reset();
    writer.hex(Span.traceId, trace.traceId);
    writer.hex(Span.spanId, server);
    if (trace.parentSpanId !== undefined) writer.hex(Span.parentSpanId, trace.parentSpanId);
    writer.nanoseconds(Span.start, closing.admittedAt);
    writer.nanoseconds(Span.end, endMs);
    writer.fixed32(Span.flags, SAMPLED);
    writer.raw(this.#serverPhrase(closing));
    slots.requestId.text(writer, closing.requestId);
    slots.outcome.text(writer, closing.outcome);
    if (closing.status > 0) slots.status.whole(writer, closing.status);
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
    if (closing.outcome === 'finished' || closing.outcome === 'empty') return;
    slots.errorType.text(writer, closing.outcome);
    if (failures.has(closing.outcome) || closing.status >= 500) writer.bytes(Span.status, FAILED);
  }

  #attempt(closing: Closing, attempt: Attempt, endMs: number, { trace, server }: SpanIds, spanId: string): void {
    const writer = this.#writer;
    writer.reset();
    writer.hex(Span.traceId, trace.traceId);
    writer.hex(Span.spanId, spanId);
    writer.hex(Span.parentSpanId, server);
    writer.nanoseconds(Span.start, attempt.startedAt);
    writer.nanoseconds(Span.end, endMs);
    writer.fixed32(Span.flags, SAMPLED);
    writer.raw(this.#attemptPhrase(closing, attempt));
    if (attempt.status !== undefined && attempt.status > 0) slots.status.whole(writer, attempt.status);
    if (attempt.fault === undefined) return;
    writeAttribute(writer, Span.attributes, 'error.type', attempt.fault);
    writer.bytes(Span.status, FAILED);
  }

  #serverPhrase({ model, operation, stream, attempts, upstream }: Closing): Uint8Array {
    const last = attempts.at(-1);
    const wanted = { model, operation, stream, upstream, asked: last?.model, provider: last?.provider };
    return remembered(this.#serverPhrases, model, wanted, SERVER, () => [
      ['gen_ai.provider.name', last?.provider],
      ['gen_ai.response.model', upstream === undefined ? undefined : last?.model],
    ]);
  }

  #attemptPhrase({ operation, stream }: Closing, { upstream, provider, model }: Attempt): Uint8Array {
    const wanted = { model, operation, stream, upstream, asked: model, provider };
    return remembered(this.#attemptPhrases, upstream, wanted, CLIENT, () => {
      const address = this.#addressOf(upstream);
      return [
        ['gen_ai.provider.name', provider],
        ['server.address', address?.host],
        ['server.port', address?.port],
        ['tollgate.upstream', upstream],
      ];
    });
  }
}

const alike = (one: Phrase, other: Wanted): boolean =>
  one.model === other.model &&
  one.operation === other.operation &&
  one.stream === other.stream &&
  one.upstream === other.upstream &&
  one.asked === other.asked &&
  one.provider === other.provider;

function remembered(
  phrases: Map<string, Phrase[]>,
  key: string,
  wanted: Wanted,
  kind: number,
  more: () => readonly (readonly [key: string, value: AttributeValue | undefined])[],
): Uint8Array {
  const known = phrases.get(key);
  if (known !== undefined) for (const one of known) if (alike(one, wanted)) return one.fields;
  const { model, operation, stream } = wanted;
  const attributes: readonly (readonly [key: string, value: AttributeValue | undefined])[] = [
    ['gen_ai.operation.name', operationNames[operation]],
    ['gen_ai.request.model', model],
    ['gen_ai.request.stream', stream],
    ['http.request.method', 'POST'],
    ...more(),
  ];
  const writer = new ProtobufWriter(512);
  writer.text(Span.name, `${operationNames[operation]} ${model}`);
  writer.number(Span.kind, kind);
  for (const [name, value] of attributes) {
    if (value !== undefined) writeAttribute(writer, Span.attributes, name, value);
  }
  const phrase = { ...wanted, fields: writer.copy() };
  if (phrases.size >= PHRASES_MAX) phrases.clear();
  if (known === undefined || known.length >= PHRASES_MAX) phrases.set(key, [phrase]);
  else known.push(phrase);
  return phrase.fields;
}
