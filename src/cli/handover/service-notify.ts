// What a service manager is told (sd_notify): that we serve, that we stop, and which process is the main one after an
// upgrade. One datagram to the socket that it names; Bun has no such sockets, so the system library sends it.

import { systemLibrary } from './system-library.ts';

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const AT_SIGN = 0x40;
const PATH_BYTES_MAX = 107;

/** Does nothing where no service manager waits, and never fails: a start does not depend on it. */
export async function notifyService(socketPath: string | undefined, ...lines: readonly string[]): Promise<void> {
  if (socketPath === undefined) return;
  const path = Buffer.from(socketPath);
  const library = await systemLibrary();
  if (library === undefined || path.length > PATH_BYTES_MAX) return;
  const { symbols, ptr } = library;
  // An abstract name begins with a zero byte, and is written with an @ in the environment.
  if (path[0] === AT_SIGN) path[0] = 0;
  const address = Buffer.alloc(2 + path.length + (path[0] === 0 ? 0 : 1));
  address.writeUInt16LE(AF_UNIX, 0);
  path.copy(address, 2);
  const message = Buffer.from(lines.join('\n'));
  const socket = symbols.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (socket < 0) return;
  symbols.sendto(socket, ptr(message), message.length, 0, ptr(address), address.length);
  symbols.close(socket);
}
