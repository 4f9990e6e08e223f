// Streams of every protocol for clients of every protocol: the same bytes however the upstream's are cut, never whole
// when they end too early, and what the client reads is what was said.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { messagesCodec } from '../../../src/protocols/anthropic-messages/codec.ts';
import { geminiCodec } from '../../../src/protocols/gemini-generate/codec.ts';
import { chatCodec } from '../../../src/protocols/openai-chat/codec.ts';
import { responsesCodec } from '../../../src/protocols/openai-responses/codec.ts';
import type { Codec } from '../../../src/plugin/codec.ts';
import type { StopKind } from '../../../src/plugin/conversation-reply.ts';
import type { ProtocolName } from '../../../src/plugin/operations.ts';
import { seededChance } from '../../support/seeded-chance.ts';
import { cutAt, readStream, testContext, translated } from '../translation-kit.ts';
import type { ReadReply } from '../translation-kit.ts';

const codecs = [
  ['openai-chat', chatCodec],
  ['openai-responses', responsesCodec],
  ['anthropic-messages', messagesCodec],
  ['gemini-generate', geminiCodec],
] as const satisfies readonly (readonly [ProtocolName, Codec])[];

const pairs = codecs.flatMap(([from, upstream]) => codecs.map(([to, client]) => ({ from, to, upstream, client })));

interface Said {
  readonly blocks: readonly SaidBlock[];
  readonly stop: StopKind;
}

interface SaidBlock {
  readonly kind: 'text' | 'thinking' | 'tool-call';
  readonly name: string;
  readonly pieces: readonly string[];
}

const piece = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
const pieces = fc.array(piece, { minLength: 1, maxLength: 4 });
const values = fc.oneof(piece, fc.integer(), fc.boolean());
const argument = fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), values, { maxKeys: 3 });
const call = fc.record({ name: fc.stringMatching(/^[a-z][a-z0-9_]{0,9}$/), input: argument, cut: fc.nat({ max: 30 }) });

/** Thinking, then text, then calls, as models answer; each may be absent. */
const answers: fc.Arbitrary<Said> = fc
  .record({
    thinking: fc.option(pieces, { nil: undefined }),
    text: fc.option(pieces, { nil: undefined }),
    calls: fc.array(call, { maxLength: 3 }),
    stop: fc.constantFrom('end' as const, 'length' as const),
  })
  .map(({ thinking, text, calls, stop }) => ({
    blocks: [
      ...(thinking === undefined ? [] : [{ kind: 'thinking' as const, name: '', pieces: thinking }]),
      ...(text === undefined ? [] : [{ kind: 'text' as const, name: '', pieces: text }]),
      ...calls.map(({ name, input, cut }) => {
        const whole = JSON.stringify(input);
        return { kind: 'tool-call' as const, name, pieces: [whole.slice(0, cut), whole.slice(cut)] };
      }),
    ],
    stop: calls.length > 0 && stop === 'end' ? 'tool-calls' : stop,
  }));

/** The stream as an upstream of that protocol would send it. */
function streamOf(codec: Codec, { blocks, stop }: Said): string {
  const writer = codec.openWriter(testContext());
  let out = writer.head({ id: 'upstream-1', model: 'm' });
  for (const [index, { kind, name, pieces: texts }] of blocks.entries()) {
    out += writer.blockStart(0, kind === 'tool-call' ? { kind, name, id: `call_${index}` } : { kind });
    for (const text of texts) if (text !== '') out += writer.delta(0, text);
    out += writer.blockEnd(0);
  }
  return out + writer.stop(0, { kind: stop, native: '' }) + writer.end({ input: 3, output: 5 });
}

interface Heard {
  readonly thinking: string;
  readonly text: string;
  readonly calls: readonly unknown[];
  readonly stop: string | undefined;
}

const heardIn = ({ reply }: ReadReply): Heard => {
  const { parts, stop } = reply.choices[0] ?? { parts: [], stop: undefined };
  return {
    thinking: parts.map((part) => (part.kind === 'thinking' ? part.text : '')).join(''),
    text: parts.map((part) => (part.kind === 'text' ? part.text : '')).join(''),
    calls: parts.flatMap((part) => (part.kind === 'tool-call' ? [[part.name, JSON.parse(part.arguments)]] : [])),
    stop: stop?.kind,
  };
};

const saidIn = ({ blocks, stop }: Said): Heard => {
  const all = (kind: SaidBlock['kind']): string =>
    blocks.flatMap((block) => (block.kind === kind ? block.pieces : [])).join('');
  const calls = blocks.filter(({ kind }) => kind === 'tool-call');
  return {
    thinking: all('thinking'),
    text: all('text'),
    calls: calls.map(({ name, pieces: texts }) => [name, JSON.parse(texts.join(''))]),
    stop,
  };
};

describe.each(pairs)('an upstream of $from for a client of $to', ({ upstream, client }) => {
  const runs = { numRuns: 60 };

  test('what the client reads is what was said', () => {
    fc.assert(
      fc.property(answers, (said) => {
        const { body, complete, fault } = translated(upstream, client, [Buffer.from(streamOf(upstream, said))]);
        expect({ complete, fault }).toEqual({ complete: true, fault: undefined });
        const read = readStream(client, body);
        expect(read.complete).toBe(true);
        expect(heardIn(read)).toEqual(saidIn(said));
      }),
      runs,
    );
  });

  test('the same bytes come out at every cut', () => {
    fc.assert(
      fc.property(answers, fc.integer(), (said, seed) => {
        const bytes = Buffer.from(streamOf(upstream, said));
        const whole = translated(upstream, client, [bytes]);
        const chance = seededChance(seed);
        expect(translated(upstream, client, cutAt(bytes, undefined))).toEqual(whole);
        expect(translated(upstream, client, cutAt(bytes, () => chance(1_000) / 1_000))).toEqual(whole);
      }),
      { numRuns: 25 },
    );
  });

  test('a stream that was cut before its end is never complete, and its start stays as it was', () => {
    fc.assert(
      fc.property(answers, fc.nat(), (said, place) => {
        const text = streamOf(upstream, said);
        const whole = translated(upstream, client, [Buffer.from(text)]);
        // At the latest, the last character of the last event is missing.
        const bytes = Buffer.from(text);
        const end = place % 2 === 0 ? bytes.length - 3 - (place % 40) : place % (bytes.length - 2);
        const short = translated(upstream, client, [bytes.subarray(0, end)], testContext(), 'done');
        expect(short.complete).toBe(false);
        expect(short.held).toBe('');
        expect(whole.body.startsWith(short.body)).toBe(true);
      }),
      runs,
    );
  });
});
