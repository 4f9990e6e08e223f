// read: the body, bounded before it is held in memory, and the few fields of it that the gateway needs.

import { bounds } from '../core/bounds.ts';
import { TollgateError } from '../core/errors.ts';
import type { Authenticated, Read } from './exchange.ts';
import type { PipelineServices } from './services.ts';

export async function read(services: PipelineServices, authenticated: Authenticated): Promise<Read> {
  const { request, protocol } = authenticated;
  const deadlineMs = services.deadlines.requestBodyMs;
  const body = await services.slowBodies.within(boundedBody(request), deadlineMs, tooSlow(deadlineMs));
  return { ...authenticated, body, facts: protocol.readRequest(body) };
}

const tooSlow = (deadlineMs: number) => () =>
  new TollgateError('invalid_request', {
    message: `The request body did not arrive within ${deadlineMs / 1000} seconds.`,
  });

async function boundedBody(request: Request): Promise<Uint8Array> {
  const length = request.headers.get('content-length');
  if (length !== null) {
    if (Number(length) > bounds.requestBodyBytes) throw tooLarge();
    const body = await request.bytes().catch(() => undefined);
    if (body === undefined) throw brokenOff();
    return body;
  }
  if (request.body === null) return new Uint8Array();
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of request.body) {
      size += piece.byteLength;
      if (size > bounds.requestBodyBytes) throw tooLarge();
      pieces.push(piece);
    }
  } catch (error) {
    throw error instanceof TollgateError ? error : brokenOff();
  }
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces, size);
}

const tooLarge = () =>
  new TollgateError('body_too_large', { message: `The request body is larger than ${bounds.requestBodyBytes} bytes.` });

const brokenOff = () => new TollgateError('invalid_request', { message: 'The request body broke off before its end.' });
