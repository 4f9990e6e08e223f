// The log as a file that needs no care: it is renamed to FILE.1 when it is full, the oldest goes, and when somebody
// else renames it (logrotate) a new one is begun. Requests never wait for it: lines are kept for a moment and written
// by the system's threads; what the disk does not take is dropped and counted, and that is said once it takes lines.

import { close, closeSync, fstatSync, open, openSync, renameSync, rmSync, stat, write, writeSync } from 'node:fs';

export interface LogFileOptions {
  readonly path: string;
  /** Size from which on the file is put aside. */
  readonly bytesMax: number;
  /** Files put aside that are kept: FILE.1 is the newest. */
  readonly kept?: number;
  /** For tests. */
  readonly flushEveryMs?: number;
}

export interface LogFile {
  write(line: string): void;
  /** Resolves when all lines so far were written or dropped. */
  flushed(): Promise<void>;
  /** Writes what is left, at once. To be called when the process ends. */
  end(): void;
}

const KEPT = 5;
const FLUSH_EVERY_MS = 200;
/** Lines that wait for the disk, in characters; more are dropped. */
const WAITING_MAX = 4 * 1024 * 1024;

/** Throws what opening the file throws. */
export function openLogFile(options: LogFileOptions): LogFile {
  const { path, bytesMax, kept = KEPT, flushEveryMs = FLUSH_EVERY_MS } = options;
  let file: number | undefined = openSync(path, 'a', 0o600);
  let lines: string[] = [];
  let waiting = 0;
  let dropped = 0;
  /** The disk took part of a line and no more. */
  let torn = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let flushing: Promise<void> | undefined;

  const taken = (): Buffer => {
    const text = lines.join('');
    lines = [];
    waiting = 0;
    return Buffer.from(text);
  };

  /** What is written next goes where the path leads now, and to a file that is not full. */
  const current = async (): Promise<number> => {
    const there = await statOf(path);
    if (file !== undefined) {
      const { ino, dev, size } = fstatSync(file);
      if (there?.ino === ino && there.dev === dev && size < bytesMax) return file;
      if (there?.ino === ino && there.dev === dev) putAside(path, kept);
      const full = file;
      file = undefined;
      close(full, () => {});
    }
    file = await opened(path);
    return file;
  };

  const flush = async (): Promise<void> => {
    while (lines.length > 0) {
      const count = lines.length;
      const lost = dropped;
      if (lost > 0) lines.unshift(`${torn ? '\n' : ''}${droppedLine(lost)}`);
      const bytes = taken();
      try {
        await writtenWhole(await current(), bytes, (some) => (torn = some));
        dropped -= lost;
        torn = false;
      } catch {
        dropped += count;
        return;
      }
    }
  };

  const start = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    flushing ??= flush().finally(() => (flushing = undefined));
    return flushing;
  };

  return {
    write(line) {
      if (waiting + line.length > WAITING_MAX) {
        dropped += 1;
        return;
      }
      lines.push(line);
      waiting += line.length;
      timer ??= setTimeout(start, flushEveryMs);
      timer.unref();
    },
    async flushed() {
      await flushing;
      await start();
    },
    end() {
      clearTimeout(timer);
      if (file === undefined || lines.length === 0) return;
      try {
        writeSync(file, taken());
        closeSync(file);
      } catch {
        // The disk takes nothing, and nobody is left to be told.
      }
      file = undefined;
    },
  };
}

const droppedLine = (count: number): string =>
  `${JSON.stringify({ at: new Date().toISOString(), level: 'warn', event: 'log-lines-dropped', lines: count })}\n`;

/** Done at once, so that two processes on one log do not meet in the middle. */
function putAside(path: string, kept: number): void {
  rmSync(`${path}.${kept}`, { force: true });
  for (let number = kept - 1; number >= 1; number -= 1) moved(`${path}.${number}`, `${path}.${number + 1}`);
  moved(path, `${path}.1`);
}

function moved(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch {
    // There is none with this number yet.
  }
}

function statOf(path: string): Promise<{ readonly ino: number; readonly dev: number } | undefined> {
  return new Promise((resolve) => stat(path, (error, found) => resolve(error === null ? found : undefined)));
}

function opened(path: string): Promise<number> {
  return new Promise((resolve, reject) =>
    open(path, 'a', 0o600, (error, file) => (error === null ? resolve(file) : reject(error))),
  );
}

function writtenWhole(file: number, bytes: Buffer, partly: (some: boolean) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const from = (offset: number) =>
      write(file, bytes, offset, bytes.length - offset, null, (error, written) => {
        if (offset + written > 0) partly(true);
        if (error !== null) reject(error);
        else if (offset + written >= bytes.length) resolve();
        else if (written === 0) reject(new Error('the disk takes nothing'));
        else from(offset + written);
      });
    from(0);
  });
}
