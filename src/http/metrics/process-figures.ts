// What the process itself takes: read from the system when it is asked for. How late the event loop runs is sampled by
// a timer, which stands only while somebody keeps asking.

import { readdirSync } from 'node:fs';
import type { Clock } from '../../core/clock.ts';
import { Histogram } from '../../domain/measures/histogram.ts';

export interface ProcessFigures {
  /** All threads, user and system. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly heapBytes: number;
  /** Undefined where the system does not say. */
  readonly openFiles: number | undefined;
  readonly loopLag: Histogram;
}

export interface ProcessWatch {
  read(): ProcessFigures;
  stop(): void;
}

const SAMPLE_EVERY_MS = 250;
const UNASKED_MAX_MS = 300_000;
const lagBounds: readonly number[] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

export function watchProcess(clock: Pick<Clock, 'monotonicMs'>): ProcessWatch {
  const loopLag = new Histogram(lagBounds);
  let timer: ReturnType<typeof setInterval> | undefined;
  let dueMs = 0;
  let askedMs = 0;
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
  };
  const sample = () => {
    const nowMs = clock.monotonicMs();
    loopLag.observe(Math.max(0, nowMs - dueMs) / 1000);
    dueMs = nowMs + SAMPLE_EVERY_MS;
    if (nowMs - askedMs > UNASKED_MAX_MS) stop();
  };
  return {
    stop,
    read() {
      askedMs = clock.monotonicMs();
      if (timer === undefined) {
        dueMs = askedMs + SAMPLE_EVERY_MS;
        timer = setInterval(sample, SAMPLE_EVERY_MS);
        timer.unref();
      }
      const cpu = process.cpuUsage();
      const { rss, heapUsed } = process.memoryUsage();
      return {
        cpuSeconds: (cpu.user + cpu.system) / 1e6,
        residentBytes: rss,
        heapBytes: heapUsed,
        openFiles: openFiles(),
        loopLag,
      };
    },
  };
}

function openFiles(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return undefined;
  }
}
