// Cursors from outside are refused unless they are ours, and pages follow each other without gap or repetition.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { bounds } from '../../../src/core/bounds.ts';
import { TollgateError } from '../../../src/core/errors.ts';
import { decodeCursor, encodeCursor, pageLimit, pageOf, readPage } from '../../../src/http/admin/pages.ts';

const refusal = (run: () => unknown): TollgateError => {
  try {
    run();
  } catch (error) {
    if (error instanceof TollgateError) return error;
    throw error;
  }
  throw new Error('was not refused');
};

describe('cursors', () => {
  test('come back as they were', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60, unit: 'binary' }), (text) => {
        fc.pre(encodeCursor(text).length <= 200 && text.isWellFormed());
        expect(decodeCursor(encodeCursor(text))).toBe(text);
      }),
    );
  });

  test('any other text is refused with 400 and never repeated', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 8, maxLength: 300 }), (text) => {
        const { code, details } = refusal(() => readPage('req', { cursor: text }));
        expect(code).toBe('invalid_request');
        expect(details.field).toBe('cursor');
        expect(details.message).not.toContain(text);
      }),
    );
  });

  test('one of another noun is refused', () => {
    expect(refusal(() => readPage('req', { cursor: encodeCursor('mov_1') })).details.field).toBe('cursor');
    expect(readPage('mov', { cursor: encodeCursor('mov_1') }).before).toBe('mov_1');
  });

  test.each(["req_1' OR 1=1", 'req_../x', 'req_', 'req_%'])('a forged position %p is refused', (position) => {
    expect(refusal(() => readPage('req', { cursor: encodeCursor(position) })).code).toBe('invalid_request');
  });

  test('a cursor with a changed tail is refused', () => {
    expect(refusal(() => readPage('req', { cursor: `${encodeCursor('req_12')}A` })).code).toBe('invalid_request');
    expect(refusal(() => decodeCursor(`${encodeCursor('req_1')}=`)).code).toBe('invalid_request');
  });
});

test('limits', () => {
  expect(pageLimit({})).toBe(bounds.pageSizeDefault);
  expect(pageLimit({ limit: '200' })).toBe(200);
  for (const limit of ['0', '201', '999', '-1', '1.5', '01', '1e2', ''])
    expect(refusal(() => pageLimit({ limit })).details.field).toBe('limit');
});

test('pages cover all rows once', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 100, max: 999 }), { maxLength: 30 }),
      fc.integer({ min: 1, max: 7 }),
      (numbers, limit) => {
        const rows = numbers
          .map((number) => `req_${number}`)
          .toSorted()
          .toReversed();
        const seen: string[] = [];
        let cursor: string | undefined;
        do {
          const { before } = readPage('req', { cursor });
          const read = rows.filter((row) => before === undefined || row < before).slice(0, limit + 1);
          const page = pageOf(
            read,
            limit,
            (row) => row,
            (row) => row,
          );
          seen.push(...page.items);
          cursor = page.nextCursor ?? undefined;
        } while (cursor !== undefined);
        expect(seen).toEqual(rows);
      },
    ),
  );
});
