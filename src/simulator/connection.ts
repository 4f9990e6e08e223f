// Plays scripts on a socket. A reader that stalls is waited for: no step is asked of the script before the
// socket has taken all of the last one, so memory does not grow with what a client does not read.

import type { Socket } from 'bun';
import { createRequestReader } from './request-reader.ts';
import type { RequestReader, SimulatorRequest } from './request-reader.ts';
import { close } from './script.ts';
import type { Script, Step } from './script.ts';
import { jsonReply, errorBody } from './wire.ts';
import type { TimerWheel, WheelEntry } from './timer-wheel.ts';

/** Bytes that a client may send ahead of its turn before its connection is no longer read. */
const pipelinedBytesMax = 1024 * 1024;

/** What happened so far; served by `GET /healthz`. */
export interface SimulatorCounters {
  /** Complete requests read. */
  requests: number;
  /** Requests that asked for a stream. */
  streams: number;
  /** Replies running now. */
  open: number;
  /** Replies that came to the end of their script. */
  finished: number;
  /** Replies whose client left before their end. */
  aborted: number;
  /** Connections open now. */
  connections: number;
  /** Exceptions inside the simulator itself. */
  defects: number;
}

export interface ConnectionHost {
  readonly wheel: TimerWheel;
  readonly counters: SimulatorCounters;
  answer(request: SimulatorRequest): Script;
  /** Told of an exception inside the simulator itself; the connection is reset. */
  reportDefect(error: unknown): void;
}

/** One client connection. */
export interface Connection {
  opened(socket: Socket<Connection>): void;
  received(chunk: Uint8Array): void;
  drained(): void;
  closed(): void;
  terminate(): void;
}

/**
 * Runs callbacks in the next turn of the event loop, all in one batch, so that each write is a packet of its
 * own.
 */
export function createTurns(): (task: () => void) => void {
  let tasks: (() => void)[] = [];
  return (task) => {
    tasks.push(task);
    if (tasks.length > 1) return;
    setImmediate(() => {
      const batch = tasks;
      tasks = [];
      for (const each of batch) each();
    });
  };
}

export function createConnection(host: ConnectionHost, nextTurn: (task: () => void) => void): Connection {
  const { counters, wheel } = host;
  const reader: RequestReader = createRequestReader();
  let socket: Socket<Connection> | undefined;
  let script: Script | undefined;
  let unsent: Uint8Array | undefined;
  let heldStep: Step | undefined;
  let timer: WheelEntry | undefined;
  let keepAlive = true;
  let paused = false;

  /** True once the socket has taken all of it. */
  function send(bytes: Uint8Array): boolean {
    const taken = socket?.write(bytes) ?? -1;
    if (taken < 0) return false; // closed: the close handler follows
    if (taken === bytes.length) return true;
    unsent = bytes.subarray(taken);
    return false;
  }

  function endReply(counter: 'finished' | 'aborted' | 'defects'): void {
    if (counter === 'defects') counters.defects++;
    if (!script) return;
    script = undefined;
    heldStep = undefined;
    counters.open--;
    if (counter !== 'defects') counters[counter]++;
  }

  function nextStep(): Step {
    const { value, done } = script?.next() ?? { value: undefined, done: true };
    return done || !value ? close : value;
  }

  function performEnd(step: Step): void {
    endReply('finished');
    if (step.kind === 'reset') socket?.terminate();
    else if (step.kind === 'close' || !keepAlive) socket?.end();
    else readOn();
  }

  function advance(): void {
    timer = undefined;
    for (let written = false; script && socket && !unsent;) {
      const step = heldStep ?? nextStep();
      heldStep = undefined;
      switch (step.kind) {
        case 'write':
          if (written) {
            heldStep = step;
            return nextTurn(resume);
          }
          written = true;
          if (!send(step.bytes)) return;
          break;
        case 'wait':
          timer = wheel.after(step.ms, resume);
          return;
        case 'hang':
          return;
        case 'finish':
        case 'close':
        case 'reset':
          return performEnd(step);
      }
    }
  }

  function resume(): void {
    try {
      advance();
    } catch (error) {
      fail(error);
    }
  }

  function fail(error: unknown): void {
    endReply('defects');
    host.reportDefect(error);
    socket?.terminate();
  }

  function begin(reply: Script): void {
    script = reply;
    counters.open++;
    resume();
  }

  function start(request: SimulatorRequest): void {
    counters.requests++;
    keepAlive = request.keepAlive;
    try {
      begin(host.answer(request));
    } catch (error) {
      fail(error);
    }
  }

  function readOn(): void {
    if (paused) {
      paused = false;
      socket?.resume();
    }
    while (!script && socket) {
      const read = reader.next();
      if (read.kind === 'more') return;
      if (read.kind === 'request') start(read.request);
      else if (read.kind === 'continue') send(Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'));
      else {
        keepAlive = false;
        return begin(jsonReply(read.status, errorBody(read.message, 'invalid_request_error', 'malformed_request')));
      }
    }
  }

  return {
    opened(opened) {
      socket = opened;
      opened.setNoDelay(true);
      counters.connections++;
    },
    received(chunk) {
      reader.push(chunk);
      if (!script) return readOn();
      if (reader.buffered > pipelinedBytesMax && !paused) {
        paused = true;
        socket?.pause();
      }
    },
    drained() {
      if (!unsent) return;
      const rest = unsent;
      unsent = undefined;
      if (send(rest)) resume();
    },
    closed() {
      if (!socket) return;
      socket = undefined;
      unsent = undefined;
      counters.connections--;
      if (timer) wheel.cancel(timer);
      endReply('aborted');
    },
    terminate() {
      socket?.terminate();
    },
  };
}
