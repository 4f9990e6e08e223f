// The port while two processes listen on it. The kernel deals new connections out among them; here it is told to give
// them all to the one that stays, and the other's socket is closed only when nothing can be on its way to it. Closing a
// socket any earlier would reset connections that wait in its queue.

import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { systemLibrary } from './system-library.ts';

const SOL_SOCKET = 1;
const SO_REUSEPORT = 15;
const SO_ATTACH_REUSEPORT_CBPF = 51;
/** `return K` of classic BPF: always the listener with that index. */
const BPF_RETURN = 0x06;
const LISTENING = '0A';

export interface SharedPort {
  /** Lets a second process of this user listen. */
  share(): void;
  /** Takes that back for processes to come. */
  keepAlone(): void;
  /** New connections meet the process that listened last. */
  giveToLast(): void;
  /** Closes our own listening sockets. Nothing may be on its way to them. */
  letGo(): void;
}

/** Our listening sockets on that port. Undefined where this system cannot do it: on Linux it can. */
export async function sharedPort(port: number): Promise<SharedPort | undefined> {
  const library = await systemLibrary();
  if (library === undefined) return undefined;
  const { symbols, ptr } = library;
  const sockets = listeningSockets(port);
  if (sockets.length === 0) return undefined;
  const setFlag = (socket: number, flag: 0 | 1) => {
    const value = new Int32Array([flag]);
    if (symbols.setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, ptr(value), 4) !== 0)
      throw new Error(`the port ${port} cannot be shared with another process`);
  };
  return {
    share: () => sockets.forEach((socket) => setFlag(socket, 1)),
    keepAlone: () => sockets.forEach((socket) => setFlag(socket, 0)),
    giveToLast() {
      for (const socket of sockets) {
        const program = new Uint8Array(8);
        const view = new DataView(program.buffer);
        view.setUint16(0, BPF_RETURN, true);
        // Ours came first, in whatever order; the one that came last stands behind them.
        view.setUint32(4, sockets.length, true);
        const header = new Uint8Array(16);
        const headerView = new DataView(header.buffer);
        headerView.setUint16(0, 1, true);
        headerView.setBigUint64(8, BigInt(ptr(program)), true);
        if (symbols.setsockopt(socket, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, ptr(header), header.length) !== 0)
          throw new Error(`connections to port ${port} cannot be steered`);
      }
    },
    letGo() {
      // The number stays taken until the server closes it: another file must not get it meanwhile.
      const nothing = openSync('/dev/null', 'r');
      for (const socket of sockets) symbols.dup2(nothing, socket);
      closeSync(nothing);
    },
  };
}

/** File descriptors of this process that listen on the port, whatever their address. */
export function listeningSockets(port: number): readonly number[] {
  const inodes = new Set<string>();
  for (const table of ['/proc/self/net/tcp', '/proc/self/net/tcp6']) {
    for (const line of linesOf(table)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === LISTENING && inode !== undefined && Number.parseInt(local?.split(':')[1] ?? '', 16) === port)
        inodes.add(inode);
    }
  }
  return readdirSync('/proc/self/fd').flatMap((name) => {
    const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/self/fd/${name}`))?.[1];
    return inode !== undefined && inodes.has(inode) ? [Number(name)] : [];
  });
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(1);
  } catch {
    return [];
  }
}

/** Empty for what was closed since the folder was read. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
