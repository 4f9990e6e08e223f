// The tar blocks of an archive, in the form that every tar reads. An archive is read by writing the block that must
// stand at a place anew and comparing it: what would not be written here (links, other kinds) is not read either.

export const TAR_BLOCK_BYTES = 512;
/** Two empty blocks. */
export const TAR_END_BYTES = 2 * TAR_BLOCK_BYTES;

const NAME_BYTES = 100;
const SIZE = { at: 124, length: 12 } as const;
const TIME = { at: 136, length: 12 } as const;
const CHECKSUM = { at: 148, length: 8 } as const;
/** Sizes that eleven octal digits do not hold are written in binary. */
const OCTAL_MAX = 8 ** 11 - 1;

/** The block before a regular file that only its owner may read. `time`: seconds since 1970. */
export function tarHead(name: string, size: number, time: number): Uint8Array {
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  const nameBytes = Buffer.from(name, 'latin1');
  if (nameBytes.length > NAME_BYTES) throw new RangeError(`${name}: a name in an archive has at most ${NAME_BYTES} bytes`);
  block.set(nameBytes, 0);
  block.write('0000600\0' + '0000000\0' + '0000000\0', 100, 'latin1');
  if (size <= OCTAL_MAX) block.write(octal(size, SIZE.length), SIZE.at, 'latin1');
  else {
    block[SIZE.at] = 0x80;
    block.writeBigUInt64BE(BigInt(size), SIZE.at + SIZE.length - 8);
  }
  block.write(octal(time, TIME.length), TIME.at, 'latin1');
  block.write('        ', CHECKSUM.at, 'latin1');
  block.write('0', 156, 'latin1');
  block.write('ustar\0' + '00', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, CHECKSUM.length - 1)} `, CHECKSUM.at, 'latin1');
  return block;
}

/** The size and time that a block states; the block itself is still to be compared. Undefined: it states none. */
export function statedIn(block: Uint8Array): { readonly size: number; readonly time: number } | undefined {
  const [size, time] = [SIZE, TIME].map(({ at, length }) => {
    const text = Buffer.from(block.subarray(at, at + length)).toString('latin1');
    return /^[0-7]{11}\0$/.test(text) ? Number.parseInt(text, 8) : undefined;
  });
  return size === undefined || time === undefined ? undefined : { size, time };
}

/** Zeros after so many bytes of a file, up to the next block. */
export const paddingAfter = (size: number): number => (TAR_BLOCK_BYTES - (size % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;

const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, '0')}\0`;
