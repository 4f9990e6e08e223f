// Whether an upstream answers: one tiny request through the transport that customers' requests take, with the address
// rule and the credential of the upstream as they are stored. Invariant: whoever asks names an upstream and a model and
// nothing else; nobody is charged; what comes back is bounded in time and size, and holds no credential.

import { bounds } from '../core/bounds.ts';
import type { Clock } from '../core/clock.ts';
import { TollgateError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Catalog, Offer, Upstream } from '../domain/catalog/catalog.ts';
import { operations, type Operation, type ProtocolName } from '../plugin/operations.ts';
import type { FaultClass } from '../plugin/provider.ts';
import { addressingOf } from './addressing.ts';
import type { TransportDeadlines, TransportFault, UpstreamTransport } from './transport/transport.ts';
import { createTrialRate } from './trial-rate.ts';
import { excerptOf, holdsAnswer, TrialSink, type TrialReply } from './trial-reply.ts';

export interface TrialRequest {
  readonly upstream: string;
  /** Public name of a model with an offer on the upstream; if left out, the first, or one that the provider knows. */
  readonly model: string | undefined;
}

/**
 * `works`: an answer came. The classes of a provider: what it makes of the refusal. `redirected`: it points elsewhere,
 * which is not followed. `not-an-answer`: a success without an answer in it. `unreachable` says no more, because who
 * may ask this need not learn what else listens in our network; the log says why.
 */
export const trialVerdicts = [
  'works', 'request', 'credential', 'rate-limit', 'unavailable', 'model', 'redirected', 'not-an-answer', 'timeout',
  'tls', 'unreachable',
] as const;
export type TrialVerdict = (typeof trialVerdicts)[number];

export interface TrialResult {
  readonly verdict: TrialVerdict;
  /** The upstream's own name of the model that was asked. */
  readonly model: string;
  readonly operation: Operation;
  readonly httpStatus: number | undefined;
  /** From sending to the end of the reply. */
  readonly durationMs: number;
  /** The head of the reply, without credentials and control characters. */
  readonly excerpt: string | undefined;
}

export interface UpstreamTrials {
  /** Throws TollgateError: `not_found`, `conflict` for one that cannot be asked, `rate_limited`. */
  run(actor: string, request: TrialRequest): Promise<TrialResult>;
}

export interface TrialServices {
  readonly catalog: Catalog;
  readonly transport: UpstreamTransport;
  readonly clock: Clock;
  readonly log: Log;
  /** Writes into the audit who asks what, before anything is sent. */
  readonly note: (actor: string, upstream: string, model: string) => Promise<void>;
  readonly deadlines?: TransportDeadlines;
}

/** An upstream that takes longer is of no use to people either. */
const trialDeadlines: TransportDeadlines = {
  connectMs: 5_000, responseHeadMs: 20_000, silenceMs: 20_000, totalMs: 20_000,
};

/** Few tokens, and as many as the strictest vendors ask for at least. */
const tinyBodies: Readonly<Record<ProtocolName, (model: string) => unknown>> = {
  'openai-chat': (model) => ({ model, messages: [{ role: 'user', content: 'Say ok.' }], max_tokens: 16 }),
  'openai-responses': (model) => ({ model, input: 'Say ok.', max_output_tokens: 16, store: false }),
  'anthropic-messages': (model) => ({ model, messages: [{ role: 'user', content: 'Say ok.' }], max_tokens: 16 }),
  'gemini-generate': () => ({
    contents: [{ role: 'user', parts: [{ text: 'Say ok.' }] }],
    generationConfig: { maxOutputTokens: 16 },
  }),
  'openai-completions': (model) => ({ model, prompt: 'Say ok.', max_tokens: 16 }),
  'openai-embeddings': (model) => ({ model, input: 'ok' }),
};

export function createUpstreamTrials(services: TrialServices): UpstreamTrials {
  const rate = createTrialRate(services.clock);
  return {
    async run(actor, request) {
      const { offer, operation, protocol } = callOf(services.catalog, request);
      const { name } = offer.upstream;
      const release = rate.take(name);
      try {
        await services.note(actor, name, offer.model);
        const startedMs = services.clock.monotonicMs();
        const reply = await send(services, offer, operation, protocol);
        const durationMs = Math.round(services.clock.monotonicMs() - startedMs);
        const verdict = verdictOf(offer.upstream, protocol, reply);
        const { status, fault } = reply;
        services.log.info('upstream-test', {
          upstream: name, model: offer.model, verdict, status, fault: fault?.kind, detail: fault?.detail,
        });
        const excerpt = excerptOf(reply, offer.upstream.credential);
        return { verdict, model: offer.model, operation, httpStatus: status, durationMs, excerpt };
      } finally {
        release();
      }
    },
  };
}

interface Call {
  readonly offer: Offer;
  readonly operation: Operation;
  readonly protocol: ProtocolName;
}

function callOf(catalog: Catalog, request: TrialRequest): Call {
  const upstream = catalog.upstreams().find(({ name }) => name === request.upstream);
  if (upstream === undefined) {
    throw new TollgateError('not_found', { message: 'There is no such upstream, or it cannot serve; look at it first.' });
  }
  const known = request.model === undefined ? undefined : catalog.model(request.model);
  const models = request.model === undefined ? catalog.models() : known === undefined ? [] : [known];
  for (const model of models) {
    const offer = model.offers.find((each) => each.upstream.name === upstream.name);
    const spoken = offer === undefined ? undefined : spokenOf(upstream, model.operations);
    if (offer !== undefined && spoken !== undefined) return { offer, ...spoken };
  }
  if (request.model !== undefined) {
    throw new TollgateError('invalid_request', {
      message: 'model: must be the name of a model that has an offer on this upstream.',
      field: 'model',
    });
  }
  for (const { model, operations: its } of upstream.provider.models) {
    const spoken = spokenOf(upstream, its);
    if (spoken !== undefined) return { offer: { upstream, model, cost: undefined }, ...spoken };
  }
  throw new TollgateError('conflict', {
    message: 'No model has an offer on this upstream, and its provider names none; give a model an offer on it first.',
  });
}

function spokenOf(upstream: Upstream, its: readonly Operation[]): Omit<Call, 'offer'> | undefined {
  for (const operation of operations) {
    const protocol = its.includes(operation) ? upstream.provider.speaks[operation]?.[0] : undefined;
    if (protocol !== undefined) return { operation, protocol };
  }
  return undefined;
}

async function send(
  { transport, deadlines = trialDeadlines }: TrialServices,
  offer: Offer,
  operation: Operation,
  protocol: ProtocolName,
): Promise<TrialReply> {
  let addressing;
  try {
    addressing = addressingOf(offer, { operation, name: protocol }, { stream: false }, offer.upstream.credential);
  } catch (error) {
    const fault: TransportFault = { kind: 'unsendable', sent: false, detail: String(error) };
    return { status: undefined, headers: new Map(), body: new Uint8Array(), cut: false, fault };
  }
  const sink = new TrialSink(bounds.errorBodyBytes);
  const exchange = transport.send(
    {
      target: addressing.target,
      path: addressing.path,
      method: 'POST',
      headers: addressing.headers,
      body: [new TextEncoder().encode(JSON.stringify(tinyBodies[protocol](offer.model)))],
      deadlines,
    },
    sink,
  );
  const reply = await sink.reply;
  exchange.abort();
  return reply;
}

const timeouts: ReadonlySet<TransportFault['kind']> = new Set(['head-timeout', 'silence-timeout', 'total-timeout']);

function verdictOf({ provider }: Upstream, protocol: ProtocolName, reply: TrialReply): TrialVerdict {
  const { status, fault } = reply;
  if (status === undefined || (fault !== undefined && !reply.cut)) {
    if (fault !== undefined && timeouts.has(fault.kind)) return 'timeout';
    return fault?.kind === 'tls' ? 'tls' : 'unreachable';
  }
  if (status >= 300 && status < 400) return 'redirected';
  if (status >= 200 && status < 300 && holdsAnswer(protocol, reply)) return 'works';
  let found: FaultClass = 'unavailable';
  try {
    found = provider.classify({ status, headers: reply.headers, body: new TextDecoder().decode(reply.body) });
  } catch {
    return 'unavailable';
  }
  return found === 'unavailable' && status < 300 ? 'not-an-answer' : found;
}
