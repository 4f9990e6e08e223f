// Every recorded reply of the four chat protocols, replayed as the upstream, and read by the official SDK of each:
// through its own protocol the client gets the recording's bytes; through every other, what its SDK reads is what the
// recording's own SDK reads. Charges are the price times the parts.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { field, haveRecordings, type TestGateway } from '../support/gateway.ts';
import { rates, replays, startReplayGateway } from './crossed/replay-gateway.ts';
import type { Replay } from './crossed/replay-gateway.ts';
import { chatProtocols, readWith } from './crossed/read-with-sdk.ts';
import type { ChatProtocol, ReplyRead } from './crossed/read-with-sdk.ts';

setDefaultTimeout(60_000);

/** Recorded as one JSON array, which Gemini sends to those who do not ask for events: no SDK, and no translation. */
const isArray = ({ response }: Replay): boolean => response.toString().trimStart().startsWith('[');

const all = haveRecordings ? replays().filter((replay) => replay.status === 200) : [];

const paths: Readonly<Record<ChatProtocol, string>> = {
  'openai-chat': '/v1/chat/completions',
  'openai-responses': '/v1/responses',
  'anthropic-messages': '/v1/messages',
  'gemini-generate': '/v1beta/models/MODEL:VERB',
};
const hello = [{ role: 'user', content: 'Hello' }];
const bodies: Readonly<Record<ChatProtocol, object>> = {
  'openai-chat': { messages: hello },
  'openai-responses': { input: 'Hello' },
  'anthropic-messages': { messages: hello, max_tokens: 1_000 },
  'gemini-generate': { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] },
};

const numberIn = (value: unknown, ...path: readonly string[]): number => Number(field(value, ...path) ?? 0);

/** The usage by the folder's one rule, with what was billed outside the top level. */
function usageOf({ expected }: Replay, own: ReplyRead): ReplyRead['usage'] {
  if (expected === undefined || field(expected, 'input_total') === undefined) return own.usage;
  // A declined attempt before a fallback is listed and not billed; compactions and advisors are billed.
  const all = JSON.stringify(expected).includes('fallback_message') ? 'none' : 'sum_of_iterations';
  const input = numberIn(expected, all, 'input') || numberIn(expected, 'input_total');
  const output = numberIn(expected, all, 'output') || numberIn(expected, 'output_total');
  // Some state more cached tokens than there were.
  return { input, cached: Math.min(numberIn(expected, 'cached_read'), input), output };
}

/** What a client of that protocol is to read: all that the recording says, in the words that the protocol has. */
function expectedAs(protocol: ChatProtocol, replay: Replay, own: ReplyRead): ReplyRead {
  const stated = usageOf(replay, own);
  // Anthropic's clients are always told a usage, and where nobody knows it, zeros.
  const usage = stated ?? (protocol === 'anthropic-messages' ? { input: 0, cached: 0, output: 0 } : undefined);
  const stop = own.stop === 'paused' ? 'length' : own.stop;
  // Only OpenAI's two have a place for a refusal's words beside the text.
  const merged = protocol === 'anthropic-messages' || protocol === 'gemini-generate';
  return merged ? { ...own, usage, stop, text: own.text + own.refusal, refusal: '' } : { ...own, usage, stop };
}

test.skipIf(!haveRecordings)('every protocol has recordings (skipped without recordings)', () => {
  expect(all.some(isArray)).toBe(true);
  expect(Object.keys(paths).filter((protocol) => !all.some((replay) => replay.protocol === protocol))).toEqual([]);
});

describe.skipIf(!haveRecordings)('recordings read across protocols (skipped without recordings)', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startReplayGateway(all);
  });
  afterAll(() => gateway.stop());

  const read = (protocol: ChatProtocol, replay: Replay): Promise<ReplyRead> =>
    readWith(protocol, {
      url: gateway.url,
      apiKey: gateway.apiKey,
      model: `replay-${replay.id}`,
      stream: replay.stream,
    });

  /** What the SDK read, or the words of the error that it threw. */
  const outcome = (protocol: ChatProtocol, replay: Replay): Promise<ReplyRead | string> =>
    read(protocol, replay).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));

  /** A call in the recording's own protocol, without any SDK. */
  async function call(replay: Replay) {
    const { id, protocol, stream } = replay;
    const streamed = isArray(replay) ? 'streamGenerateContent' : 'streamGenerateContent?alt=sse';
    const verb = stream || isArray(replay) ? streamed : 'generateContent';
    const path = paths[protocol].replace('MODEL', `replay-${id}`).replace('VERB', verb);
    const asked = { ...bodies[protocol], ...(protocol === 'gemini-generate' ? {} : { model: `replay-${id}`, stream }) };
    const response = await fetch(`${gateway.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(asked),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const record = await gateway.admin('GET', `/usage/${response.headers.get('x-request-id') ?? 'none'}`);
    return { status: response.status, bytes, record: record.body };
  }

  for (const replay of all) {
    if (replay.protocol === 'openai-chat') continue;
    test(`${replay.id} of ${replay.provider}: the client of ${replay.protocol} gets its bytes, and is charged exactly`, async () => {
      const { status, bytes, record } = await call(replay);
      const text = replay.response.toString('latin1');
      const failed =
        replay.stream && /^event: error$|"type": ?"(?:error|response\.failed)"|^data: \{ ?"error"/m.test(text);
      expect([status, bytes.toString('latin1')]).toEqual([200, text]);
      const usage = field(record, 'usage');
      const part = (name: keyof typeof rates): bigint => BigInt(numberIn(usage, name));
      const pico = Object.entries(rates).reduce((sum, [name, rate]) => sum + BigInt(numberIn(usage, name)) * rate, 0n);
      const reported = field(record, 'usageSource') === 'upstream';
      // A response that only waits in the vendor's queue has said nothing yet.
      const empty = text.includes('"status":"queued"') || text.includes('"status": "queued"');
      const outcome = failed ? 'broken-off' : empty && !reported ? 'empty' : 'finished';
      expect(record).toMatchObject({ outcome, lossNano: '0' });
      expect(field(record, 'chargeNano')).toBe(
        outcome !== 'finished' && !reported ? '0' : ((pico + 999n) / 1000n).toString(),
      );
      const expected = usageOf(replay, {
        text: '',
        thinking: '',
        refusal: '',
        tools: [],
        stop: 'end',
        usage: undefined,
      });
      if (expected === undefined || !reported) return;
      const input = part('input') + part('cacheRead') + part('cacheWrite5m') + part('cacheWrite1h');
      expect([Number(input), Number(part('output') + part('reasoning'))]).toEqual([expected.input, expected.output]);
    });
  }

  for (const replay of all) {
    for (const protocol of chatProtocols) {
      if (protocol === replay.protocol || isArray(replay)) continue;
      test(`${replay.id} of ${replay.provider}: ${replay.protocol} read as ${protocol}`, async () => {
        const own = await outcome(replay.protocol, replay);
        const crossed = await outcome(protocol, replay);
        if (typeof own === 'string') expect(crossed).toContain(own);
        else expect(crossed).toEqual(expectedAs(protocol, replay, own));
      });
    }
  }
});
