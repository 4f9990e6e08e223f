// Every recorded stream, relayed through the tap at any chunking: the same bytes come out, `complete` tells
// the truth, and the usage that was read is the one that the provider stated.

import { describe, expect, test } from 'bun:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { TollgateError } from '../../src/core/errors.ts';
import { protocolOf, protocols } from '../../src/protocols/protocols.ts';
import type { ProtocolName } from '../../src/plugin/operations.ts';
import { cutAt, decode, encode, everyByte, recordings, recordingsMissing } from './recordings.ts';
import type { Recording } from './recordings.ts';
import { relay } from './relay-through-tap.ts';
import { plainLine } from '../../src/plugin/protocol.ts';

const streamed: readonly ProtocolName[] = ['openai-chat', 'openai-completions'];
const cases = streamed.flatMap((name) =>
  recordings(name)
    .filter((recording) => recording.stream && recording.status === 200)
    .map((recording) => [recording.id, protocolOf(name), recording] as const),
);

/** What a plain reader, by JSON.parse of every event, says of the stream. */
function plainReading(recording: Recording) {
  const payloads = decode(recording.response)
    .split(/\r?\n\r?\n/)
    .flatMap((block) =>
      block
        .split(/\r?\n/)
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).trim()),
    );
  const replies: unknown[] = payloads
    .filter((payload) => payload !== '[DONE]')
    .map((payload): unknown => JSON.parse(payload));
  const usages = replies
    .map((reply) => memberOf(reply, 'usage'))
    .filter((usage) => typeof usage === 'object' && usage !== null);
  return {
    done: payloads.includes('[DONE]'),
    usage: usages.at(-1),
    error: replies.some((reply) => memberOf(reply, 'error') !== undefined),
  };
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}

// Skipped where the folder of recordings is not there: they are not part of the project.
describe.skipIf(recordingsMissing !== undefined)('recorded streams (skipped without TOLLGATE_RECORDINGS)', () => {
  test('there are some', () => expect(cases.length).toBeGreaterThan(20));

  describe.each(cases)('%s', (_id, protocol, recording) => {
    const bytes = recording.response;
    const plain = plainReading(recording);
    const whole = relay([bytes], {}, protocol);

    test('comes out as it came in, whole, by byte and at random splits', () => {
      expect(whole.whole).toBe(decode(bytes));
      const byByte = relay(everyByte(bytes), {}, protocol);
      expect(byByte.whole).toBe(whole.whole);
      expect(byByte.reading).toEqual(whole.reading);
      fc.assert(
        fc.property(fc.array(fc.nat(), { maxLength: 30 }), (cuts) => {
          const split = relay(cutAt(bytes, cuts), {}, protocol);
          expect(split.whole).toBe(whole.whole);
          expect(split.held).toBe(whole.held);
          expect(split.reading).toEqual(whole.reading);
        }),
        { numRuns: 20 },
      );
    });

    test('is complete exactly if it says so, and holds exactly that back', () => {
      expect(whole.tap.complete).toBe(plain.done);
      expect(whole.held).toBe(plain.done ? 'data: [DONE]\n\n' : '');
      const finished = relay([bytes], { end: 'finish-reason' }, protocol);
      expect(finished.tap.complete).toBe(plain.done || !plain.error);
      expect(finished.whole).toBe(whole.whole);
    });

    test('gives the usage that the provider stated', () => {
      expect(whole.reading.usage).toEqual(plain.usage);
      // The index has it from another reader; some entries of streams leave it out.
      if (recording.usage !== undefined && recording.usage !== null)
        expect(whole.reading.usage).toEqual(recording.usage);
      expect(whole.reading.usageText === undefined).toBe(plain.usage === undefined);
    });

    test('loses only the usage-only event when that is to be hidden, and nulls in its place where they are for our asking', () => {
      for (const nullUsage of [false, true]) {
        const options = { hideUsage: true, nullUsage };
        const hidden = relay([bytes], options, protocol);
        const expected = withoutUsage(decode(bytes), nullUsage);
        expect(hidden.whole).toBe(expected);
        expect(hidden.reading).toEqual(whole.reading);
        expect(relay(everyByte(bytes), options, protocol).whole).toBe(expected);
      }
    });

    test('has an error exactly if an event says so, and content', () => {
      expect(whole.tap.fault).toBe(plain.error ? 'error-event' : undefined);
      expect(whole.reading.contentBytes).toBeGreaterThan(0);
      expect(whole.reading.contentEvents).toBeGreaterThan(0);
      expect(whole.reading.failed).toBe(false);
    });

    test('U6: cut short anywhere it is not complete, and no part of an event goes out', () => {
      fc.assert(
        fc.property(fc.nat(Math.max(0, bytes.length - 20)), (length) => {
          const cut = relay([bytes.subarray(0, length)], {}, protocol);
          expect(cut.tap.complete).toBe(false);
          expect(whole.whole.startsWith(cut.forwarded)).toBe(true);
          expect(cut.forwarded === '' || betweenEvents.test(cut.forwarded)).toBe(true);
        }),
        { numRuns: 20 },
      );
    });
  });
});

/** A blank line, whose CR ends it before its LF has come; or a comment, which is a block of its own. */
const betweenEvents = /(\n\n|\r\n\r\n?|(^|[\r\n]):[^\r\n]*(\r\n?|\n))$/;

/** Events are apart by a blank line in all recordings that have a usage-only one, or nulls in its place. */
const withoutUsage = (text: string, nulls: boolean): string =>
  text
    .split(/(?<=\n\n)/)
    .map((block) => {
      const payload = /^data: (\{.*\})\n+$/.exec(block)?.[1];
      if (payload === undefined) return block;
      const reply: unknown = JSON.parse(payload);
      const choices = memberOf(reply, 'choices');
      const usage = memberOf(reply, 'usage');
      if (usage === null) return nulls ? block.replace(payload, withoutNull(payload, reply)) : block;
      return Array.isArray(choices) && choices.length === 0 && typeof usage === 'object' ? '' : block;
    })
    .join('');

/** The one place where taking the member out of the text is taking it out of the object. */
function withoutNull(payload: string, reply: unknown): string {
  const rest = Object.fromEntries(Object.entries(Object(reply)).filter(([name]) => name !== 'usage'));
  const places = [...payload.matchAll(/,"usage":null/g)].map(
    ({ index }) => payload.slice(0, index) + payload.slice(index + ',"usage":null'.length),
  );
  const right = places.filter((left) => isDeepStrictEqual(JSON.parse(left), rest));
  expect(right).toHaveLength(1);
  return right[0] ?? payload;
}

/** The provider refused some requests for the very reasons that we do. */
function refused(run: () => unknown): boolean {
  try {
    run();
    return false;
  } catch (error) {
    return error instanceof TollgateError;
  }
}

// Skipped where the folder of recordings is not there: they are not part of the project.
describe.skipIf(recordingsMissing !== undefined)('recorded replies (skipped without TOLLGATE_RECORDINGS)', () => {
  // The other protocols have readers of their own, and tests beside them.
  const scanned = protocols.filter(({ name }) => /^openai-(?:chat|completions|embeddings)$/.test(name));
  const replies = scanned.flatMap((protocol) =>
    recordings(protocol.name)
      .filter((recording) => !recording.stream)
      .map((recording) => [recording.id, protocol, recording] as const),
  );

  test.each(replies)('%s is read', (_id, protocol, recording) => {
    const reading = protocol.readReply(recording.response);
    const reply: unknown = JSON.parse(decode(recording.response));
    expect(reading.usage).toEqual(memberOf(reply, 'usage'));
    if (recording.status !== 200) {
      expect(reading.contentEvents).toBe(0);
      if (memberOf(reply, 'error') !== undefined) expect(reading.failed).toBe(true);
      return;
    }
    expect(reading.failed).toBe(false);
    expect(reading.usageText && JSON.parse(reading.usageText)).toEqual(reading.usage);
    const choices = memberOf(reply, 'choices');
    if (!Array.isArray(choices)) return;
    expect(reading.contentEvents).toBe(choices.length);
    const texts = choices
      .map((choice) => memberOf(memberOf(choice, 'message'), 'content'))
      .filter((content) => typeof content === 'string');
    const least = texts.reduce((sum, content) => sum + encode(content).length, 0);
    expect(reading.contentBytes).toBeGreaterThanOrEqual(least);
  });

  const requests = scanned.flatMap((protocol) =>
    recordings(protocol.name)
      .filter(({ request }) => request !== undefined)
      .map((recording) => [recording.id, protocol, recording] as const),
  );

  test.each(requests)('the request of %s is read, and its bound holds', (_id, protocol, { request, status, usage }) => {
    if (request === undefined) return;
    if (status === 400 && refused(() => protocol.readRequest(request, plainLine))) return;
    const facts = protocol.readRequest(request, plainLine);
    const parsed: unknown = JSON.parse(decode(request));
    expect(facts.model).toBe(String(memberOf(parsed, 'model')));
    expect(facts.stream).toBe(memberOf(parsed, 'stream') === true);
    expect(decode(request.subarray(facts.modelSpan?.start ?? 0, facts.modelSpan?.end ?? 0))).toBe(
      JSON.stringify(memberOf(parsed, 'model')),
    );
    const promptTokens = Number(memberOf(usage, 'prompt_tokens') ?? 0);
    if (facts.inputBound !== undefined) expect(promptTokens).toBeLessThanOrEqual(facts.inputBound);
  });
});
