// Which addresses count as one client: an IPv4 address by itself, an IPv6 address by its /64, because one
// subscriber owns all of the addresses below that and could otherwise come from a new one each time.

import { IPv6 } from 'ipaddr.js';

export function addressSubject(address: string): string {
  if (!address.includes(':') || !IPv6.isValid(address)) return address;
  const parsed = IPv6.parse(address);
  if (parsed.isIPv4MappedAddress()) return parsed.toIPv4Address().toString();
  return `${parsed.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`;
}
