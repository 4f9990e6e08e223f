// Address ranges of API keys: written strictly, as CIDR, so that a range means the same to everybody who
// reads it.

import ipaddr from 'ipaddr.js';

export type RangeCheck =
  | { readonly ok: true; /** Canonical form: what is stored. */ readonly range: string }
  | { readonly ok: false; readonly because: string };

const V4 = /^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/;
const NOT_A_RANGE = 'is neither an IP address nor a CIDR range such as 203.0.113.0/24 or 2001:db8::/32';

/**
 * Checks one address or range from outside. Short, octal and hexadecimal IPv4 forms are refused, because
 * readers differ on them; so are bits outside the prefix, because they are mostly a slip. A single address
 * becomes a range of one.
 */
export function checkRange(text: string): RangeCheck {
  const refuse = (because: string): RangeCheck => ({ ok: false, because });
  if (text.length > 64) return refuse(NOT_A_RANGE);
  const [address = '', prefixText, ...rest] = text.split('/');
  if (rest.length > 0 || (prefixText !== undefined && !/^(?:0|[1-9]\d{0,2})$/.test(prefixText)))
    return refuse(NOT_A_RANGE);
  const isV6 = address.includes(':');
  if (
    address.includes('%') ||
    !(isV6 ? ipaddr.IPv6.isValid(address) : V4.test(address) && ipaddr.IPv4.isValid(address))
  ) {
    return refuse(NOT_A_RANGE);
  }
  const parsed = ipaddr.parse(address);
  const bits = isV6 ? 128 : 32;
  const prefix = prefixText === undefined ? bits : Number(prefixText);
  if (prefix > bits) return refuse(`has a prefix above ${bits}`);
  if (parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress()) {
    if (prefix < 96) return refuse('mixes IPv4-mapped and other addresses; write the IPv4 range itself');
    return inPrefix(parsed.toIPv4Address(), prefix - 96);
  }
  return inPrefix(parsed, prefix);
}

function inPrefix(address: ipaddr.IPv4 | ipaddr.IPv6, prefix: number): RangeCheck {
  const given = `${address.toString()}/${prefix}`;
  const network =
    address instanceof ipaddr.IPv4
      ? ipaddr.IPv4.networkAddressFromCIDR(given)
      : ipaddr.IPv6.networkAddressFromCIDR(given);
  const range = `${network.toString()}/${prefix}`;
  if (range !== given)
    return { ok: false, because: `has bits set outside its prefix; write ${range} for the range` };
  return { ok: true, range };
}

type ParsedRange = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

/** Parsed once for each list: a key's list is one immutable value for as long as the key stays as it is. */
const parsedRanges = new WeakMap<readonly string[], readonly ParsedRange[]>();

/**
 * Whether the address lies in one of the ranges, which were checked when they were saved. A broken address
 * does not.
 */
export function addressIn(ranges: readonly string[], address: string): boolean {
  let parsed = parsedRanges.get(ranges);
  if (parsed === undefined) {
    parsed = ranges.map((range) => ipaddr.parseCIDR(range));
    parsedRanges.set(ranges, parsed);
  }
  if (!ipaddr.isValid(address)) return false;
  const client = ipaddr.process(address);
  return parsed.some(
    ([network, prefix]) => network.kind() === client.kind() && client.match(network, prefix),
  );
}
