// Who is calling: the socket peer, or, when the peer is a trusted proxy, the right-most hop of the one
// configured header that no trusted proxy stands at. Whatever a client writes to the left of that hop decides
// nothing; a hop that cannot be read makes the client `unknown`, never its proxy, so that nobody gains by
// writing nonsense.

import { normaliseAddress } from '../../core/addresses.ts';
import { bounds } from '../../core/bounds.ts';
import type { ProxyConfig } from '../../plugin/gateway.ts';

/** Stands for an address that nobody could tell. In no range, and of no country. */
export const UNKNOWN_ADDRESS = 'unknown';

/** Proxies in a row that are walked; a longer chain of trusted ones is a mistake or an attack. */
const HOPS_MAX = 32;

export interface ClientAddressSettings {
  readonly header: ProxyConfig['header'];
  /** Whether a normalised address lies in the trusted ranges. */
  readonly isTrusted: (address: string) => boolean;
}

/** The part of `Headers` that is needed. Several lines of one name come joined by commas. */
export interface HeaderReader {
  get(name: string): string | null;
}

/** `peer` is the socket peer's address, normalised. The answer is normalised too, or `unknown`. */
export function clientAddress(peer: string, headers: HeaderReader, settings: ClientAddressSettings): string {
  if (!settings.isTrusted(peer)) return peer;
  const value = headers.get(settings.header);
  // The proxy speaks for itself: a health check, or an operator on the same machine.
  if (value === null || value.trim() === '') return peer;
  switch (settings.header) {
    case 'x-forwarded-for':
      return rightmostUntrusted(value, previousListed, normaliseAddress, settings.isTrusted);
    case 'forwarded':
      return rightmostUntrusted(value, previousElement, readForwarded, settings.isTrusted);
    case 'cf-connecting-ip':
    case 'x-real-ip':
      // One value by definition. Two of them mean that a client's own line got through.
      return value.length > bounds.headerLength
        ? UNKNOWN_ADDRESS
        : (normaliseAddress(value) ?? UNKNOWN_ADDRESS);
  }
}

/**
 * Where the element that ends before `end` begins; found from the right, so that what stands to the left is
 * not read.
 */
type FindStart = (value: string, end: number) => number;

function rightmostUntrusted(
  value: string,
  findStart: FindStart,
  read: (element: string) => string | undefined,
  isTrusted: (address: string) => boolean,
): string {
  let end = value.length;
  let hop = UNKNOWN_ADDRESS;
  for (let hops = 0; end >= 0; hops += 1) {
    const start = findStart(value, end);
    if (hops === HOPS_MAX || end - start > bounds.headerLength) return UNKNOWN_ADDRESS;
    const address = read(value.slice(start, end));
    if (address === undefined) return UNKNOWN_ADDRESS;
    hop = address;
    if (!isTrusted(hop)) return hop;
    end = start - 1;
  }
  return hop;
}

const previousListed: FindStart = (value, end) => (end === 0 ? 0 : value.lastIndexOf(',', end - 1) + 1);

/**
 * Commas inside quotes do not part elements; an open quote further left belongs to whoever wrote it there.
 */
const previousElement: FindStart = (value, end) => {
  let quoted = false;
  for (let index = end - 1; index >= 0; index -= 1) {
    const character = value[index];
    if (character === '"') quoted = !quoted;
    else if (character === ',' && !quoted) return index + 1;
  }
  return 0;
};

const FORWARDED_PAIR = /\s*([A-Za-z]+)=(?:"([^"]*)"|([^\s",;]*))\s*(?:;|$)/y;

/** The `for` of one element of RFC 7239. Twice `for`, none, or an escape inside quotes: unreadable. */
function readForwarded(element: string): string | undefined {
  if (element.includes('\\')) return undefined;
  let found: string | undefined;
  for (FORWARDED_PAIR.lastIndex = 0; FORWARDED_PAIR.lastIndex < element.length;) {
    const pair = FORWARDED_PAIR.exec(element);
    if (pair === null) return undefined;
    if (pair[1]?.toLowerCase() !== 'for') continue;
    if (found !== undefined) return undefined;
    found = pair[2] ?? pair[3];
  }
  return found === undefined ? undefined : normaliseAddress(found);
}
