// Lists come in pages: a limit and an opaque cursor that names the last row seen. A cursor is data from outside
// like any other: it is bounded, decoded strictly, and checked to be an identifier of the noun that is listed.

import { Type } from '@sinclair/typebox';
import type { Static, TArray, TNull, TObject, TSchema, TString, TUnion } from '@sinclair/typebox';
import { bounds } from '../../core/bounds.ts';
import { TollgateError } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import type { Id, IdPrefix } from '../../core/ids.ts';

const CURSOR_LENGTH = 200;
/** Says how the rest of a cursor is to be read, so that the form can change and old cursors are refused clearly. */
const CURSOR_MARK = '1.';

/** Query fields of every list; spread them into the list's own query schema. Query values are text on the wire. */
export const pageQuery = {
  limit: Type.Optional(
    Type.String({
      pattern: '^[1-9][0-9]{0,2}$',
      description: `Rows on the page, 1 to ${bounds.pageSizeMax}; ${bounds.pageSizeDefault} if left out.`,
      // The generated document describes it as the integer that it is; see openapi/normalise.ts.
      'x-integer': { minimum: 1, maximum: bounds.pageSizeMax, default: bounds.pageSizeDefault },
    }),
  ),
  cursor: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: CURSOR_LENGTH,
      pattern: '^[A-Za-z0-9_-]+$',
      description: '`nextCursor` of the page before. Opaque.',
    }),
  ),
};

export interface PageQuery {
  readonly limit?: string | undefined;
  readonly cursor?: string | undefined;
}

/** Any text that fits, usually a row's identifier. */
export function encodeCursor(position: string): string {
  return Buffer.from(CURSOR_MARK + position, 'utf8').toString('base64url');
}

const badCursor = () =>
  new TollgateError('invalid_request', {
    message: 'cursor: not a cursor of this list; send `nextCursor` of the page before unchanged, or leave it out.',
    field: 'cursor',
  });

export function decodeCursor(cursor: string): string {
  if (cursor.length > CURSOR_LENGTH || !/^[A-Za-z0-9_-]+$/.test(cursor)) throw badCursor();
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!text.startsWith(CURSOR_MARK) || encodeCursor(text.slice(CURSOR_MARK.length)) !== cursor) throw badCursor();
  return text.slice(CURSOR_MARK.length);
}

export function pageLimit(query: PageQuery): number {
  if (query.limit === undefined) return bounds.pageSizeDefault;
  const limit = /^[1-9]\d{0,2}$/.test(query.limit) ? Number(query.limit) : 0;
  if (limit < 1 || limit > bounds.pageSizeMax) {
    throw new TollgateError('invalid_request', {
      message: `limit: must be a whole number from 1 to ${bounds.pageSizeMax}.`,
      field: 'limit',
    });
  }
  return limit;
}

/** Limit and position of a list that runs by identifiers of that noun. */
export function readPage<P extends IdPrefix>(
  prefix: P,
  query: PageQuery,
): { readonly limit: number; readonly before: Id<P> | undefined } {
  const limit = pageLimit(query);
  if (query.cursor === undefined) return { limit, before: undefined };
  const position = decodeCursor(query.cursor);
  if (!isId(prefix, position)) throw badCursor();
  return { limit, before: position };
}

export interface Page<Item> {
  readonly items: Item[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
}

/**
 * The page out of rows that were read with `limit + 1`: the row too many only tells that another page follows.
 * `positionOf` gives what the cursor names, of the last row on the page.
 */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  positionOf: (row: Row) => string,
  render: (row: Row) => Item,
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { items: shown.map(render), nextCursor: more ? encodeCursor(positionOf(last)) : null };
}

type PageSchema<Item extends TSchema> = TObject<{ items: TArray<Item>; nextCursor: TUnion<[TString, TNull]> }>;

export function pageSchema<Item extends TSchema>(item: Item): PageSchema<Item> {
  return Type.Object(
    {
      items: Type.Array(item),
      nextCursor: Type.Union([Type.String(), Type.Null()], {
        description: 'Cursor of the next page; null on the last one.',
      }),
    },
    { additionalProperties: false },
  );
}

export type PageOf<Item extends TSchema> = Static<PageSchema<Item>>;
