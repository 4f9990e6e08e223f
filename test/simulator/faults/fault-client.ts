// What the fault tests share: a simulator with faults, a request, and readers of what came.

import { afterAll, expect, setDefaultTimeout } from 'bun:test';
import { startSimulator } from '../../../src/simulator/server.ts';
import type { Simulator } from '../../../src/simulator/server.ts';
import type { RawReply } from '../raw-client.ts';
import { dechunk, exchange, isWhole, requestText } from '../raw-client.ts';

/** The wall clock of every simulator here. */
export const wallMs = Date.UTC(2026, 10, 22, 4, 15);
export const content = 'alpha beta gamma delta';
export const honestPieces = 4;

/** A deadline for a machine that is busy with other things; every wait inside has its own. */
setDefaultTimeout(60_000);

export function request(model: string, stream: boolean, text = content): string {
  return requestText('/v1/chat/completions', {
    model,
    messages: [{ role: 'user', content: text }],
    ...(stream ? { stream, stream_options: { include_usage: true } } : {}),
  });
}

/** The payloads of a stream's `data:` lines, read as a lenient client would. */
export function payloads(body: Buffer | string): readonly string[] {
  return body
    .toString()
    .split(/\r\n|\n|\r/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).trimStart());
}

export interface Usage {
  readonly prompt_tokens: unknown;
  readonly completion_tokens: unknown;
  readonly total_tokens: unknown;
  readonly prompt_tokens_details?: { readonly cached_tokens: unknown };
  readonly completion_tokens_details?: { readonly reasoning_tokens: unknown };
}
export interface Parsed {
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string; readonly tool_calls?: readonly unknown[] };
    readonly message?: { readonly content?: string };
  }[];
  readonly usage?: Usage | null;
  readonly error?: { readonly code: unknown; readonly type: unknown };
}
export const parse = (text: string): Parsed => JSON.parse(text) as Parsed;

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

export const piecesIn = (events: readonly string[]): number =>
  events.filter((each) => isJson(each) && (parse(each)?.choices?.[0]?.delta?.content ?? '') !== '').length;

export interface FaultClient {
  readonly simulator: Simulator;
  readonly port: number;
  /** The reply until the connection ends; for replies that leave it open, until they are whole. */
  observe(model: string, stream: boolean, text?: string): Promise<RawReply>;
  /** The body of a whole stream. */
  streamed(model: string, text?: string): Promise<string>;
  /** The body of a whole reply that is not streamed. */
  plain(model: string): Promise<string>;
}

/** A simulator for the tests of one file; closed after them, and checked for defects. */
export function openFaultClient(): FaultClient {
  const simulator = startSimulator({
    faults: true,
    clock: { now: () => wallMs, monotonicMs: () => performance.now() },
  });
  afterAll(() => {
    expect(simulator.counters().defects).toBe(0);
    simulator.close();
  });
  const { port } = simulator;

  async function observe(model: string, stream: boolean, text?: string): Promise<RawReply> {
    const open = exchange(port, request(model, stream, text));
    const reply = await open.until(isWhole);
    open.socket.destroy();
    return reply;
  }

  async function streamed(model: string, text?: string): Promise<string> {
    const reply = await observe(model, true, text);
    const { body, whole } = dechunk(reply.rest);
    expect([model, reply.status, whole]).toEqual([model, 200, true]);
    return body.toString();
  }

  async function plain(model: string): Promise<string> {
    const reply = await observe(model, false);
    expect([model, reply.status]).toEqual([model, 200]);
    return reply.headers.has('transfer-encoding') ? dechunk(reply.rest).body.toString() : reply.rest.toString();
  }

  return { simulator, port, observe, streamed, plain };
}
