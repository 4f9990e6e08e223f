// Every error of ours, and an upstream's refusal, in the form of each protocol: as its SDK types them.

import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import { errorTable } from '../../../src/core/errors.ts';
import type { ErrorCode, ErrorDetails } from '../../../src/core/errors.ts';
import { protocolOf } from '../../../src/protocols/protocols.ts';
import { chatProtocols } from '../../journeys/crossed/read-with-sdk.ts';
import { testContext } from '../translation-kit.ts';
import { wrongInError, wrongInStream } from './emitted.ts';

// The first check of each type makes its schema.
setDefaultTimeout(60_000);

const isCode = (name: string): name is ErrorCode => Object.hasOwn(errorTable, name);
const codes = Object.keys(errorTable).filter(isCode);
const bare: ErrorDetails = { message: 'It failed.' };
const full: ErrorDetails = {
  ...bare,
  field: 'messages[0]',
  clause: 'A1',
  link: 'https://gateway.example/terms',
  retryAfterSeconds: 3,
  detail: 'for the log',
};
const refusals = [
  { message: 'No.' },
  { message: 'No.', type: 'invalid_request_error', code: 'a-code', param: 'messages' },
];

describe.each([...chatProtocols])('%s', (name) => {
  const protocol = protocolOf(name);
  const { codec } = protocol;

  test.each(codes)('%s', (code) => {
    for (const details of [bare, full]) {
      for (const requestId of ['req_1', '']) {
        expect(wrongInError(name, protocol.renderError(code, details, requestId).body)).toBe('');
        const writer = codec?.openWriter(testContext());
        const begun = writer?.head({ id: 'upstream-1', model: 'm' }) ?? '';
        expect(wrongInStream(name, begun + (writer?.error(code, details, requestId) ?? ''))).toBe('');
      }
    }
  });

  test.each([400, 401, 402, 403, 404, 413, 422, 429, 500, 503, 529])('a refusal of the upstream with %i', (status) => {
    for (const words of refusals)
      expect(wrongInError(name, codec?.renderRefusal(status, words, 'req_1') ?? '')).toBe('');
  });
});
