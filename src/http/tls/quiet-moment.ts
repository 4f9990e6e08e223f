// When a port may change hands. Closing a listener resets what the kernel has on its way to it, and Bun's `stop`
// closes connections on which nothing came yet; so whoever hands a port over waits for a moment in which there is
// neither. Linux tells; elsewhere nothing is known.

import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** One's own tables: `/proc/net` itself may be hidden from a hardened service. */
const tables = ['/proc/self/net/tcp', '/proc/self/net/tcp6'] as const;

const ESTABLISHED = '01';
const HANDSHAKE = '03';
const LISTENING = '0A';

export interface PortState {
  /** Connections that are being opened, wait to be accepted, or hold bytes that nobody has read. */
  readonly underway: number;
  /** The other ends of the open ones. */
  readonly peers: ReadonlySet<string>;
}

/** Reads tables of the kernel's form: addresses and ports in hexadecimal, then the state, then the two queues. */
export function portState(text: string, port: number): PortState {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = text.matchAll(
    new RegExp(
      `${local} ([0-9A-F]+:[0-9A-F]{4}) (${ESTABLISHED}|${HANDSHAKE}|${LISTENING}) [0-9A-F]+:([0-9A-F]+) `,
      'g',
    ),
  );
  let underway = 0;
  const peers = new Set<string>();
  for (const [, peer = '', state, queued = '0'] of rows) {
    const unread = Number.parseInt(queued, 16);
    if (state === LISTENING) underway += unread;
    else if (state === HANDSHAKE || unread > 0) underway += 1;
    if (state === ESTABLISHED) peers.add(peer);
  }
  return { underway, peers };
}

/** Undefined where the system does not tell. Large tables take some milliseconds, off this thread. */
async function stateSoon(port: number): Promise<PortState | undefined> {
  const found = await Promise.all(tables.map((file) => readFile(file, 'latin1').catch(() => undefined)));
  return stateOf(found, port);
}

/**
 * At this very moment: nothing of this process happens between the look and what follows it. A table of thousands of
 * rows takes milliseconds to read, in which more may come; that waits to be accepted, and is told by the rows of
 * listeners, which stand first and are read once more at the end.
 */
export function stateNow(port: number): PortState | undefined {
  const state = stateOf(tables.map(readTable), port);
  if (state === undefined) return undefined;
  const arrived = stateOf(tables.map(readListeners), port);
  return { ...state, underway: state.underway + (arrived?.underway ?? 0) };
}

function readTable(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return undefined;
  }
}

const PAGE_BYTES = 4_096;
const LISTENER_PAGES_MAX = 16;

function readListeners(file: string): string | undefined {
  try {
    const handle = openSync(file, 'r');
    try {
      const page = Buffer.alloc(PAGE_BYTES);
      let text = '';
      for (let pages = 0; pages < LISTENER_PAGES_MAX; pages++) {
        const length = readSync(handle, page, 0, PAGE_BYTES, null);
        text += page.toString('latin1', 0, length);
        if (length === 0 || OTHER_ROW.test(text)) break;
      }
      return text
        .split('\n')
        .filter((row) => LISTENER_ROW.test(row))
        .join('\n');
    } finally {
      closeSync(handle);
    }
  } catch {
    return undefined;
  }
}

const LISTENER_ROW = new RegExp(`:[0-9A-F]{4} [0-9A-F]+:[0-9A-F]{4} ${LISTENING} `);
const OTHER_ROW = new RegExp(`:[0-9A-F]{4} [0-9A-F]+:[0-9A-F]{4} (?!${LISTENING})`);

function stateOf(found: readonly (string | undefined)[], port: number): PortState | undefined {
  const known = found.filter((table) => table !== undefined);
  return known.length === 0 ? undefined : portState(known.join('\n'), port);
}

export interface QuietOptions {
  readonly soon?: (port: number) => Promise<PortState | undefined>;
  readonly now?: (port: number) => PortState | undefined;
  readonly wait?: (ms: number) => Promise<void>;
  readonly monotonicMs?: () => number;
}

/**
 * A client sends its first message with the packet that opens the connection, or right after it; a slow one takes
 * longer. Where new ones come all the time, less is asked for after some seconds.
 */
const firstMessageMs = (searchedMs: number): number => (searchedMs < 5_000 ? 20 : searchedMs < 10_000 ? 8 : 3);
/** After this the moment is taken as it comes. */
const SEARCH_MAX_MS = 30_000;
/** A system that tells nothing gets a second for what was on its way. */
const BLIND_WAIT_MS = 1_000;

/**
 * Resolves at a moment in which nothing is underway and no connection is younger than a first message takes; true if
 * there was one. What is to happen in that moment must follow at once. Both the old and the new listener serve
 * meanwhile, so that waiting costs nothing; looking takes at most a third of the time.
 */
export async function quietMoment(port: number, options: QuietOptions = {}): Promise<boolean> {
  const { soon = stateSoon, now = stateNow, wait = Bun.sleep, monotonicMs = () => performance.now() } = options;
  const start = monotonicMs();
  while (monotonicMs() - start < SEARCH_MAX_MS) {
    const lookedAt = monotonicMs();
    const before = await soon(port);
    const lookMs = monotonicMs() - lookedAt;
    await wait(before === undefined ? BLIND_WAIT_MS : firstMessageMs(lookedAt - start));
    if (before === undefined) return false;
    // The second look holds this thread up where the table is large: only where there is hope.
    if (before.underway === 0) {
      const after = now(port);
      if (after?.underway === 0 && [...after.peers].every((peer) => before.peers.has(peer))) return true;
    }
    await wait(4 * lookMs);
  }
  return false;
}
