// One request, in order. `open` ends at the first upstream byte; `close` runs exactly once for every reserved request,
// however it ends. To follow a request, read this file from top to bottom.

import { errorTable, TollgateError } from '../core/errors.ts';
import type { Outcome } from '../domain/ledger/records.ts';
import type { Protocol, ReplyReading } from '../plugin/protocol.ts';
import { admit } from './admit.ts';
import { authenticate } from './authenticate.ts';
import { dispatch } from './dispatch.ts';
import type { Dispatched, Leaving } from './dispatch.ts';
import type { Routed } from './exchange.ts';
import { read } from './read.ts';
import { receive } from './receive.ts';
import { errorReply, failedReply, refusedReply, refusedStatus, streamReply, wholeReply } from './reply.ts';
import { reserve } from './reserve.ts';
import { route } from './route.ts';
import type { PipelineServices } from './services.ts';
import { settle } from './settle.ts';
import type { Ending } from './settle.ts';
import { moneyWatch } from './money-watch.ts';
import type { RunningRequests } from './running.ts';

export interface Pipeline {
  /** Serves one request of a client. Never throws: every failure is an answer in the client's protocol. */
  serve(request: Request, protocol: Protocol, peer: string): Promise<Response>;
}

export function createPipeline(services: PipelineServices, running: RunningRequests): Pipeline {
  return {
    async serve(request, protocol, peer) {
      let requestId: string | undefined;
      try {
        if (running.stopping)
          throw new TollgateError('shutting_down', {
            message: 'This gateway is shutting down. Try again.',
            retryAfterSeconds: 1,
          });
        const received = receive(services, request, protocol, peer);
        requestId = received.requestId;
        const authenticated = authenticate(services, received);
        const body = await read(services, authenticated);
        const admitted = await admit(services, body);
        const reserved = await reserve(services, admitted);
        return await reservedOnwards(services, running, reserved);
      } catch (error) {
        return errorReply(services, protocol, requestId ?? services.newId('req'), error);
      }
    },
  };
}

/** From the hold on, every way out leads through `close`. */
async function reservedOnwards(
  services: PipelineServices,
  running: RunningRequests,
  reserved: Parameters<typeof route>[1],
): Promise<Response> {
  const closer = createCloser(services, reserved);
  try {
    const plan = route(services, reserved);
    const routed = plan instanceof Promise ? await plan : plan;
    return await open(services, running, routed, closer);
  } catch (error) {
    // Refused after the hold, or a defect: free, and recorded as such.
    const status = error instanceof TollgateError ? error.status : errorTable.internal_error.status;
    await closer.close({ outcome: 'upstream-failed', status, attempts: [], served: undefined, firstByteMs: undefined });
    throw error;
  }
}

type Closer = ReturnType<typeof createCloser>;

function createCloser(services: PipelineServices, reserved: Parameters<typeof route>[1]) {
  let closed = false;
  return {
    get closed() {
      return closed;
    },
    /** Books the ending. The second call does nothing: there is one settlement. */
    async close(ending: Ending): Promise<void> {
      if (closed) return;
      closed = true;
      await settle(services, reserved, ending);
    },
  };
}

async function open(
  services: PipelineServices,
  running: RunningRequests,
  routed: Routed,
  closer: Closer,
): Promise<Response> {
  const leaving: Leaving = { left: false, running: undefined };
  const leave = () => {
    leaving.left = true;
    leaving.running?.abandon();
  };
  const entry = running.enter(routed.request, leave);
  try {
    const dispatched = await dispatch(services, routed, leaving);
    return await answer(services, running, routed, closer, dispatched, leaving);
  } finally {
    running.leave(entry);
  }
}

async function answer(
  services: PipelineServices,
  running: RunningRequests,
  routed: Routed,
  closer: Closer,
  dispatched: Dispatched,
  leaving: Leaving,
): Promise<Response> {
  if (dispatched.kind === 'client-left') {
    const stopped = running.stopping && !routed.request.signal.aborted;
    const outcome: Outcome = stopped ? 'shut-down' : 'client-left';
    const served = dispatched.offer === undefined ? undefined : { offer: dispatched.offer, reading: emptyReading };
    await closer.close({
      outcome,
      status: stopped ? errorTable.shutting_down.status : 499,
      attempts: dispatched.attempts,
      served,
      firstByteMs: undefined,
    });
    throw new TollgateError('shutting_down', { message: 'The request was given up before it was answered.' });
  }
  if (dispatched.kind === 'failed') {
    const { status } = errorTable[dispatched.code];
    const outcome: Outcome = dispatched.code === 'upstream_timeout' ? 'timed-out' : 'upstream-failed';
    await closer.close({ outcome, status, attempts: dispatched.attempts, served: undefined, firstByteMs: undefined });
    return failedReply(routed, dispatched.code, dispatched.details);
  }
  const { answer: given, offer, attempts } = dispatched;
  const firstByteMs = services.clock.monotonicMs() - routed.startedMs;
  switch (given.kind) {
    case 'refused':
      await closer.close({
        outcome: 'upstream-refused',
        status: refusedStatus(given),
        attempts,
        served: undefined,
        firstByteMs,
      });
      return refusedReply(routed, given, offer.upstream.credential);
    case 'reply': {
      const { reading } = given;
      await closer.close({
        outcome: completeOutcome(routed, reading),
        status: 200,
        attempts,
        served: { offer, reading },
        firstByteMs,
      });
      return wholeReply(routed, given);
    }
    case 'stream': {
      const { relay } = given;
      const close = async (ended: Outcome) => {
        const reading = relay.tap.reading();
        const outcome = ended === 'finished' ? completeOutcome(routed, reading) : ended;
        if (ended === 'broken-off' || ended === 'timed-out') services.health.marked(offer.upstream, ended);
        try {
          await closer.close({ outcome, status: 200, attempts, served: { offer, reading }, firstByteMs });
        } finally {
          // Only now: a shutdown waits for the streams, and so for their settlement.
          running.leaveStream(relay);
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
      running.enterStream(relay);
      // Given up by a shutdown while it was opened, and not by its client, who hears why.
      const { aborted } = routed.request.signal;
      if (leaving.left && !aborted) relay.cut('shut-down');
      return streamReply(services, routed, given, close, moneyWatch(services, routed, relay), aborted);
    }
  }
}

/** A reply that is complete and has nothing in it is free, streamed or not. Embeddings count no content. */
function completeOutcome(routed: Routed, reading: ReplyReading): Outcome {
  const empty =
    reading.contentEvents === 0 && reading.usage === undefined && routed.protocol.operation !== 'embeddings';
  return empty ? 'empty' : 'finished';
}

const emptyReading = { usage: undefined, usageText: undefined, contentBytes: 0, contentEvents: 0, failed: false };
