// An error of a request that no protocol has claimed yet: OpenAI's shape, which the clients of /v1 read. Apart from the
// routes, so that the server can refuse without loading a router.

import type { ErrorCode, ErrorDetails } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { protocolOf } from '../protocols/protocols.ts';

const chat = protocolOf('openai-chat');

export function clientError(code: ErrorCode, details: ErrorDetails): Response {
  const requestId = newId('req');
  const error = chat.renderError(code, details, requestId);
  const headers = new Headers({ 'content-type': 'application/json', 'x-request-id': requestId });
  for (const [name, value] of error.headers) headers.set(name, value);
  return new Response(error.body, { status: error.status, headers });
}
