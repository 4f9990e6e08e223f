// Faults below HTTP's meaning: connections that die, stall, drip or carry what they should not. U2 to U7,
// U12, U26, U28, U30.

import type { Answer } from '../answer.ts';
import { close, finish, hang, reset, wait, write } from '../script.ts';
import type { Script } from '../script.ts';
import {
  chunk,
  chunked,
  closedReply,
  doneEvent,
  head,
  jsonType,
  lastChunk,
  streamHeaders,
  streamReply,
  streamStart,
  withLength,
} from '../wire.ts';
import { allFrames, eventsToMiddle, honestEvents, honestReply } from './fault.ts';
import type { Fault, FaultScript } from './fault.ts';

/**
 * Lets bytes that were written reach the client before the connection is reset: a reset overtakes what is
 * unread.
 */
const beforeResetMs = 30;
const dripGapMs = 1_000;
const usualDelayMs = 50;
const brownOutFactor = 20;

const eventStreamType = [
  ['content-type', 'text/event-stream; charset=utf-8'],
  ['cache-control', 'no-cache'],
] as const;

function half(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, Math.ceil(bytes.length / 2));
}

/** Head and the first half of a JSON body whose whole length was announced. */
function* halfBody(answer: Answer): Script {
  const body = Buffer.from(answer.body());
  yield write(head(200, withLength(jsonType, body.length)));
  yield write(half(body));
}

function* resetAfter(script: Script): Script {
  yield* script;
  yield wait(beforeResetMs);
  yield reset;
}

function* hangAfter(script: Script): Script {
  yield* script;
  yield hang;
}

function* writes(...contents: readonly (string | Uint8Array)[]): Script {
  for (const content of contents) yield write(content);
}

const resetMidFrame: FaultScript = ({ answer }) => {
  if (!answer.stream) return resetAfter(halfBody(answer));
  const events = eventsToMiddle(answer);
  const next = Buffer.from(answer.form.event(answer.contentFrame(' and then')));
  // The chunk announces the whole event and carries half of it.
  const cut = half(next);
  return resetAfter(
    (function* () {
      yield* streamStart(events, answer.timing);
      yield write(Buffer.concat([Buffer.from(`${next.length.toString(16)}\r\n`), cut]));
    })(),
  );
};

const resetAfterUsage: FaultScript = ({ answer }) =>
  answer.stream
    ? resetAfter(
        streamStart(
          allFrames(answer).map(({ json }) => answer.form.event(json)),
          answer.timing,
        ),
      )
    : resetAfter(halfBody(answer));

/** A body that only the end of the connection delimits, ended too early and cleanly. */
const finMidStream: FaultScript = ({ answer }) =>
  answer.stream
    ? closedReply(eventStreamType, eventsToMiddle(answer))
    : closedReply(jsonType, [half(Buffer.from(answer.body()))]);

const finAfter =
  (kinds: readonly string[]): FaultScript =>
  ({ answer }) =>
    answer.stream
      ? closedReply(
          eventStreamType,
          allFrames(answer)
            .filter(({ kind }) => kinds.includes(kind))
            .map(({ json }) => answer.form.event(json)),
        )
      : closedReply(jsonType, [answer.body()]);

function* bodyChunks(answer: Answer): Script {
  if (answer.stream) yield* streamStart(honestEvents(answer), answer.timing);
  else yield* writes(head(200, [...jsonType, ...chunked]), chunk(answer.body()));
}

function* closeAfter(script: Script): Script {
  yield* script;
  yield close;
}

const noLastChunkMidStream: FaultScript = ({ answer }) =>
  answer.stream ? closeAfter(streamStart(eventsToMiddle(answer), answer.timing)) : closeAfter(bodyChunks(answer));

/**
 * Both framings at once, the length too long, then FIN: a reader that believes the length waits, or takes it
 * for whole.
 */
const lengthAndChunks: FaultScript = ({ answer }) => {
  const content = answer.stream ? [...honestEvents(answer)].join('') : answer.body();
  const headers = answer.stream ? streamHeaders : [...jsonType, ...chunked];
  return closeAfter(writes(head(200, [...headers, ['content-length', '1048576']]), chunk(content)));
};

const shortLength: FaultScript = ({ answer }) => {
  const content = Buffer.from(answer.stream ? [...honestEvents(answer)].join('') : answer.body());
  const headers = answer.stream ? eventStreamType : jsonType;
  return closeAfter(writes(head(200, withLength(headers, content.length + 100)), content));
};

function* bytewise(answer: Answer, gapMs: number): Script {
  const content = answer.stream
    ? Buffer.concat(
        [head(200, streamHeaders), ...[...honestEvents(answer)].map((each) => chunk(each)), lastChunk].map(toBytes),
      )
    : Buffer.from(head(200, withLength(jsonType, Buffer.byteLength(answer.body()))) + answer.body());
  for (let at = 0; at < content.length; at++) {
    yield write(content.subarray(at, at + 1));
    if (gapMs > 0) yield wait(gapMs);
  }
  yield finish;
}

function toBytes(content: string | Uint8Array): Uint8Array {
  return typeof content === 'string' ? Buffer.from(content) : content;
}

const drip: FaultScript = ({ answer }) => {
  const gapMs = answer.timing.gapMs || dripGapMs;
  return answer.stream ? streamReply(honestEvents(answer), { ...answer.timing, gapMs }) : slowBody(answer, gapMs);
};

function* slowBody(answer: Answer, gapMs: number): Script {
  const body = Buffer.from(answer.body());
  const step = Math.ceil(body.length / 10);
  yield write(head(200, withLength(jsonType, body.length)));
  for (let at = 0; at < body.length; at += step) {
    yield wait(gapMs);
    yield write(body.subarray(at, at + step));
  }
  yield finish;
}

/** More bytes than the framing allows, on a connection that stays open. */
const extraBytes =
  (extra: string): FaultScript =>
  ({ answer }) =>
    (function* () {
      if (answer.stream) {
        yield* streamStart(honestEvents(answer), answer.timing);
        yield write(lastChunk + extra);
      } else {
        const body = Buffer.from(answer.body());
        yield write(
          Buffer.concat([Buffer.from(head(200, withLength(jsonType, body.length))), body, Buffer.from(extra)]),
        );
      }
      yield finish;
    })();

const forgedBody =
  '{"id":"forged","object":"chat.completion","created":1,"model":"forged","choices":[{"index":0,' +
  '"message":{"role":"assistant","content":"forged"},"finish_reason":"stop"}],' +
  '"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}';
const forgedReply = head(200, withLength(jsonType, forgedBody.length)) + forgedBody;

export const transportFaults: readonly Fault[] = [
  {
    number: 2,
    title: 'reset before headers',
    usual: 'reset',
    variants: {
      reset: () =>
        (function* () {
          yield reset;
        })(),
      fin: () =>
        (function* () {
          yield close;
        })(),
      head: () => resetAfter(writes('HTTP/1.1 200 OK\r\ncontent-ty')),
    },
  },
  {
    number: 3,
    title: 'accept, then silence',
    usual: 'silence',
    variants: {
      silence: () =>
        (function* () {
          yield hang;
        })(),
    },
  },
  {
    number: 4,
    title: 'headers, then silence',
    usual: 'headers',
    variants: {
      headers: ({ answer }) =>
        answer.stream
          ? hangAfter(writes(head(200, streamHeaders)))
          : hangAfter(writes(head(200, withLength(jsonType, Buffer.byteLength(answer.body()))))),
      content: ({ answer }) =>
        answer.stream ? hangAfter(streamStart(eventsToMiddle(answer), answer.timing)) : hangAfter(halfBody(answer)),
      done: ({ answer }) => hangAfter(bodyChunks(answer)),
    },
  },
  {
    number: 5,
    title: 'reset mid-frame',
    usual: 'frame',
    variants: { frame: resetMidFrame, usage: resetAfterUsage },
  },
  {
    number: 6,
    title: 'clean end mid-stream, no terminal event',
    usual: 'content',
    variants: {
      content: finMidStream,
      finish: finAfter(['open', 'content', 'finish']),
      usage: finAfter(['open', 'content', 'finish', 'usage']),
      empty: ({ answer }) => closedReply(answer.stream ? eventStreamType : jsonType, []),
    },
  },
  {
    number: 7,
    title: 'missing last chunk, wrong length',
    usual: 'content',
    variants: {
      content: noLastChunkMidStream,
      done: ({ answer }) => closeAfter(bodyChunks(answer)),
      short: shortLength,
      both: lengthAndChunks,
    },
  },
  {
    number: 12,
    title: 'one byte per write',
    usual: 'byte',
    variants: { byte: ({ answer }) => bytewise(answer, 0) },
  },
  {
    number: 26,
    title: 'slow drip within the idle limit',
    usual: 'event',
    variants: { event: drip, byte: ({ answer }) => bytewise(answer, answer.timing.gapMs || dripGapMs) },
  },
  {
    number: 28,
    title: 'brown-out: twenty times the usual delay',
    usual: 'slow',
    variants: {
      slow: ({ answer }) =>
        (function* () {
          yield wait((answer.timing.delayMs || usualDelayMs) * brownOutFactor);
          yield* honestReply(answer);
        })(),
    },
  },
  {
    number: 30,
    title: 'bytes after the body on a kept connection',
    usual: 'response',
    variants: {
      response: extraBytes(forgedReply),
      garbage: extraBytes('\u0000\u0001garbage'),
      done: extraBytes(doneEvent),
    },
  },
];
