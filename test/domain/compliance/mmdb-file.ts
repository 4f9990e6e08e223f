// Writes small country databases in MaxMind's format (IPv6 tree, 24-bit records), so that tests need no data
// of others.

type Value = string | number | { readonly [key: string]: Value };

const TEXT = 2;
const UINT32 = 6;
const MAP = 7;

function control(type: number, size: number): number {
  if (size >= 29) throw new Error('longer values are not needed here');
  return (type << 5) | size;
}

function encode(value: Value): readonly number[] {
  if (typeof value === 'string') return [control(TEXT, value.length), ...new TextEncoder().encode(value)];
  if (typeof value === 'number') {
    const bytes =
      value === 0
        ? []
        : (value
            .toString(16)
            .padStart(Math.ceil(value.toString(16).length / 2) * 2, '0')
            .match(/../g) ?? []);
    return [control(UINT32, bytes.length), ...bytes.map((byte) => Number.parseInt(byte, 16))];
  }
  const entries = Object.entries(value);
  return [
    control(MAP, entries.length),
    ...entries.flatMap(([key, member]) => [...encode(key), ...encode(member)]),
  ];
}

/** Bits of an IPv4 prefix as it stands in an IPv6 tree: behind 96 zeros. */
function bitsOf(cidr: string): readonly number[] {
  const [address = '', length = '32'] = cidr.split('/');
  const bits = address
    .split('.')
    .flatMap((part) => [...Number(part).toString(2).padStart(8, '0')].map(Number));
  return [...Array.from({ length: 96 }, () => 0), ...bits.slice(0, Number(length))];
}

type Slot = number | { readonly data: number } | undefined;

/** `records`: an IPv4 prefix and what is known of it. Prefixes must not overlap. */
export function countryDatabaseFile(
  records: Readonly<Record<string, Value>>,
  builtAt = Date.UTC(2026, 0, 1),
): Uint8Array {
  const nodes: [Slot, Slot][] = [[undefined, undefined]];
  const data: number[] = [];
  for (const [cidr, record] of Object.entries(records)) {
    const bits = bitsOf(cidr);
    let node = 0;
    for (const [index, bit] of bits.entries()) {
      const slots = nodes[node];
      if (slots === undefined) throw new Error('a node is missing');
      if (index === bits.length - 1) {
        slots[bit === 0 ? 0 : 1] = { data: data.length };
        continue;
      }
      const next = slots[bit === 0 ? 0 : 1] ?? nodes.push([undefined, undefined]) - 1;
      if (typeof next !== 'number') throw new Error(`${cidr} overlaps another prefix`);
      slots[bit === 0 ? 0 : 1] = next;
      node = next;
    }
    data.push(...encode(record));
  }
  const pointer = (slot: Slot): number =>
    slot === undefined ? nodes.length : typeof slot === 'number' ? slot : nodes.length + 16 + slot.data;
  const tree = nodes
    .flatMap((slots) => slots.map(pointer))
    .flatMap((value) => [value >> 16, (value >> 8) & 255, value & 255]);
  const metadata = encode({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: Math.floor(builtAt / 1000),
    database_type: 'Test-Country',
    ip_version: 6,
    node_count: nodes.length,
    record_size: 24,
  });
  return Uint8Array.from([
    ...tree,
    ...Array.from({ length: 16 }, () => 0),
    ...data,
    0xab,
    0xcd,
    0xef,
    ...new TextEncoder().encode('MaxMind.com'),
    ...metadata,
  ]);
}
