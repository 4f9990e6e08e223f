// The relay by itself: what comes before the client's side is attached, when the upstream is resumed and let go, and
// what ends a stream. Time stands still unless a test moves it.

import { beforeEach, describe, expect, test } from 'bun:test';
import type { Outcome } from '../../src/domain/ledger/records.ts';
import { StreamRelay } from '../../src/pipeline/stream-relay.ts';
import { protocolOf } from '../../src/protocols/protocols.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const event = (content: string) =>
  encode(`data: {"choices":[{"index":0,"delta":{"content":${JSON.stringify(content)}}}]}\n\n`);
const copy = (bytes: Uint8Array) => new Uint8Array(bytes);
const done = encode('data: [DONE]\n\n');
const failure = encode('data: {"error":{"message":"overloaded","type":"server_error"}}\n\n');
const limits = { clientStallMs: 1_000, contentSilenceMs: 10_000 };

let nowMs = 0;
let resumed = 0;
let aborted = 0;
let endings: Outcome[] = [];

const relayOf = () =>
  new StreamRelay(
    protocolOf('openai-chat').openTap({ hideUsage: false, end: 'done' }),
    { now: () => nowMs, monotonicMs: () => nowMs },
    () => ({ resume: () => void resumed++, abort: () => void aborted++ }),
  );
/** Settles at once, and closes the stream with what was held back. */
const endingOf = (relay: StreamRelay) => async (outcome: Outcome) => {
  endings.push(outcome);
  return outcome === 'finished' ? relay.tap.held() : encode(`data: {"ended":"${outcome}"}\n\n`);
};
const textOf = (body: ReadableStream<Uint8Array>) => new Response(body).text();

beforeEach(() => {
  nowMs = resumed = aborted = 0;
  endings = [];
});

describe('before the client reads', () => {
  test('a stream that is over and settled by then is read whole', async () => {
    const relay = relayOf();
    relay.push(event('a'));
    relay.push(done);
    const body = relay.attach(endingOf(relay), undefined);
    await Bun.sleep(0);
    expect(endings).toEqual(['finished']);
    expect(await textOf(body)).toBe(`${new TextDecoder().decode(event('a'))}data: [DONE]\n\n`);
    // Its connection may finish its framing and be used again.
    expect(aborted).toBe(0);
  });

  test('an upstream that was too fast is paused, and resumed once the client reads', async () => {
    const relay = relayOf();
    const large = event('x'.repeat(200_000));
    expect([relay.push(large), relay.push(large)]).toEqual([true, false]);
    const text = textOf(relay.attach(endingOf(relay), undefined));
    await Bun.sleep(0);
    expect(resumed).toBeGreaterThan(0);
    relay.push(done);
    expect((await text).length).toBe(2 * large.length + done.length);
  });

  test('an error in place of output is for the dispatcher', () => {
    const relay = relayOf();
    relay.push(failure);
    expect([relay.faultBeforeOutput(false), relay.faultName, relay.ready]).toEqual([true, 'error-event', false]);
    const empty = relayOf();
    empty.upstreamEnded(true);
    expect([empty.faultBeforeOutput(true), empty.faultName]).toEqual([true, 'ended-early']);
  });

  test('a client that never comes is settled as one that left', async () => {
    const relay = relayOf();
    relay.push(event('a'));
    relay.abandon(endingOf(relay));
    await Bun.sleep(0);
    expect([endings, aborted]).toEqual([['client-left'], 1]);
  });
});

describe('an error event of the upstream', () => {
  test('is followed by what the upstream still says', async () => {
    const relay = relayOf();
    const text = textOf(
      relay.attach(async (outcome) => {
        endings.push(outcome);
        return relay.tap.held();
      }, undefined),
    );
    relay.push(event('a'));
    relay.push(failure);
    relay.push(done);
    expect((await text).split('\n\n').map((line) => line.slice(0, 14))).toEqual([
      'data: {"choice',
      'data: {"error"',
      'data: [DONE]',
      '',
    ]);
    expect(endings).toEqual(['broken-off']);
  });

  test('is what ended the stream, though the client hangs up when it reads it', async () => {
    const relay = relayOf();
    relay.drainOnLeaving = true;
    relay.push(event('a'));
    relay.push(failure);
    relay.attach(endingOf(relay), undefined);
    relay.clientLeft();
    await Bun.sleep(0);
    expect([endings, aborted]).toEqual([['broken-off'], 1]);
  });

  test('is not waited behind for ever', async () => {
    const relay = relayOf();
    relay.push(event('a'));
    relay.push(failure);
    const text = textOf(relay.attach(endingOf(relay), undefined));
    relay.sweep(limits);
    expect(endings).toEqual([]);
    nowMs += 5_001;
    relay.sweep(limits);
    expect(await text).toEndWith('data: {"ended":"broken-off"}\n\n');
    expect(aborted).toBe(1);
  });
});

describe('the end', () => {
  test('comes once, whatever else happens', async () => {
    const relay = relayOf();
    const text = textOf(relay.attach(endingOf(relay), undefined));
    relay.push(event('a'));
    relay.push(done);
    // Nobody would resume what is paused now.
    expect(relay.push(event('late'))).toBe(true);
    relay.upstreamEnded(true);
    relay.upstreamFailed(true);
    relay.cut('money-out');
    relay.clientLeft();
    await text;
    expect(endings).toEqual(['finished']);
  });

  test('an upstream that talks on behind its terminal event is hung up on', () => {
    const relay = relayOf();
    relay.attach(endingOf(relay), undefined);
    relay.push(done);
    for (let at = 0; at < 10; at++) relay.push(event('x'.repeat(10_000)));
    expect(aborted).toBeGreaterThan(0);
  });

  test('in the middle of a large event, what ends the stream is an event of its own', async () => {
    const relay = relayOf();
    const text = textOf(relay.attach(endingOf(relay), undefined));
    relay.push(event('x'.repeat(100_000)).subarray(0, 90_000));
    relay.cut('timed-out');
    expect(await text).toEndWith('xxx\n\ndata: {"ended":"timed-out"}\n\n');
  });

  test('silence is the lack of content: comments do not count', async () => {
    const relay = relayOf();
    relay.attach(endingOf(relay), undefined);
    relay.push(event('a'));
    relay.sweep(limits);
    for (let at = 0; at < 11; at++) {
      nowMs += 1_000;
      relay.push(encode(': ping\n\n'));
      relay.sweep(limits);
    }
    await Bun.sleep(0);
    expect(endings).toEqual(['timed-out']);
  });
});

test('every event reaches the client before the next one comes', async () => {
  const relay = relayOf();
  const events = Array.from({ length: 20 }, (_, index) => event(`piece ${index}`));
  relay.push(events[0]!);
  await using server = Bun.serve({ port: 0, fetch: () => new Response(relay.attach(endingOf(relay), undefined)) });
  const body = (await fetch(server.url)).body?.getReader();
  const seen: string[] = [];
  for (const next of [...events.slice(1), done]) {
    seen.push(new TextDecoder().decode((await body?.read())?.value));
    relay.push(next);
  }
  expect(seen).toEqual(events.map((one) => new TextDecoder().decode(one)));
  expect(new TextDecoder().decode((await body?.read())?.value)).toBe(new TextDecoder().decode(done));
});

describe('memory of what was read', () => {
  const large = () => event('x'.repeat(100_000));

  test('a large read is given back once the server has it, and arrives whole', async () => {
    const relay = relayOf();
    const reads = [large(), large(), event('small')];
    const sizes = reads.map(({ byteLength }) => byteLength);
    relay.push(reads[0]!);
    await using server = Bun.serve({
      port: 0,
      fetch: () => new Response(relay.attach(endingOf(relay), undefined)),
    });
    const reply = await fetch(server.url);
    relay.push(reads[1]!);
    relay.push(reads[2]!);
    relay.push(done);
    const text = await reply.text();
    expect(text).toBe(new TextDecoder().decode(Buffer.concat([large(), large(), event('small'), done])));
    expect(reads.map(({ byteLength }) => byteLength)).toEqual([0, 0, sizes[2]!]);
  });

  test('so is the memory that the tap made for events cut by a read, and they arrive whole', async () => {
    const outputs: Uint8Array[] = [];
    const relay = relayOf();
    const { tap } = relay;
    const push = tap.push.bind(tap);
    tap.push = (chunk) => {
      const output = push(chunk);
      if (output !== undefined) outputs.push(output);
      return output;
    };
    const small = Array.from({ length: 2_000 }, (_, index) => event(`piece ${index}`));
    const whole = Buffer.concat([...small, large(), done]);
    relay.push(copy(whole.subarray(0, 10)));
    relay.push(copy(whole.subarray(10, 30_000)));
    await using server = Bun.serve({ port: 0, fetch: () => new Response(relay.attach(endingOf(relay), undefined)) });
    const reply = await fetch(server.url);
    for (let at = 30_000; at < whole.length; at += 30_000) relay.push(copy(whole.subarray(at, at + 30_000)));
    expect(await reply.text()).toBe(whole.toString());
    expect(outputs.length).toBeGreaterThan(5);
    expect(outputs.filter(({ byteLength }) => byteLength >= 16 * 1024)).toEqual([]);
  });

  test('a reader in the process may keep what it was given', async () => {
    const relay = relayOf();
    const text = textOf(relay.attach(endingOf(relay), undefined));
    relay.push(large());
    relay.push(done);
    expect(await text).toBe(new TextDecoder().decode(Buffer.concat([large(), done])));
  });
});
