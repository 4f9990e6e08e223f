// An error of a request that reached no pipeline: in the form of the protocol whose client seems to ask, OpenAI's where
// nothing tells. Apart from the routes, so that the server can refuse without loading a router.

import type { ErrorCode, ErrorDetails } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { Protocol } from '../plugin/protocol.ts';
import { protocolOf } from '../protocols/protocols.ts';

const chat = protocolOf('openai-chat');

export function clientError(code: ErrorCode, details: ErrorDetails, protocol: Protocol = chat): Response {
  const requestId = newId('req');
  const error = protocol.renderError(code, details, requestId);
  const headers = new Headers({ 'content-type': 'application/json', 'x-request-id': requestId });
  for (const [name, value] of error.headers) headers.set(name, value);
  return new Response(error.body, { status: error.status, headers });
}
