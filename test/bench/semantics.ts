// What no figure shows: a client that leaves, clients that stop reading, a stream that is silent for a minute.

import type { Socket } from 'bun';
import { median } from './load.ts';
import { residentMb } from './process-figures.ts';
import type { Target, Upstream } from './targets.ts';

const CLIENTS = 20;

/** Streams whose reader the mock has seen leave. */
async function abortedStreams(upstream: Upstream): Promise<number> {
  const stats: unknown = await (await fetch(`${upstream.origin}/stats`)).json();
  if (typeof stats !== 'object' || stats === null || !('aborted' in stats)) throw new Error('the mock gives no stats');
  return Number(stats.aborted);
}

/** A streaming request sent by hand, so that its connection can be left or stopped. */
async function openStream(
  target: Target,
  script: string,
  onData: (socket: Socket, text: string) => void,
): Promise<Socket> {
  const url = new URL(target.url);
  const content = `[#semanticsnonce00:${script}] hi`;
  const body = `{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"${content}"}]}`;
  const head = [
    `POST ${url.pathname} HTTP/1.1`,
    `host: ${url.host}`,
    'content-type: application/json',
    ...target.headers,
  ];
  const socket = await Bun.connect({
    hostname: '127.0.0.1',
    port: Number(url.port),
    socket: { data: (one, bytes) => onData(one, bytes.toString('latin1')), close() {}, error() {} },
  });
  socket.write(`${head.join('\r\n')}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  return socket;
}

async function until(condition: () => boolean | Promise<boolean>, patienceMs: number): Promise<boolean> {
  const endAtMs = performance.now() + patienceMs;
  while (performance.now() < endAtMs) {
    if (await condition()) return true;
    await Bun.sleep(2);
  }
  return false;
}

export interface LeavingFigures {
  readonly clients: number;
  /** How many upstream connections were closed within two seconds. */
  readonly closed: number;
  readonly medianMs: number;
  readonly slowestMs: number;
}

/** Clients leave one after the other, mid-stream; each time the mock must see its reader go. */
export async function measureLeaving(target: Target, upstream: Upstream): Promise<LeavingFigures> {
  const delays: number[] = [];
  for (let at = 0; at < CLIENTS; at++) {
    let got = '';
    const socket = await openStream(target, 'c400-d20', (_socket, text) => (got += text));
    await until(() => got.includes(' tok2"'), 5_000);
    const aborted = await abortedStreams(upstream);
    const leftAtMs = performance.now();
    socket.terminate();
    const closed = await until(async () => (await abortedStreams(upstream)) > aborted, 2_000);
    if (closed) delays.push(performance.now() - leftAtMs);
  }
  return {
    clients: CLIENTS,
    closed: delays.length,
    medianMs: median(delays),
    slowestMs: Math.max(...delays),
  };
}

export interface StalledFigures {
  readonly beforeMb: number;
  readonly peakMb: number;
  readonly afterMb: number;
}

/** Clients that take the first bytes and no more, while the upstream could send 50 MB to each. */
export async function measureStalled(target: Target): Promise<StalledFigures> {
  const { pid } = target.child;
  const beforeMb = residentMb(pid);
  let peakMb = 0;
  const sockets: Socket[] = [];
  for (let at = 0; at < CLIENTS; at++)
    sockets.push(await openStream(target, 'c200000-d0-r200', (socket) => socket.pause()));
  for (let at = 0; at < 40; at++) {
    await Bun.sleep(100);
    peakMb = Math.max(peakMb, residentMb(pid));
  }
  for (const socket of sockets) socket.terminate();
  await Bun.sleep(1500);
  return { beforeMb, peakMb, afterMb: residentMb(pid) };
}

/** One chunk, then silence, then the end: true when all of it arrives. */
export async function measureSilence(target: Target, silenceMs: number): Promise<boolean> {
  let got = '';
  const socket = await openStream(target, `c1-d${silenceMs}`, (_socket, text) => (got += text));
  const served = await until(() => got.includes('data: [DONE]'), silenceMs + 5_000);
  socket.terminate();
  return served;
}
