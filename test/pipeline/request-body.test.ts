import { expect, test } from 'bun:test';
import { RequestBody } from '../../src/pipeline/request-body.ts';

test('a body that was let go has its length and no bytes', () => {
  const body = new RequestBody(new Uint8Array(7));
  expect(body.bytes).toHaveLength(7);
  body.letGo();
  expect(body.byteLength).toBe(7);
  expect(() => body.bytes).toThrow('let go');
});
