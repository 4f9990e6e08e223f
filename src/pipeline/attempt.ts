// attempt: one try at one upstream, up to the first byte that can be passed on. Attempts never charge: they report.

import { bounds } from '../core/bounds.ts';
import { errorTable, TollgateError } from '../core/errors.ts';
import type { Offer } from '../domain/catalog/catalog.ts';
import type { ReplyReading, StreamFraming } from '../plugin/protocol.ts';
import type { FaultClass } from '../plugin/provider.ts';
import { beginsArray } from '../protocols/stream-start.ts';
import { addressingOf, noHeaders, relayedHeaders, retryAfterOf, withOwnHeaders } from './addressing.ts';
import type { CachedAddressing } from './addressing.ts';
import type { AttemptRecord, AttemptResult, RunningAttempt } from './attempt-result.ts';
import type { Routed } from './exchange.ts';
import { isAnswer, isEncoded } from './is-answer.ts';
import { passageOf } from './passage.ts';
import type { Passage } from './passage.ts';
import type { PipelineServices } from './services.ts';
import { rewritten } from './rewritten.ts';
import { StreamRelay } from './stream-relay.ts';
import { Translation } from './translation.ts';
import type { TransportFault, UpstreamExchange, UpstreamHeaders, UpstreamSink } from './transport/transport.ts';

export function startAttempt(services: PipelineServices, routed: Routed, offer: Offer): RunningAttempt {
  const run = new AttemptRun(services, routed, offer);
  run.start();
  return run;
}

const noLosses: readonly string[] = [];

const timeoutFaults: ReadonlySet<TransportFault['kind']> = new Set([
  'head-timeout',
  'silence-timeout',
  'total-timeout',
]);

class AttemptRun implements UpstreamSink, RunningAttempt {
  readonly result: Promise<AttemptResult>;
  readonly #resolve: (result: AttemptResult) => void;
  readonly #services: PipelineServices;
  readonly #routed: Routed;
  readonly #offer: Offer;
  readonly #passage: Passage;
  readonly #startedAt: number;
  readonly #startedMs: number;
  #translation: Translation | undefined;
  /** Of what goes to the upstream. */
  #losses: readonly string[] = noLosses;
  #exchange: UpstreamExchange | undefined;
  #status: number | undefined;
  #headers: UpstreamHeaders | undefined;
  #contentType = 'application/json';
  #firstByteMs: number | undefined;
  /** A body that came in one piece, as most do; `#pieces` has all of one that came in several. */
  #only: Uint8Array | undefined;
  #pieces: Uint8Array[] | undefined;
  #size = 0;
  #sizeMax: number = bounds.replyBytes;
  #relay: StreamRelay | undefined;
  /** An array was asked for, and JSON comes, of which nothing but white space has been seen. */
  #mayBeArray = false;
  #over = false;

  constructor(services: PipelineServices, routed: Routed, offer: Offer) {
    const { promise, resolve } = Promise.withResolvers<AttemptResult>();
    this.result = promise;
    this.#resolve = resolve;
    this.#services = services;
    this.#routed = routed;
    this.#offer = offer;
    const passage = passageOf(offer, routed.protocol);
    if (passage === undefined) throw new Error('an upstream that the route cannot reach was tried');
    this.#passage = passage;
    this.#startedAt = services.clock.now();
    this.#startedMs = services.clock.monotonicMs();
  }

  start(): void {
    const { upstream } = this.#offer;
    const { facts, hops, request } = this.#routed;
    const { protocol, translated } = this.#passage;
    const traced = this.#services.traceparentFor?.(request);
    let addressing: CachedAddressing;
    let body: readonly Uint8Array[];
    try {
      const asked = translated ? { stream: facts.stream } : facts;
      addressing = addressingOf(this.#offer, protocol, asked, upstream.credential);
      if (translated) this.#translation = new Translation(this.#services, this.#routed, this.#offer, this.#passage);
      const sent = this.#translation ?? rewritten(this.#routed, this.#offer, this.#passage);
      ({ body } = sent);
      this.#losses = sent.losses;
    } catch (error) {
      if (error instanceof TollgateError) {
        this.#unwritable(error);
        return;
      }
      this.#services.log.error('plugin-fault', { plugin: upstream.providerName, detail: String(error) });
      this.#failed('unavailable', undefined, false);
      return;
    }
    const relayed = translated ? noHeaders : relayedHeaders(request.headers, protocol.relayedHeaders);
    this.#services.health.started(upstream);
    this.#exchange = this.#services.transport.send(
      {
        target: addressing.target,
        path: addressing.path,
        method: 'POST',
        headers: relayed.length === 0 && hops === 0 ? addressing.headers : withOwnHeaders(addressing, relayed, hops),
        also: traced,
        body,
        deadlines: this.#services.deadlines,
      },
      this,
    );
    if (this.#over) this.#exchange.abort();
  }

  abandon(): void {
    if (this.#over) return;
    this.#over = true;
    this.#exchange?.abort();
    this.#services.health.neutral(this.#offer.upstream);
    this.#resolve({ kind: 'client-left', record: this.#record(undefined) });
  }

  head(status: number, headers: UpstreamHeaders, bodyLength: number | undefined): void {
    this.#status = status;
    this.#headers = headers;
    this.#contentType = headers.get('content-type') ?? 'application/json';
    const type = this.#contentType.toLowerCase();
    const { facts } = this.#routed;
    const ok = status >= 200 && status < 300;
    this.#sizeMax = ok ? bounds.replyBytes : bounds.errorBodyBytes;
    if (isEncoded(headers)) {
      // Nobody asked for that, and nothing of it can be read: neither the usage of an answer nor the words of an error.
      this.#contentType = 'application/octet-stream';
      if (ok) this.#failed('unavailable', undefined, false, 'encoded');
    } else if (ok && facts.stream && type.includes('text/event-stream')) {
      this.#relay = this.#openRelay('sse');
    } else if (ok && facts.framing === 'json-array' && !this.#passage.translated && type.includes('json')) {
      this.#mayBeArray = true;
    } else if (ok && bodyLength !== undefined && bodyLength > this.#sizeMax) {
      this.#failed('unavailable', undefined, false);
    }
  }

  #openRelay(received: StreamFraming): StreamRelay {
    const { protocol, facts } = this.#routed;
    const { framing } = facts;
    const { usage, nullUsage, end } = this.#offer.upstream.provider.quirks;
    const hideUsage = facts.forceUsage !== undefined && usage === 'on-request' && !facts.wantsUsage;
    const options = framing === undefined ? { hideUsage, nullUsage, end } : { hideUsage, end, framing, received };
    const tap = this.#translation === undefined ? protocol.openTap(options) : this.#translation.openTap(end);
    return new StreamRelay(tap, this.#services.clock, () => this.#exchange);
  }

  data(chunk: Uint8Array): boolean {
    if (this.#relay !== undefined) return this.#streamData(this.#relay, chunk);
    if (this.#over) return true;
    if (this.#mayBeArray) {
      const begins = beginsArray(chunk);
      if (begins === true) {
        this.#relay = this.#openRelay('json-array');
        return this.#streamData(this.#relay, this.#size === 0 ? chunk : Buffer.concat([this.#whole(), chunk]));
      }
      this.#mayBeArray = begins === undefined;
    }
    this.#firstByteMs ??= this.#elapsedMs();
    this.#size += chunk.byteLength;
    if (this.#size > this.#sizeMax) {
      // Of an error body the head is enough; a reply that large is not an honest one.
      if (this.#sizeMax === bounds.errorBodyBytes) this.#answered(this.#whole());
      else this.#failed('unavailable', undefined, false);
      return true;
    }
    if (this.#only === undefined) this.#only = chunk;
    else (this.#pieces ??= [this.#only]).push(chunk);
    return true;
  }

  end(framed: boolean): void {
    if (this.#relay !== undefined) {
      this.#relay.upstreamEnded(framed);
      if (!this.#over) this.#streamReady(this.#relay, true);
      return;
    }
    if (this.#over) return;
    this.#answered(this.#whole());
  }

  #whole(): Uint8Array {
    if (this.#pieces !== undefined) return Buffer.concat(this.#pieces);
    return this.#only ?? new Uint8Array();
  }

  fail(fault: TransportFault): void {
    if (this.#over) {
      this.#relay?.upstreamFailed(timeoutFaults.has(fault.kind));
      return;
    }
    this.#services.log.warn('attempt-failed', {
      request: this.#routed.requestId,
      upstream: this.#offer.upstream.name,
      fault: fault.kind,
      detail: fault.detail,
    });
    this.#failed(timeoutFaults.has(fault.kind) ? 'timeout' : 'transport', undefined, !fault.sent, fault.kind);
  }

  #streamData(relay: StreamRelay, chunk: Uint8Array): boolean {
    if (this.#over) return relay.push(chunk);
    this.#firstByteMs ??= this.#elapsedMs();
    const goOn = relay.push(chunk);
    this.#streamReady(relay, false);
    return goOn;
  }

  /** The stream is passed on once it has something for the client; a fault before that is an attempt that failed. */
  #streamReady(relay: StreamRelay, atEnd: boolean): void {
    if (relay.faultBeforeOutput(atEnd)) {
      this.#failed('unavailable', undefined, false, relay.faultName);
      return;
    }
    if (!relay.ready && !atEnd) return;
    this.#over = true;
    this.#services.health.served(this.#offer.upstream, this.#firstByteMs ?? this.#elapsedMs());
    this.#resolve({
      kind: 'stream',
      record: this.#record(undefined),
      losses: this.#losses,
      contentType: this.#translation === undefined ? this.#contentType : 'text/event-stream; charset=utf-8',
      relay,
      firstByteMs: this.#firstByteMs ?? this.#elapsedMs(),
    });
  }

  /** A whole body came: an answer, or an error to classify. */
  #answered(body: Uint8Array): void {
    if (this.#over) return;
    const status = this.#status ?? 502;
    const ok = status >= 200 && status < 300;
    const readable = ok && !this.#routed.facts.stream && this.#contentType.toLowerCase().includes('json');
    const reading = readable ? this.#passage.protocol.readReply(body) : undefined;
    const answer = reading !== undefined && isAnswer(reading, body) ? this.#answerOf(body, reading) : undefined;
    if (answer !== undefined) {
      this.#over = true;
      const firstByteMs = this.#firstByteMs ?? this.#elapsedMs();
      this.#services.health.served(this.#offer.upstream, firstByteMs);
      this.#resolve({
        kind: 'reply',
        record: this.#record(undefined),
        losses: this.#losses,
        contentType: this.#contentType,
        body: answer.body,
        reading: answer.reading,
        firstByteMs,
      });
      return;
    }
    // Also a 2xx that holds no answer: vendors put their errors there, and the error says whom to blame.
    this.#classified(status, body);
  }

  /** As the client gets it: the upstream's own bytes, or their translation. */
  #answerOf(body: Uint8Array, reading: ReplyReading): { body: Uint8Array; reading: ReplyReading } | undefined {
    return this.#translation === undefined ? { body, reading } : this.#translation.reply(body, reading);
  }

  #classified(status: number, body: Uint8Array): void {
    if (status === errorTable.loop_detected.status) {
      this.#failed('loop', undefined, false);
      return;
    }
    const headers = this.#headers;
    const retryAfterMs = retryAfterOf(headers?.get('retry-after'), this.#services.clock.now());
    const { provider } = this.#offer.upstream;
    let fault: FaultClass = 'unavailable';
    let explanation: string | undefined;
    try {
      const failure = {
        status,
        headers: new Map(headers?.entries()),
        body: new TextDecoder().decode(body.subarray(0, bounds.errorBodyBytes)),
      };
      fault = provider.classify(failure);
      if (fault === 'request') explanation = provider.explain?.(failure);
    } catch (error) {
      this.#services.log.error('plugin-fault', { plugin: this.#offer.upstream.providerName, detail: String(error) });
    }
    if (fault !== 'request') {
      const ok = status >= 200 && status < 300;
      // What called itself a success may have been billed: the same upstream is not asked twice.
      this.#failed(
        fault,
        retryAfterMs,
        fault === 'unavailable' && !ok,
        ok && fault === 'unavailable' ? 'not-an-answer' : fault,
      );
      return;
    }
    this.#over = true;
    this.#services.health.neutral(this.#offer.upstream);
    this.#resolve({
      kind: 'refused',
      record: this.#record('request'),
      contentType: this.#contentType,
      body: this.#translation === undefined ? body : this.#translation.refusal(body, Math.max(status, 400)),
      explanation,
    });
  }

  #unwritable(error: TollgateError): void {
    this.#over = true;
    this.#resolve({ kind: 'unwritable', record: this.#record('unwritable'), error });
  }

  #failed(
    fault: FaultClass | 'transport' | 'timeout' | 'loop',
    retryAfterMs: number | undefined,
    again: boolean,
    name: string = fault,
  ): void {
    if (this.#over) return;
    this.#over = true;
    this.#exchange?.abort();
    if (this.#exchange !== undefined) {
      this.#services.health.failed(
        this.#offer.upstream,
        fault === 'timeout' || fault === 'loop' ? 'transport' : fault,
        retryAfterMs,
      );
    }
    this.#resolve({ kind: 'failed', record: this.#record(name), fault, retryAfterMs, again });
  }

  #record(fault: string | undefined): AttemptRecord {
    return {
      upstream: this.#offer.upstream.name,
      provider: this.#offer.upstream.providerName,
      model: this.#offer.model,
      startedAt: this.#startedAt,
      durationMs: Math.round(this.#elapsedMs()),
      status: this.#status,
      fault,
    };
  }

  #elapsedMs(): number {
    return this.#services.clock.monotonicMs() - this.#startedMs;
  }
}
