// One request, in order. Up to the hold every way out is a throw; from the hold on, every way out leads through
// `close`, which books exactly once. To follow a request, read this file from top to bottom.
//
// A step that need not wait answers at once, and is not awaited: most requests wait for their body, their upstream
// and the disk, and for nothing else.

import { errorTable, TollgateError } from '../core/errors.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { RequestId } from '../core/ids.ts';
import type { Outcome } from '../domain/ledger/records.ts';
import { plainLine } from '../plugin/protocol.ts';
import type { Protocol, ReplyReading, RequestLine } from '../plugin/protocol.ts';
import { admit } from './admit.ts';
import type { AttemptResult } from './attempt-result.ts';
import { authenticate } from './authenticate.ts';
import { dispatch } from './dispatch.ts';
import type { Answered, Unanswered } from './dispatch.ts';
import type { Reserved, Routed } from './exchange.ts';
import { bodyOf, read } from './read.ts';
import { receive } from './receive.ts';
import { errorReply, failedReply, refusedReply, refusedStatus, streamReply, wholeReply } from './reply.ts';
import { reserve } from './reserve.ts';
import { route } from './route.ts';
import type { PipelineServices } from './services.ts';
import { settle } from './settle.ts';
import type { Ending } from './settle.ts';
import { moneyWatch } from './money-watch.ts';
import type { Opening, RunningRequests } from './running.ts';

export interface Pipeline {
  /** Serves one request of a client. Never throws: every failure is an answer in the client's protocol. */
  serve(request: Request, protocol: Protocol, peer: string, line?: RequestLine): Promise<Response>;
}

export function createPipeline(services: PipelineServices, running: RunningRequests): Pipeline {
  return {
    async serve(request, protocol, peer, line = plainLine) {
      let requestId: RequestId | undefined;
      let held = false;
      try {
        if (running.stopping) throw shuttingDown();
        const received = receive(services, request, protocol, peer, line);
        requestId = received.requestId;
        const authenticated = authenticate(services, received);
        const body = await bodyOf(services, authenticated);
        const answer = running.elsewhere === undefined ? undefined : await running.elsewhere(request, peer, body);
        if (answer !== undefined) return answer;
        const whole = read(authenticated, body);
        let reserved: Reserved;
        // Counted, because a hold can only be placed where the ledger is: a ledger that moves waits for these.
        running.admitting += 1;
        try {
          const admitting = admit(services, whole);
          const admitted = admitting instanceof Promise ? await admitting : admitting;
          const reserving = reserve(services, admitted);
          reserved = reserving instanceof Promise ? await reserving : reserving;
        } finally {
          running.admitting -= 1;
        }
        held = true;
        return await reservedOnwards(services, running, reserved);
      } catch (error) {
        requestId ??= services.newId('req');
        if (!held) services.watch.refused({ requestId, protocol, code: codeOf(error), request });
        return errorReply(services, protocol, requestId, error);
      }
    },
  };
}

async function reservedOnwards(
  services: PipelineServices,
  running: RunningRequests,
  reserved: Reserved,
): Promise<Response> {
  const closer = new Closer(services, reserved);
  const opening = running.enter(reserved.request);
  try {
    const routing = route(services, reserved);
    const routed = routing instanceof Promise ? await routing : routing;
    const dispatched = await dispatch(services, routed, opening);
    routed.body.letGo();
    if (dispatched.kind !== 'answered') return await unanswered(running, routed, closer, dispatched);
    const { answer, offer, attempts } = dispatched;
    if (answer.kind !== 'reply') {
      const answered = { ...dispatched, answer };
      return await streamedOrRefused(services, running, routed, closer, answered, opening);
    }
    await closer.close({
      outcome: completeOutcome(routed, answer.reading),
      status: 200,
      attempts,
      served: { offer, reading: answer.reading, losses: answer.losses },
      firstByteMs: sinceAdmission(services, routed),
    });
    return wholeReply(routed, answer);
  } catch (error) {
    // Refused after the hold, or a defect: free, and recorded as such.
    const status = error instanceof TollgateError ? error.status : errorTable.internal_error.status;
    await closer.close({ outcome: 'upstream-failed', status, attempts: [], served: undefined, firstByteMs: undefined });
    throw error;
  } finally {
    running.leave(opening);
  }
}

/** Books the ending of one request, once. */
class Closer {
  readonly #services: PipelineServices;
  readonly #reserved: Reserved;
  #closed = false;

  constructor(services: PipelineServices, reserved: Reserved) {
    this.#services = services;
    this.#reserved = reserved;
  }

  /** Resolves when the charge is durable. The second call does nothing: there is one settlement. */
  close(ending: Ending): Promise<unknown> {
    if (this.#closed) return closedAlready;
    this.#closed = true;
    return settle(this.#services, this.#reserved, ending);
  }
}

const closedAlready = Promise.resolve();

/** No upstream gave anything that could be passed on: it failed, or nobody waits for it any more. */
async function unanswered(
  running: RunningRequests,
  routed: Routed,
  closer: Closer,
  dispatched: Unanswered,
): Promise<Response> {
  const { attempts } = dispatched;
  if (dispatched.kind === 'failed') {
    const { status } = errorTable[dispatched.code];
    const outcome: Outcome = dispatched.code === 'upstream_timeout' ? 'timed-out' : 'upstream-failed';
    await closer.close({ outcome, status, attempts, served: undefined, firstByteMs: undefined });
    return failedReply(routed, dispatched.code, dispatched.details);
  }
  const stopped = running.stopping && !routed.request.signal.aborted;
  const served =
    dispatched.offer === undefined ? undefined : { offer: dispatched.offer, reading: emptyReading, losses: noLosses };
  await closer.close({
    outcome: stopped ? 'shut-down' : 'client-left',
    status: stopped ? errorTable.shutting_down.status : 499,
    attempts,
    served,
    firstByteMs: undefined,
  });
  throw new TollgateError('shutting_down', { message: 'The request was given up before it was answered.' });
}

async function streamedOrRefused(
  services: PipelineServices,
  running: RunningRequests,
  routed: Routed,
  closer: Closer,
  { answer, offer, attempts }: Answered<Extract<AttemptResult, { kind: 'stream' | 'refused' }>>,
  opening: Opening,
): Promise<Response> {
  const firstByteMs = sinceAdmission(services, routed);
  if (answer.kind === 'refused') {
    const status = refusedStatus(answer);
    await closer.close({ outcome: 'upstream-refused', status, attempts, served: undefined, firstByteMs });
    return refusedReply(routed, answer, offer.upstream.credential);
  }
  const { relay } = answer;
  const close = async (ended: Outcome) => {
    const reading = relay.tap.reading();
    const outcome = ended === 'finished' ? completeOutcome(routed, reading) : ended;
    if (ended === 'broken-off' || ended === 'timed-out') services.health.marked(offer.upstream, ended);
    try {
      const served = { offer, reading, losses: answer.losses };
      await closer.close({ outcome, status: 200, attempts, served, firstByteMs });
    } finally {
      // Only now: a shutdown waits for the streams, and so for their settlement.
      running.leaveStream(relay, routed.request);
    }
  };
  relay.drainOnLeaving = offer.upstream.onClientLeaving === 'drain';
  try {
    // The hold is on the disk before the client's first byte; it was queued before the upstream was called.
    await services.ledger.holdDurable(routed.requestId);
  } catch (error) {
    relay.cut('shut-down');
    throw error;
  }
  running.enterStream(relay, opening);
  // Given up by a shutdown while it was opened, and not by its client, who hears why.
  const { aborted } = routed.request.signal;
  if (opening.left && !aborted) relay.cut('shut-down');
  return streamReply(services, routed, answer, close, moneyWatch(services, routed, relay), aborted);
}

/** In milliseconds, to the microsecond: what is below it is noise that every record would carry. */
const sinceAdmission = ({ clock }: PipelineServices, { startedMs }: Routed): number =>
  Math.round((clock.monotonicMs() - startedMs) * 1000) / 1000;

/** A reply that is complete and has nothing in it is free, streamed or not. Embeddings count no content. */
function completeOutcome(routed: Routed, reading: ReplyReading): Outcome {
  const empty =
    reading.contentEvents === 0 && reading.usage === undefined && routed.protocol.operation !== 'embeddings';
  return empty ? 'empty' : 'finished';
}

const codeOf = (error: unknown): ErrorCode => (error instanceof TollgateError ? error.code : 'internal_error');

const shuttingDown = (): TollgateError =>
  new TollgateError('shutting_down', {
    message: 'This gateway is shutting down. Try again.',
    retryAfterSeconds: 1,
  });

const noLosses: readonly string[] = [];
const emptyReading = { usage: undefined, usageText: undefined, contentBytes: 0, contentEvents: 0, failed: false };
