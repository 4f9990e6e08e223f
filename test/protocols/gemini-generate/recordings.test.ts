// Every recording of Gemini and every recorded client of it: relayed byte for byte, read, written anew and read again.

import { describe, expect, test } from 'bun:test';
import { readGeminiUsage } from '../../../plugins/providers/gemini-usage.ts';
import { parsedJson } from '../../../src/protocols/json-fields.ts';
import { geminiCodec } from '../../../src/protocols/gemini-generate/codec.ts';
import { geminiGenerate } from '../../../src/protocols/gemini-generate/gemini-generate.ts';
import { LossList } from '../../../src/protocols/translation/carriage.ts';
import { dialectOf } from '../../../src/protocols/translation/dialects.ts';
import type { JsonValue } from '../../../src/plugin/conversation.ts';
import { seededChance } from '../../../src/simulator/replay.ts';
import { field, haveRecordings } from '../../support/gateway.ts';
import { cutAt, eventsIn, readStream, readWhole, testContext, translated } from '../translation-kit.ts';
import type { ReadReply } from '../translation-kit.ts';
import { relay } from '../relay-through-tap.ts';
import { clientBodies, recorded } from './recorded.ts';

const line = { model: 'm', stream: false, framing: 'sse' } as const;
const usageOf = (raw: JsonValue) => readGeminiUsage(raw)?.parts;

function partsExpected(expected: unknown) {
  const count = (name: string) => Number(field(expected, name));
  const cacheRead = count('cached_read');
  const reasoning = count('reasoning');
  return { input: count('input_total') - cacheRead, cacheRead, output: count('output_total') - reasoning, reasoning };
}

/** What is cited comes with the last event, behind all text: it is compared apart from the text that it stands at. */
const said = ({ reply }: ReadReply) =>
  reply.choices.map(({ parts, stop, logprobs }) => ({
    parts: parts
      .filter((part) => part.kind !== 'text' || part.text !== '')
      .map((part) => (part.kind === 'text' ? { kind: part.kind, text: part.text } : part)),
    citations: parts.flatMap((part) => (part.kind === 'text' ? (part.citations ?? []) : [])),
    stop,
    logprobs,
  }));

describe.skipIf(!haveRecordings)('recorded Gemini (skipped without recordings)', () => {
  const streams = recorded.filter(({ stream }) => stream);
  const whole = recorded.filter(({ stream, status }) => !stream && status === 200);

  test('there are some of each kind', () => {
    expect(streams.length).toBeGreaterThan(5);
    expect(whole.length).toBeGreaterThan(15);
    expect(clientBodies.length).toBeGreaterThan(8);
  });

  test.each([...streams])(
    '$id: its bytes go on as they came, however they are cut',
    ({ response, expected, usage }) => {
      const text = response.toString();
      const once = relay([new Uint8Array(response)], {}, geminiGenerate);
      expect(once.whole).toBe(text);
      expect(once.tap.complete).toBe(true);
      expect(once.held).toContain('"finishReason"');
      expect(once.forwarded).not.toContain('"finishReason"');
      expect(once.reading.usage).toEqual(usage);
      if (expected !== undefined) expect(readGeminiUsage(once.reading.usage)?.parts).toEqual(partsExpected(expected));
      const chance = seededChance(response.length);
      for (const chunks of [cutAt(response, undefined), cutAt(response, chance), cutAt(response, chance, 700)]) {
        const cut = relay(chunks, {}, geminiGenerate);
        expect(cut.whole).toBe(text);
        expect(cut.held).toBe(once.held);
        expect(cut.reading).toEqual(once.reading);
      }
    },
  );

  test.each([...streams])('$id: as one JSON array it has the same events', ({ response }) => {
    const events = eventsIn(response.toString()).map(({ data }) => parsedJson(data));
    for (const chunks of [[new Uint8Array(response)], cutAt(response, undefined)]) {
      const array = relay(chunks, { framing: 'json-array' }, geminiGenerate);
      expect(JSON.parse(array.whole)).toEqual(events);
      expect(array.held).toEndWith('\n]');
    }
  });

  test.each([...streams])('$id: written anew it says the same, however it is cut', ({ response }) => {
    const before = readStream(geminiCodec, response.toString());
    const once = translated(geminiCodec, geminiCodec, [response], testContext(usageOf), 'done');
    expect(once.complete).toBe(true);
    const after = readStream(geminiCodec, once.body);
    expect(withoutIds(said(after))).toEqual(withoutIds(said(before)));
    expect(usageOf(after.usage ?? null)).toEqual(usageOf(before.usage ?? null));
    for (const { data } of eventsIn(once.body)) expect(parsedJson(data)).toBeDefined();
    const chance = seededChance(response.length);
    expect(translated(geminiCodec, geminiCodec, cutAt(response, chance), testContext(usageOf), 'done')).toEqual(once);
  });

  test.each([...whole])('$id: a whole reply is read, written and read alike', ({ response, usage, expected }) => {
    const reading = geminiGenerate.readReply(new Uint8Array(response));
    expect(reading.usage).toEqual(usage);
    expect(reading.failed).toBe(false);
    if (expected !== undefined) expect(readGeminiUsage(reading.usage)?.parts).toEqual(partsExpected(expected));
    const before = readWhole(geminiCodec, parsedJson(response.toString()) ?? null);
    const text = geminiCodec.renderReply(before.reply, usageOf(before.usage ?? null), testContext(), () => {});
    const after = readWhole(geminiCodec, parsedJson(text) ?? null);
    expect(withoutIds(said(after))).toEqual(withoutIds(said(before)));
    expect(withoutEmptyUsage(usageOf(after.usage ?? null))).toEqual(withoutEmptyUsage(usageOf(before.usage ?? null)));
  });

  test.each(recorded.filter(({ status }) => status !== 200))('$id: its error is read', ({ response, status }) => {
    const body = parsedJson(response.toString()) ?? null;
    const words = geminiCodec.readError(body);
    expect(words?.message.length).toBeGreaterThan(10);
    expect(words?.code).toBe(String(status));
    expect(geminiGenerate.readReply(new Uint8Array(response))).toMatchObject({ failed: true, contentEvents: 0 });
    if (words === undefined) return;
    const refusal = parsedJson(geminiCodec.renderRefusal(status, words, 'req_1')) ?? null;
    expect(geminiCodec.readError(refusal)).toMatchObject({ message: words.message, code: String(status) });
  });

  const bodies = [
    ...clientBodies,
    ...recorded.flatMap(({ id, request }) => (request === undefined ? [] : [[id, request] as const])),
  ];

  test.each(bodies)('%s: its request is read and written', (_, body) => {
    const facts = geminiGenerate.readRequest(new TextEncoder().encode(JSON.stringify(body)), line);
    expect(facts).toMatchObject({ model: 'm', stream: false, wantsUsage: true, choices: 1 });
    const first = rendered(body);
    const again = rendered(first.body);
    expect(again.body).toEqual(first.body);
    expect(first.losses.filter((loss) => !excused.has(loss))).toEqual([]);
  });

  test.each(recorded.filter(({ status, request }) => status === 200 && request !== undefined))(
    "$id: the bound on its request's tokens holds",
    ({ requestBytes, expected }) => {
      if (requestBytes === undefined) return;
      const { inputBound } = geminiGenerate.readRequest(requestBytes, line);
      const total = Number(field(expected, 'input_total') ?? 0);
      if (inputBound !== undefined) expect(total).toBeLessThanOrEqual(inputBound);
    },
  );
});

/**
 * Thoughts without a signature prove nothing and are left out; the Gemini API knows no names of files; older models
 * take no media within a result.
 */
const excused: ReadonlySet<string> = new Set(['thinking-history', 'document-name', 'tool-result-media-moved']);

function rendered(body: JsonValue): { body: JsonValue; losses: readonly string[] } {
  const losses = new LossList('gemini-generate');
  const target = { model: 'm', stream: false, outputTokensMax: 1_000, askUsage: false };
  const dialect = dialectOf('gemini-generate', { thinking: 'budget' });
  const text = geminiCodec.renderRequest(geminiCodec.parseRequest(body, line), { ...target, dialect }, losses);
  return { body: parsedJson(text) ?? null, losses: losses.names };
}

/** Ids that the upstream did not give are made anew by each reader. */
const withoutIds = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, each: unknown) => (key === 'id' ? undefined : each)));

const withoutEmptyUsage = (parts: unknown): unknown => parts ?? { input: 0, cacheRead: 0, output: 0, reasoning: 0 };
