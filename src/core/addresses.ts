// Which network addresses are on the public internet, decided from the address alone: no lookups here.
// Invariant: every spelling of an address gets the verdict of the plain one, and what is not understood is
// not public.

import ipaddr from 'ipaddr.js';

/**
 * `public`: only the public internet. `any`: also loopback and private networks. Neither reaches cloud
 * metadata.
 */
export type AddressRule = 'public' | 'any';

/** `metadata`: link-local services that hand credentials to whoever asks from inside a machine. */
export type AddressClass = 'public' | 'internal' | 'metadata';

type Parsed = ipaddr.IPv4 | ipaddr.IPv6;
type Range = readonly [network: Parsed, bits: number];

const ranges = (list: readonly string[]): readonly Range[] => list.map((text) => ipaddr.parseCIDR(text));

const INTERNAL_IPV4 = ranges([
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24',
  '192.31.196.0/24', '192.52.193.0/24', '192.88.99.0/24', '192.168.0.0/16', '192.175.48.0/24',
  '198.18.0.0/15',  '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4',
]);

/** Global unicast is the only part of IPv6 that can be public: the rest is refused without being listed. */
const GLOBAL_UNICAST = ranges(['2000::/3']);
/**
 * Inside it: protocol assignments with Teredo and ORCHID, documentation, 6to4, AS112, documentation again.
 */
const INTERNAL_IPV6 = ranges([
  '2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3fff::/20',
]);

const METADATA_IPV4 = ranges(['169.254.0.0/16', '100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32']);
const METADATA_IPV6 = ranges(['fd00:ec2::/32', 'fd20:ce::/32']);
const METADATA_NAMES = new Set([
  'metadata', 'metadata.google.internal', 'metadata.goog', 'metadata.azure.internal',
  'metadata.tencentyun.com',   'metadata.platformequinix.com', 'instance-data', 'instance-data.ec2.internal',
]);
const LOOPBACK_NAMES = new Set(['localhost', 'localhost.localdomain', 'ip6-localhost', 'ip6-loopback']);

/** Where an IPv6 address carries an IPv4 one: the offset of its first byte. */
const EMBEDDED_IPV4: readonly { readonly in: readonly Range[]; readonly byteOffset: number }[] = [
  { in: ranges(['::/96', '64:ff9b::/96', '64:ff9b:1::/48']), byteOffset: 12 },
  { in: ranges(['2002::/16']), byteOffset: 2 },
];

function within(address: Parsed, list: readonly Range[]): boolean {
  return list.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits));
}

/**
 * Only the canonical dotted form of IPv4 (no octal, no short forms); zones are dropped; mapped IPv4 is
 * unwrapped.
 */
function parseLiteral(text: string): Parsed | undefined {
  if (text.length > 64) return undefined;
  if (!text.includes(':')) {
    return ipaddr.IPv4.isValidFourPartDecimal(text) ? ipaddr.IPv4.parse(text) : undefined;
  }
  const zone = text.indexOf('%');
  const plain = zone < 0 ? text : text.slice(0, zone);
  if (!ipaddr.IPv6.isValid(plain)) return undefined;
  const address = ipaddr.IPv6.parse(plain);
  return address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

function render(address: Parsed): string {
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
}

function embeddedIpv4(address: ipaddr.IPv6): ipaddr.IPv4 | undefined {
  const place = EMBEDDED_IPV4.find((candidate) => within(address, candidate.in));
  if (place === undefined) return undefined;
  return new ipaddr.IPv4(address.toByteArray().slice(place.byteOffset, place.byteOffset + 4));
}

function classify(address: Parsed): AddressClass {
  if (address instanceof ipaddr.IPv4) {
    if (within(address, METADATA_IPV4)) return 'metadata';
    return within(address, INTERNAL_IPV4) ? 'internal' : 'public';
  }
  if (within(address, METADATA_IPV6)) return 'metadata';
  const embedded = embeddedIpv4(address);
  if (embedded !== undefined && within(embedded, METADATA_IPV4)) return 'metadata';
  return within(address, GLOBAL_UNICAST) && !within(address, INTERNAL_IPV6) ? 'public' : 'internal';
}

/** The class of an address literal (IPv6 without brackets); `undefined` if the text is not one. */
export function classifyAddress(text: string): AddressClass | undefined {
  const address = parseLiteral(text);
  return address === undefined ? undefined : classify(address);
}

/** Whether a connection to this address is allowed. What is not an address literal is not. */
export function allowsAddress(rule: AddressRule, text: string): boolean {
  const found = classifyAddress(text);
  return found === 'public' || (found === 'internal' && rule === 'any');
}

/**
 * The class that a host name has by its spelling alone, before any lookup; `undefined` for names that only
 * their addresses can judge. Expects lower case without a trailing dot, as `hostnameOf` gives.
 */
export function classifyName(name: string): AddressClass | undefined {
  if (METADATA_NAMES.has(name)) return 'metadata';
  return LOOPBACK_NAMES.has(name) || name.endsWith('.localhost') ? 'internal' : undefined;
}

/** A URL's host for dialling and for comparing: no brackets, no trailing dot. */
export function hostnameOf(url: URL): string {
  const name = url.hostname;
  if (name.startsWith('[')) return name.slice(1, -1);
  return name.endsWith('.') ? name.slice(0, -1) : name;
}

export type UpstreamUrlCheck =
  | { readonly kind: 'accepted'; readonly url: URL }
  /** `message` is for the operator who typed the URL: it names what is wrong and what would do. */
  | { readonly kind: 'refused'; readonly message: string };

const refused = (message: string): UpstreamUrlCheck => ({ kind: 'refused', message });

const URL_LENGTH_MAX = 2_048;
// Controls, spaces and backslashes: the URL parser drops or rewrites them in silence, so they are refused
// before it.
const UNPRINTABLE_OR_BACKSLASH = /[^\x21-\x5b\x5d-\x7e\x80-\u{10ffff}]/u;
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*$/;

/**
 * Checks an upstream's base URL by its text: scheme, user info, query, host. Names are looked up later, on
 * every dial, and judged again by their addresses; an accepted URL is no promise that they will pass.
 */
export function checkUpstreamUrl(text: string, rule: AddressRule): UpstreamUrlCheck {
  if (text.length > URL_LENGTH_MAX) return refused(`The URL is longer than ${URL_LENGTH_MAX} characters.`);
  if (UNPRINTABLE_OR_BACKSLASH.test(text)) {
    return refused('The URL contains a space, a control character or a backslash; remove or encode it.');
  }
  if (!/^https?:\/\//i.test(text)) return refused('The URL must begin with https:// or http://.');
  const url = URL.parse(text);
  if (url === null) return refused('The URL cannot be read; write it as https://host/path.');
  // An empty user name vanishes in parsing, so the text is asked as well.
  const authority = text.slice(text.indexOf('//') + 2).split(/[/?#]/, 1)[0] ?? '';
  if (authority.includes('@')) {
    return refused('The URL must not carry a user name or password; use a credential.');
  }
  if (url.search !== '' || url.hash !== '' || /[?#]/.test(text)) {
    return refused('The URL must have no query and no fragment.');
  }
  if (url.port === '0') return refused('Port 0 cannot be connected to.');
  const message = hostProblem(hostnameOf(url), rule);
  return message === undefined ? { kind: 'accepted', url } : refused(message);
}

function hostProblem(host: string, rule: AddressRule): string | undefined {
  const literal = parseLiteral(host);
  if (literal === undefined && !HOST_NAME.test(host)) return 'The host name is not well formed.';
  const found = literal === undefined ? classifyName(host) : classify(literal);
  if (found === 'metadata') {
    return `${host} is a metadata or link-local service and can never be an upstream.`;
  }
  if (found !== 'internal' || rule === 'any') return undefined;
  return `${host} is not on the public internet; set addresses to "any" if this upstream is your own.`;
}

const PLAIN_IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
/** `[::1]`, `[::1]:443` and `192.0.2.1:443`, as forwarding headers write them. */
const WITH_PORT = /^(?:\[([^\]]{2,60})\](?::\d{1,5})?|([\d.]{7,15}):\d{1,5})$/;

/**
 * One spelling for each client address: IPv4 stays dotted, IPv4-mapped IPv6 becomes IPv4, IPv6 is compressed
 * and in lower case; zone, brackets, port and surrounding spaces go. `undefined` if it is not an address
 * (`unknown`, `_hidden`, a name).
 */
export function normaliseAddress(text: string): string | undefined {
  if (PLAIN_IPV4.test(text)) return text;
  const trimmed = text.trim();
  const match = WITH_PORT.exec(trimmed);
  const address = parseLiteral(match === null ? trimmed : (match[1] ?? match[2] ?? ''));
  return address === undefined ? undefined : render(address);
}

/** A range that cannot be read; the message names the entry and the remedy. */
export class AddressRangeError extends RangeError {
  constructor(entry: string, problem: string) {
    super(`"${entry.slice(0, 64)}" ${problem}`);
    this.name = 'AddressRangeError';
  }
}

function parseRange(entry: string): Range {
  const [text = '', bitsText, ...rest] = entry.split('/');
  const address = ipaddr.IPv6.isValid(text) ? ipaddr.IPv6.parse(text) : parseLiteral(text);
  if (address === undefined || rest.length > 0 || text.includes('%')) {
    throw new AddressRangeError(entry, 'is not an address range; write 10.0.0.0/8, fd00::/8 or one address');
  }
  const width = address.kind() === 'ipv4' ? 32 : 128;
  if (bitsText !== undefined && !/^(?:0|[1-9]\d{0,2})$/.test(bitsText)) {
    throw new AddressRangeError(entry, `must end in a number of bits from 0 to ${width}`);
  }
  const bits = bitsText === undefined ? width : Number(bitsText);
  if (bits > width) throw new AddressRangeError(entry, `must end in a number of bits from 0 to ${width}`);
  if (address instanceof ipaddr.IPv6) {
    const network = ipaddr.IPv6.networkAddressFromCIDR(`${text}/${bits}`);
    if (!address.match(network, 128)) {
      throw new AddressRangeError(entry, `has bits set after its prefix; write ${render(network)}/${bits}`);
    }
    const mapped = address.isIPv4MappedAddress() && bits >= 96;
    return mapped ? [address.toIPv4Address(), bits - 96] : [address, bits];
  }
  const network = ipaddr.IPv4.networkAddressFromCIDR(`${text}/${bits}`);
  if (!address.match(network, 32)) {
    throw new AddressRangeError(entry, `has bits set after its prefix; write ${render(network)}/${bits}`);
  }
  return [address, bits];
}

/**
 * Reads CIDR ranges and single addresses once; the result tells whether an address lies in any of them. Text
 * that is not an address lies in none. Throws AddressRangeError for the first entry that is not a range.
 */
export function parseRanges(list: readonly string[]): (address: string) => boolean {
  const parsed = list.map(parseRange);
  return (text) => {
    const normal = parsed.length === 0 ? undefined : normaliseAddress(text);
    return normal !== undefined && within(ipaddr.parse(normal), parsed);
  };
}
