// The errors of the problem+json faces, as components of a document: one response for each status in the closed
// table, with the codes that it may carry, so that a client's author sees every way in which a call can be
// refused.

import { errorTable } from '../../core/errors.ts';
import type { ErrorCode } from '../../core/errors.ts';
import type { Json, JsonObject } from './json.ts';

const codes = Object.keys(errorTable).filter((code): code is ErrorCode => code in errorTable);

/** When each status is answered, for people. */
const meanings: Readonly<Record<number, string>> = {
  400: 'The request is wrong; `field` names where.',
  401: 'No key, or one that is not valid.',
  403: 'The key may not do this.',
  404: 'There is no such thing.',
  405: 'The path takes other methods; see the header `allow`.',
  409: 'It contradicts the state of things; `detail` says how.',
  413: 'The body is too large.',
  415: 'The body is not plain JSON.',
  421: 'The gateway does not answer to this host name.',
  422: 'The idempotency key was used for another request.',
  428: 'Terms have to be accepted first; `link` says where.',
  429: 'Too many; wait as long as `retry-after` says.',
  451: 'Not offered in this region.',
  500: 'The gateway failed; its log says why under `requestId`.',
  503: 'Not now; try again.',
};

export const problemSchema: JsonObject = {
  type: 'object',
  description: 'A refusal or failure (RFC 9457). `code` is stable and is what programs should look at.',
  required: ['type', 'title', 'status', 'code', 'detail', 'requestId'],
  properties: {
    type: { type: 'string', format: 'uri', examples: ['urn:tollgate:error:invalid_request'] },
    title: { type: 'string' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    code: { type: 'string', enum: codes },
    detail: { type: 'string', description: 'Names the field, the limit and the remedy. For people.' },
    field: { type: 'string', description: 'The field or header at fault: `limits.requestsPerMinute`.' },
    clause: { type: 'string', description: 'The clause of a terms document that refuses.' },
    link: { type: 'string', description: 'Where to read or do what is asked for.' },
    requestId: { type: 'string' },
  },
};

const nameOf = (status: number): string => `Problem${status}`;

export function problemComponents(statuses: readonly number[]): JsonObject {
  return Object.fromEntries(
    statuses.map((status) => {
      const carried = codes.filter((code) => errorTable[code].status === status);
      const response: JsonObject = {
        description: `${meanings[status] ?? 'Refused.'} Codes: ${carried.map((code) => `\`${code}\``).join(', ')}.`,
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      };
      return [nameOf(status), response];
    }),
  );
}

export const problemReference = (status: number): Json => ({ $ref: `#/components/responses/${nameOf(status)}` });
