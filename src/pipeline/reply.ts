// respond: bytes and headers to the client. Upstream headers pass by allow-list, which is content-type alone.

import { TollgateError } from '../core/errors.ts';
import type { ErrorCode, ErrorDetails } from '../core/errors.ts';
import type { Outcome } from '../domain/ledger/records.ts';
import type { Protocol } from '../plugin/protocol.ts';
import type { AttemptResult } from './attempt-result.ts';
import type { Routed } from './exchange.ts';
import { isJson, repeats } from './passable.ts';
import type { PipelineServices } from './services.ts';
import type { StreamWatch } from './stream-relay.ts';

type Given<K extends AttemptResult['kind']> = Extract<AttemptResult, { kind: K }>;

export function wholeReply(routed: Routed, given: Given<'reply'>): Response {
  return new Response(given.body, {
    status: 200,
    headers: {
      'content-type': mediaType(given.contentType, 'application/json'),
      'x-request-id': routed.requestId,
      ...lossHeader(given.losses, given.reading.losses),
    },
  });
}

const noLossHeader = {};

/** What a translation could not carry; for a stream, of the request alone: the rest is on the usage record. */
function lossHeader(request: readonly string[], reply: readonly string[] | undefined): Record<string, string> {
  if (request.length === 0 && reply === undefined) return noLossHeader;
  const lost = new Set([...request, ...(reply ?? [])]);
  return lost.size === 0 ? noLossHeader : { 'x-tollgate-loss': [...lost].join(', ') };
}

const streamType = ({ facts }: Routed, stated: string): string =>
  mediaType(stated, facts.framing === 'json-array' ? 'application/json' : 'text/event-stream');

/** What the client hears where the upstream refused: its own status, but never that of a success. */
export function refusedStatus(given: Given<'refused'>): number {
  const status = given.record.status ?? 400;
  return status >= 400 ? status : 400;
}

/**
 * The upstream's own error body, in the protocol that both speak, or its words in that form where its provider knows
 * better. What is not JSON is replaced, because it may be a web page, and so is what repeats our credential.
 */
export function refusedReply(routed: Routed, given: Given<'refused'>, credential: string | undefined): Response {
  const status = refusedStatus(given);
  const { explanation } = given;
  const explained = explanation !== undefined && !repeats(Buffer.from(explanation), credential);
  const passable = explanation === undefined && isJson(given.body) && !repeats(given.body, credential);
  const message = explained
    ? explanation
    : `The upstream refused this request with status ${status} and gave no reason that can be passed on.`;
  const body = passable
    ? given.body
    : routed.protocol.renderError('invalid_request', { message }, routed.requestId).body;
  return new Response(body, {
    status,
    headers: { 'content-type': 'application/json', 'x-request-id': routed.requestId },
  });
}

export function failedReply(routed: Routed, code: ErrorCode, details: ErrorDetails): Response {
  return rendered(routed.protocol, routed.requestId, code, details);
}

/** Any error at all as an answer. What is not ours is a defect: it is logged, and the client gets a fixed text. */
export function errorReply(
  services: PipelineServices,
  protocol: Protocol,
  requestId: string,
  error: unknown,
): Response {
  if (error instanceof TollgateError) {
    if (error.details.detail !== undefined)
      services.log.warn('request-failed', { request: requestId, code: error.code, detail: error.details.detail });
    return rendered(protocol, requestId, error.code, error.details);
  }
  services.log.error('defect', {
    request: requestId,
    detail: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  return rendered(protocol, requestId, 'internal_error', {
    message: 'Tollgate failed to serve this request. The operator finds it by its request id.',
  });
}

export function streamReply(
  services: PipelineServices,
  routed: Routed,
  given: Given<'stream'>,
  close: (outcome: Outcome) => Promise<void>,
  watch: StreamWatch | undefined,
  clientLeft: boolean,
): Response {
  const { relay } = given;
  const ending = async (outcome: Outcome): Promise<Uint8Array | undefined> => {
    try {
      await close(outcome);
    } catch (error) {
      // Not durable: then it is not complete either, and the client must not believe that it is.
      services.log.error('settlement-failed', { request: routed.requestId, detail: String(error) });
      return streamError(routed, given, 'money_unavailable', 'This call could not be recorded, so it is not complete.');
    }
    return closingBytes(routed, given, outcome);
  };
  if (clientLeft) {
    relay.abandon(ending);
    return new Response(null, { status: 499 });
  }
  // Until somebody pulls, only the request's signal tells that the client has gone.
  routed.request.signal.addEventListener('abort', () => relay.clientLeft(), { once: true });
  return new Response(relay.attach(ending, watch), {
    status: 200,
    headers: {
      'content-type': streamType(routed, given.contentType),
      'cache-control': 'no-cache',
      'x-request-id': routed.requestId,
      ...lossHeader(given.losses, undefined),
    },
  });
}

/** What ends a stream, by how it ended. Only a stream that was seen to its terminal event ends with one. */
function closingBytes(routed: Routed, given: Given<'stream'>, outcome: Outcome): Uint8Array | undefined {
  switch (outcome) {
    case 'finished':
    case 'empty':
      return given.relay.tap.held();
    case 'money-out':
      return given.relay.tap.shortEnd();
    case 'timed-out':
      return streamError(routed, given, 'upstream_timeout', 'The upstream fell silent, so the stream was ended.');
    case 'shut-down':
      return streamError(routed, given, 'shutting_down', 'This gateway is shutting down, so the stream was ended.');
    case 'client-left':
      return undefined;
    case 'broken-off':
    case 'upstream-failed':
    case 'upstream-refused':
    case 'recovered':
      // An error event that the upstream sent itself has gone out already, and all that came after it.
      return given.relay.tap.fault === 'error-event'
        ? given.relay.tap.held()
        : streamError(routed, given, 'upstream_failed', 'The upstream broke off before the end of its reply.');
  }
}

const streamError = (routed: Routed, given: Given<'stream'>, code: ErrorCode, message: string) =>
  given.relay.tap.errorEvent(code, { message }, routed.requestId);

function rendered(protocol: Protocol, requestId: string, code: ErrorCode, details: ErrorDetails): Response {
  const error = protocol.renderError(code, details, requestId);
  const headers = new Headers({ 'content-type': 'application/json', 'x-request-id': requestId });
  for (const [name, value] of error.headers) headers.set(name, value);
  return new Response(error.body, { status: error.status, headers });
}

/** The upstream's content type if it is of the expected kind, its parameters kept; never anything else. */
function mediaType(stated: string, expected: string): string {
  return stated.toLowerCase().startsWith(expected) && stated.length < 100 ? stated : expected;
}
