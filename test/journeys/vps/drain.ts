// A stop under many open streams: none new, each that runs ends by itself in time or well-formed after it, each is
// settled, and the process leaves with 0.

import { chatRequest, talk } from './talk.ts';

export interface DrainOptions {
  readonly url: string;
  readonly apiKey: string;
  /** Half of them end in time, half would go on for minutes. */
  readonly streams: number;
  /** Sends the signal. */
  readonly stop: () => void;
}

export interface DrainReport {
  /** Streams by their end: `done`, `shutting_down`, or what else the client saw. */
  readonly ends: Readonly<Record<string, number>>;
  /** Status of a new call on a connection that was open, its retry hint, and whether the connection was to end. */
  readonly newCall: { readonly status: number; readonly retryAfter: string | undefined; readonly closes: boolean };
  readonly readyStatus: number;
}

/** Streams that are short enough for the time that `stop` leaves, which is to be 3 seconds or more. */
const SHORT = '[[sim: chunks=30 gap=60]] x';
const LONG = '[[sim: chunks=5000 gap=60]] x';

export async function drainStreams({ url, apiKey, streams, stop }: DrainOptions): Promise<DrainReport> {
  const { hostname, port } = new URL(url);
  const place = { host: hostname, port: Number(port) };
  const chat = (content: string, stream: boolean) =>
    chatRequest({ host: hostname, apiKey }, { model: 'sim/echo', stream, messages: [{ role: 'user', content }] });
  const idle = talk(place);
  idle.say(chat('first', false));
  await idle.until((heard) => heard.includes('"usage"'));
  const running = Array.from({ length: streams }, (_, index) => {
    const client = talk(place);
    client.say(chat(index % 2 === 0 ? SHORT : LONG, true));
    return client;
  });
  await Promise.all(running.map((client) => client.until((heard) => heard.includes('data: '))));
  stop();
  // The signal needs a moment to be seen; from then on the answer must be no, while the streams run.
  let readyStatus = 200;
  for (const untilMs = performance.now() + 2_000; readyStatus === 200 && performance.now() < untilMs; )
    readyStatus = (await fetch(`${url}/readyz`)).status;
  idle.forget();
  idle.say(chat('second', false));
  const refusal = await idle.until((heard) => heard.includes('}'));
  const ends: Record<string, number> = {};
  const bodies = await Promise.all(running.map((client) => client.until((heard) => endOf(heard) !== undefined)));
  for (const heard of bodies) {
    const end = endOf(heard) ?? `cut: ${heard.slice(-80)}`;
    ends[end] = (ends[end] ?? 0) + 1;
  }
  return {
    ends,
    readyStatus,
    newCall: {
      status: Number(/^HTTP\/1.1 (\d+)/.exec(refusal)?.[1]),
      retryAfter: /\r\nretry-after: (\S+)/i.exec(refusal)?.[1],
      closes: /\r\nconnection: close\r\n/i.test(refusal),
    },
  };
}

/** How a stream ended, as its bytes say: the terminal chunk of the framing must be there in either case. */
function endOf(heard: string): string | undefined {
  if (!heard.endsWith('0\r\n\r\n')) return undefined;
  if (heard.includes('data: [DONE]')) return 'done';
  return /"code":"([a-z_]+)"/.exec(heard)?.[1];
}
