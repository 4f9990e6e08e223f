// read: the body, bounded before it is held in memory, and the few fields of it that the gateway needs.

import { bounds } from '../core/bounds.ts';
import { TollgateError } from '../core/errors.ts';
import type { Authenticated, Read } from './exchange.ts';
import { RequestBody } from './request-body.ts';
import type { PipelineServices } from './services.ts';

/** Resolves when the whole body is here; rejects when it is too large, too slow, or broke off. */
export function bodyOf(services: PipelineServices, { request }: Authenticated): Promise<Uint8Array> {
  const length = request.headers.get('content-length');
  if (length !== null && Number(length) > bounds.requestBodyBytes) throw tooLarge();
  const body = length === null ? withoutLength(request) : request.bytes();
  return services.slowBodies.within(body, services.deadlines.requestBodyMs, tooSlow, brokenOff);
}

export function read(authenticated: Authenticated, body: Uint8Array): Read {
  const { protocol, line } = authenticated;
  return { ...authenticated, body: new RequestBody(body), facts: protocol.readRequest(body, line) };
}

async function withoutLength(request: Request): Promise<Uint8Array> {
  if (request.body === null) return new Uint8Array();
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of request.body) {
    size += piece.byteLength;
    if (size > bounds.requestBodyBytes) throw tooLarge();
    pieces.push(piece);
  }
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces, size);
}

const tooSlow = (deadlineMs: number): TollgateError =>
  new TollgateError('invalid_request', {
    message: `The request body did not arrive within ${deadlineMs / 1000} seconds.`,
  });

const tooLarge = (): TollgateError =>
  new TollgateError('body_too_large', { message: `The request body is larger than ${bounds.requestBodyBytes} bytes.` });

/** What is not an error of ours is the connection's. */
const brokenOff = (error: unknown): TollgateError =>
  error instanceof TollgateError
    ? error
    : new TollgateError('invalid_request', { message: 'The request body broke off before its end.' });
