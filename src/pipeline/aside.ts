// What is asked of upstreams beside generating: counts, and replies that they keep. Nobody is charged for it, so that
// money bounds nothing here: few calls of an account at once, short deadlines, and given up when the client leaves.

import { asideDeadlines } from '../core/bounds.ts';
import { TollgateError } from '../core/errors.ts';
import type { Authenticated } from './exchange.ts';
import type { PipelineServices } from './services.ts';
import type { UpstreamRequest } from './transport/transport.ts';
import { TrialSink, type TrialReply } from './trial-reply.ts';

/** Runs the work unless the account has its share running already: then it is refused. */
export type AccountShare = <T>(authenticated: Authenticated, work: () => Promise<T>) => Promise<T>;

export function createAccountShare(callsMax: number, what: string): AccountShare {
  const running = new Map<string, number>();
  return async ({ account: { id } }, work) => {
    const now = running.get(id) ?? 0;
    if (now >= callsMax) {
      throw new TollgateError('rate_limited', {
        message: `More than ${callsMax} ${what} of this account are under way. Try again.`,
        retryAfterSeconds: 1,
      });
    }
    running.set(id, now + 1);
    try {
      return await work();
    } finally {
      const left = (running.get(id) ?? 1) - 1;
      if (left === 0) running.delete(id);
      else running.set(id, left);
    }
  };
}

/** A client that leaves ends the call: what came until then is as good as a cut reply. */
export async function askAside(
  { transport, deadlines }: PipelineServices,
  { signal }: Request,
  request: Omit<UpstreamRequest, 'deadlines'>,
  bytesMax: number,
): Promise<TrialReply> {
  if (signal.aborted) return nothing;
  const sink = new TrialSink(bytesMax);
  const exchange = transport.send(
    {
      ...request,
      deadlines: {
        connectMs: Math.min(deadlines.connectMs, asideDeadlines.connectMs),
        responseHeadMs: Math.min(deadlines.responseHeadMs, asideDeadlines.responseHeadMs),
        silenceMs: Math.min(deadlines.silenceMs, asideDeadlines.silenceMs),
        totalMs: Math.min(deadlines.totalMs, asideDeadlines.totalMs),
      },
    },
    sink,
  );
  const { promise: left, resolve } = Promise.withResolvers<TrialReply>();
  const leave = () => resolve(nothing);
  signal.addEventListener('abort', leave, { once: true });
  const reply = await Promise.race([sink.reply, left]);
  signal.removeEventListener('abort', leave);
  exchange.abort();
  return reply;
}

const nothing: TrialReply = {
  status: undefined,
  headers: new Map(),
  body: new Uint8Array(),
  cut: true,
  fault: undefined,
};
