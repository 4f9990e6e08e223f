// attempt: one try at one upstream, up to the first byte that can be passed on. Attempts never charge: they report.

import { bounds } from '../core/bounds.ts';
import { errorTable } from '../core/errors.ts';
import type { Offer } from '../domain/catalog/catalog.ts';
import type { ReplyReading } from '../plugin/protocol.ts';
import type { FaultClass } from '../plugin/provider.ts';
import { rewriteBody } from '../protocols/rewrite-body.ts';
import { addressingOf, relayedHeaders, retryAfterOf, type CachedAddressing } from './addressing.ts';
import type { AttemptRecord, AttemptResult, RunningAttempt } from './attempt-result.ts';
import type { Routed } from './exchange.ts';
import { hopsHeader } from './receive.ts';
import type { PipelineServices } from './services.ts';
import { StreamRelay } from './stream-relay.ts';
import type { TransportFault, UpstreamExchange, UpstreamHeaders, UpstreamSink } from './transport/transport.ts';

export function startAttempt(services: PipelineServices, routed: Routed, offer: Offer): RunningAttempt {
  const run = new AttemptRun(services, routed, offer);
  run.start();
  return run;
}

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
  readonly #startedAt: number;
  readonly #startedMs: number;
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
  #over = false;

  constructor(services: PipelineServices, routed: Routed, offer: Offer) {
    const { promise, resolve } = Promise.withResolvers<AttemptResult>();
    this.result = promise;
    this.#resolve = resolve;
    this.#services = services;
    this.#routed = routed;
    this.#offer = offer;
    this.#startedAt = services.clock.now();
    this.#startedMs = services.clock.monotonicMs();
  }

  start(): void {
    const { upstream } = this.#offer;
    const { protocol, facts, body, hops, request } = this.#routed;
    const traced = this.#services.traceparentFor?.(request);
    let addressing: CachedAddressing;
    try {
      addressing = addressingOf(this.#offer, protocol.operation, protocol.name, facts.stream, upstream.credential);
    } catch (error) {
      this.#services.log.error('plugin-fault', { plugin: upstream.providerName, detail: String(error) });
      this.#failed('unavailable', undefined, false);
      return;
    }
    const own = relayedHeaders(request.headers);
    const relayed = traced === undefined ? own : [...own, traced];
    this.#services.health.started(upstream);
    this.#exchange = this.#services.transport.send(
      {
        target: addressing.target,
        path: addressing.path,
        method: 'POST',
        headers:
          relayed.length === 0 && hops === 0
            ? addressing.headers
            : [...addressing.headersWithoutHops, ...relayed, [hopsHeader, String(hops + 1)]],
        body: this.#rewritten(body.bytes),
        deadlines: this.#services.deadlines,
      },
      this,
    );
    if (this.#over) this.#exchange.abort();
  }

  /** The client's body with the upstream's name of the model, and with its usage asked for. */
  #rewritten(body: Uint8Array): readonly Uint8Array[] {
    const { facts } = this.#routed;
    const { model, upstream } = this.#offer;
    const asks = facts.forceUsage !== undefined && upstream.provider.quirks.usage === 'on-request';
    if (model === facts.model && !asks) return [body];
    const edits = [];
    if (model !== facts.model && facts.modelSpan !== undefined)
      edits.push({ span: facts.modelSpan, text: JSON.stringify(model) });
    if (facts.forceUsage !== undefined && asks) edits.push(facts.forceUsage);
    return rewriteBody(body, edits);
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
    const ok = status >= 200 && status < 300;
    this.#sizeMax = ok ? bounds.replyBytes : bounds.errorBodyBytes;
    if (isEncoded(headers)) {
      // Nobody asked for that, and nothing of it can be read: neither the usage of an answer nor the words of an error.
      this.#contentType = 'application/octet-stream';
      if (ok) this.#failed('unavailable', undefined, false, 'encoded');
    } else if (ok && this.#routed.facts.stream && this.#contentType.toLowerCase().includes('text/event-stream')) {
      const { protocol, facts } = this.#routed;
      const { quirks } = this.#offer.upstream.provider;
      const forced = facts.forceUsage !== undefined && quirks.usage === 'on-request';
      this.#relay = new StreamRelay(
        protocol.openTap({ hideUsage: forced && !facts.wantsUsage, end: quirks.end }),
        this.#services.clock,
        () => this.#exchange,
      );
    } else if (ok && bodyLength !== undefined && bodyLength > this.#sizeMax) {
      this.#failed('unavailable', undefined, false);
    }
  }

  data(chunk: Uint8Array): boolean {
    if (this.#relay !== undefined) return this.#streamData(this.#relay, chunk);
    if (this.#over) return true;
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
      contentType: this.#contentType,
      relay,
      firstByteMs: this.#firstByteMs ?? this.#elapsedMs(),
    });
  }

  /** A whole body came: an answer, or an error to classify. */
  #answered(body: Uint8Array): void {
    if (this.#over) return;
    const status = this.#status ?? 502;
    const ok = status >= 200 && status < 300;
    const { protocol, facts } = this.#routed;
    const readable = ok && !facts.stream && this.#contentType.toLowerCase().includes('json');
    const reading = readable ? protocol.readReply(body) : undefined;
    if (reading !== undefined && isAnswer(reading, body)) {
      this.#over = true;
      const firstByteMs = this.#firstByteMs ?? this.#elapsedMs();
      this.#services.health.served(this.#offer.upstream, firstByteMs);
      this.#resolve({
        kind: 'reply',
        record: this.#record(undefined),
        contentType: this.#contentType,
        body,
        reading,
        firstByteMs,
      });
      return;
    }
    // Also a 2xx that holds no answer: vendors put their errors there, and the error says whom to blame.
    this.#classified(status, body);
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
      body,
      explanation,
    });
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

/**
 * A reply whose reading says nothing must at least be a JSON object with something in it: cut and empty ones are not.
 */
export function isAnswer(reading: ReplyReading, body: Uint8Array): boolean {
  if (reading.failed) return false;
  if (reading.usage !== undefined || reading.contentEvents > 0) return true;
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(body));
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) && Object.keys(parsed).length > 0;
  } catch {
    return false;
  }
}

export function isEncoded(headers: Pick<UpstreamHeaders, 'get'>): boolean {
  const encoding = headers.get('content-encoding');
  return encoding !== undefined && encoding !== '' && encoding.toLowerCase() !== 'identity';
}
