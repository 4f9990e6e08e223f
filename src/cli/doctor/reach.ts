// What answers: the process that serves the data folder, and, only when asked for, the upstreams.

import type { ResolvedConfig } from '../../config/resolve.ts';
import { findRunning, type RunningGateway } from '../running-file.ts';
import { good, risky, wrong, type Finding } from './finding.ts';

const ANSWER_MAX_MS = 5_000;
const CLOCK_OFF_MAX_MS = 60_000;

/** Status of a reply, and how far its date is from our clock; or why there was none. */
export type Ask = (url: string) => Promise<{ readonly status: number; readonly offMs: number | undefined } | string>;

export async function runningFindings(
  running: RunningGateway | undefined,
  ask: Ask = asked,
): Promise<readonly Finding[]> {
  if (running === undefined) return [];
  const about = `process ${running.pid} at ${running.url}`;
  const answer = await ask(`${running.url}/readyz`);
  if (typeof answer === 'string') {
    const why = 'it holds the data folder, and clients are not served';
    return [wrong(about, `it does not answer (${answer})`, why, 'look at its log; stop it, then start it again')];
  }
  if (answer.status === 200) return [good(about, 'it serves, and can write its ledger')];
  const why = 'paid calls are refused: it is stopping, or the ledger cannot be written';
  return [wrong(about, `it is not ready (status ${answer.status})`, why, 'look at its log and at the disk')];
}

export async function upstreamFindings(resolved: ResolvedConfig, ask: Ask = asked): Promise<readonly Finding[]> {
  const real = resolved.upstreams.filter(({ provider }) => provider !== 'simulator');
  const found = await Promise.all(
    real.map(async ({ name, url }): Promise<readonly Finding[]> => {
      const about = `upstream ${name}`;
      const answer = await ask(url.origin);
      if (typeof answer === 'string') {
        const why = 'its models are not served';
        return [wrong(about, `${url.host} does not answer (${answer})`, why, 'check the address, the way out and DNS')];
      }
      const off = answer.offMs === undefined ? 0 : Math.abs(answer.offMs);
      if (off <= CLOCK_OFF_MAX_MS) return [good(about, `${url.host} answers`)];
      const what = `it is ${Math.round(off / 1_000)} seconds off, by the date of ${url.host}`;
      const why = 'records, prices in force and certificates go by it';
      return [good(about, `${url.host} answers`), risky('clock', what, why, "'timedatectl set-ntp true'")];
    }),
  );
  return found.flat();
}

/** `doctor --health`, for a container: whether the process of that folder lives. */
export async function isHealthy(dataFolder: string, ask: Ask = asked): Promise<boolean> {
  const running = findRunning(dataFolder);
  if (running === undefined) return false;
  const answer = await ask(`${running.url}/healthz`);
  return typeof answer !== 'string' && answer.status === 200;
}

const asked: Ask = async (url) => {
  try {
    const reply = await fetch(reachable(url), {
      redirect: 'manual',
      proxy: false,
      signal: AbortSignal.timeout(ANSWER_MAX_MS),
      // Its own certificate carries the public name, not this machine's address.
      ...(isOwn(url) ? { tls: { rejectUnauthorized: false } } : {}),
    });
    await reply.body?.cancel();
    const date = Date.parse(reply.headers.get('date') ?? '');
    return { status: reply.status, offMs: Number.isNaN(date) ? undefined : date - Date.now() };
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'no answer';
  }
};

const isOwn = (url: string): boolean => ['127.0.0.1', '[::1]', '0.0.0.0', '[::]'].includes(new URL(url).hostname);

/** A process that listens on every address is asked on this machine's own. */
const reachable = (url: string): string => url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:');
