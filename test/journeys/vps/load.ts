// Calls of every kind at once, none of which may fail: whole replies and streams, on a fresh connection for each call,
// on connections that are kept, and by the official client without a retry.

import { connect } from 'node:net';
import OpenAI from 'openai';

export interface LoadReport {
  readonly calls: number;
  readonly failures: readonly string[];
  /** Of whole replies, in milliseconds. */
  readonly slowestMs: number;
}

export interface Load {
  stop(): Promise<LoadReport>;
}

export interface LoadOptions {
  readonly url: string;
  readonly apiKey: string;
  /** Callers of each kind. */
  readonly each: number;
  /** Milliseconds between two calls of one caller. */
  readonly pauseMs: number;
}

const whole = { model: 'sim/echo', messages: [{ role: 'user' as const, content: 'Hello there' }] };
const streamed = {
  model: 'sim/echo',
  stream: true as const,
  messages: [{ role: 'user' as const, content: '[[sim: chunks=20 gap=60]] a stream' }],
};

export function startLoad({ url, apiKey, each, pauseMs }: LoadOptions): Load {
  let stopping = false;
  let calls = 0;
  let slowestMs = 0;
  const failures: string[] = [];
  const caller = async (kind: string, call: () => Promise<void>) => {
    while (!stopping) {
      const startedMs = performance.now();
      calls += 1;
      try {
        await call();
      } catch (error) {
        failures.push(`${kind}: ${error instanceof Error ? error.message : String(error)}`);
      }
      if (!kind.includes('stream')) slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      await Bun.sleep(pauseMs);
    }
  };
  const { hostname, port } = new URL(url);
  const place: Place = { host: hostname, port: Number(port), apiKey };
  const running: Promise<void>[] = [];
  for (let index = 0; index < each; index += 1) {
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
    const kept = keptConnection(place);
    running.push(
      caller('fresh', () => onFreshConnection(place, whole, '"usage"')),
      caller('fresh stream', () => onFreshConnection(place, streamed, '[DONE]')),
      caller('kept', () => kept.call(whole, '"usage"')),
      caller('openai', async () => {
        const reply = await client.chat.completions.create(whole);
        if (reply.usage === undefined) throw new Error('no usage');
      }),
      caller('openai stream', async () => {
        let finished = false;
        for await (const chunk of await client.chat.completions.create(streamed))
          finished ||= chunk.choices[0]?.finish_reason === 'stop';
        if (!finished) throw new Error('the stream did not finish');
      }),
    );
  }
  return {
    async stop() {
      stopping = true;
      await Promise.all(running);
      return { calls, failures, slowestMs: Math.round(slowestMs) };
    },
  };
}

interface Place {
  readonly host: string;
  readonly port: number;
  readonly apiKey: string;
}

function requestText({ host, port, apiKey }: Place, body: object, last: boolean): string {
  const text = JSON.stringify(body);
  return [
    'POST /v1/chat/completions HTTP/1.1', `host: ${host}:${port}`, `authorization: Bearer ${apiKey}`,
    'content-type: application/json', `content-length: ${Buffer.byteLength(text)}`, ...(last ? ['connection: close'] : []),
    '', text,
  ].join('\r\n');
}

function onFreshConnection(place: Place, body: object, ending: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let reply = '';
  const socket = connect(place.port, place.host, () => socket.write(requestText(place, body, true)));
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => (reply += text));
  socket.on('error', reject);
  socket.on('close', () => {
    if (reply.startsWith('HTTP/1.1 200') && reply.includes(ending)) resolve();
    else reject(new Error(`the connection closed after: ${reply.slice(0, 300)}`));
  });
  return promise;
}

/** One connection for many calls, as long as the server lets it: it is only left when a reply said so. */
function keptConnection(place: Place) {
  let socket: ReturnType<typeof connect> | undefined;
  return {
    call(body: object, ending: string): Promise<void> {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      let reply = '';
      const used = (socket ??= connect(place.port, place.host));
      const done = (failure?: Error) => {
        used.removeAllListeners();
        used.on('error', () => {});
        if (failure !== undefined || /\r\nconnection: close\r\n/i.test(reply)) {
          used.destroy();
          socket = undefined;
        }
        if (failure === undefined) resolve();
        else reject(failure);
      };
      used.on('data', (bytes: Buffer) => {
        reply += bytes.toString('utf8');
        const head = reply.indexOf('\r\n\r\n');
        const length = Number(/\r\ncontent-length: (\d+)/i.exec(reply)?.[1]);
        if (head < 0 || Buffer.byteLength(reply.slice(head + 4)) < length) return;
        done(reply.startsWith('HTTP/1.1 200') && reply.includes(ending) ? undefined : new Error(reply.slice(0, 300)));
      });
      used.on('error', (error) => done(error));
      used.on('close', () => done(new Error(`the kept connection was closed under the call, after: ${reply.slice(0, 200)}`)));
      used.write(requestText(place, body, false));
      return promise;
    },
  };
}
