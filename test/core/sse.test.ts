// The splitter of server-sent events agrees with a plain reader of whole texts, at any chunking, and loses no
// byte.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { EventSplitter } from '../../src/core/sse.ts';
import type { SplitterBounds } from '../../src/core/sse.ts';

interface Event {
  readonly data: string;
  readonly name: string;
}

const decode = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function run(chunks: readonly Uint8Array[], splitterBounds?: SplitterBounds) {
  const events: Event[] = [];
  const pieces: Uint8Array[] = [];
  let parts = 0;
  const splitter = new EventSplitter(
    {
      event: (view) => {
        pieces.push(view.bytes.slice(view.start, view.end));
        if (view.hasData)
          events.push({ data: decode(view.data.subarray(view.dataStart, view.dataEnd)), name: view.name });
      },
      part: (bytes, start, end) => {
        parts++;
        pieces.push(bytes.slice(start, end));
      },
    },
    splitterBounds,
  );
  for (const chunk of chunks) splitter.push(chunk);
  const handed = decode(Buffer.concat(pieces));
  splitter.end();
  return { events, handed, whole: decode(Buffer.concat(pieces)), parts, oversized: splitter.oversized };
}

/**
 * The standard's algorithm over the whole text, written for clearness; an event without its blank line
 * counts, too.
 */
function reference(text: string): Event[] {
  const events: Event[] = [];
  let data: string[] = [];
  let name = '';
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\n|\r/);
  for (const line of [...lines, '']) {
    if (line === '') {
      if (data.length > 0) events.push({ data: data.join('\n'), name });
      data = [];
      name = '';
      continue;
    }
    const colon = line.indexOf(':');
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') data.push(value);
    if (field === 'event') name = value;
  }
  return events;
}

function cutAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const sorted = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [0, ...sorted].map((start, i) => bytes.subarray(start, sorted[i] ?? bytes.length));
}

const everyByte = (bytes: Uint8Array): Uint8Array[] => Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));

const fragments = [
  'data: a\n',
  'data: b\r\n',
  'data:c\n\n',
  '\n',
  '\r',
  '\r\n',
  '\n\n',
  'data:',
  'data: ',
  'data',
  'data:x',
  'data: y z',
  ':',
  ': ping',
  'event:',
  'event: error',
  'event',
  'id: 1',
  'retry:5',
  'dat',
  'eventx',
  'é',
  ' ',
  'x',
  '{"a":"\\n"}',
  '[DONE]',
  '\ufeff',
  'data:  two',
];
const garbage = fc.array(fc.constantFrom(...fragments), { maxLength: 14 }).map((list) => list.join(''));

describe('EventSplitter', () => {
  test('agrees with the reference on 100,000 small inputs, whole and by byte', () => {
    // A small generator of our own: the property library takes far longer for as many inputs.
    let state = 0x2545f491;
    const chance = (below: number): number => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) % below;
    };
    for (let i = 0; i < 100_000; i++) {
      let text = '';
      for (let n = chance(10); n >= 0; n--) text += fragments[chance(fragments.length)];
      const bytes = encode(text);
      const cut = chance(bytes.length + 1);
      const { events, whole } = run(
        i % 4 === 0 ? everyByte(bytes) : [bytes.subarray(0, cut), bytes.subarray(cut)],
      );
      if (whole !== text) expect(whole).toBe(text);
      const expected = reference(text);
      if (!Bun.deepEquals(events, expected)) expect({ text, events }).toEqual({ text, events: expected });
    }
  });

  test('gives the same events and bytes at any split', () => {
    fc.assert(
      fc.property(garbage, fc.array(fc.nat(300)), (text, cuts) => {
        const bytes = encode(text);
        const one = run([bytes]);
        for (const chunks of [cutAt(bytes, cuts), everyByte(bytes)]) {
          const split = run(chunks);
          expect(split.events).toEqual(one.events);
          expect(split.whole).toBe(text);
        }
      }),
      { numRuns: 3_000 },
    );
  });

  test('gives the same bytes when events outgrow what is kept back', () => {
    const tight = { heldEventBytes: 8, eventBytes: 1_000 };
    fc.assert(
      fc.property(garbage, fc.array(fc.nat(300)), (text, cuts) => {
        expect(run(cutAt(encode(text), cuts), tight).whole).toBe(text);
      }),
      { numRuns: 3_000 },
    );
  });

  test('hands an event on with the chunk that completes it, not copied', () => {
    const chunk = encode('data: {"a":1}\n\n');
    let seen: Uint8Array | undefined;
    const splitter = new EventSplitter({
      event: (view) => {
        seen = view.bytes;
      },
      part: () => {},
    });
    splitter.push(chunk);
    expect(seen).toBe(chunk);
  });

  test.each(['\n', '\r\n', '\r'])('U10: line ends %p complete an event at once', (eol) => {
    for (const form of ['data:x', 'data: x']) {
      const { events, handed } = run([encode(`${form}${eol}${eol}`)]);
      expect(events).toEqual([{ data: 'x', name: '' }]);
      expect(handed).toBe(`${form}${eol}${eol}`);
    }
  });

  test('several data lines make one payload', () => {
    expect(run([encode('event: e\ndata: a\ndata\ndata:b\n\n')]).events).toEqual([
      { data: 'a\n\nb', name: 'e' },
    ]);
  });

  test('a comment before any field goes on as soon as its line ends', () => {
    expect(run([encode(': ping\n')]).handed).toBe(': ping\n');
    expect(run([encode('data: x\n: ping\n')]).handed).toBe('');
  });

  test('an event beyond what is kept back is handed on in parts, and the next one is whole again', () => {
    const small = { heldEventBytes: 16, eventBytes: 100 };
    const text = `data: ${'x'.repeat(40)}\n\ndata: next\n\n`;
    const { events, whole, parts } = run(everyByte(encode(text)), small);
    expect(events).toEqual([{ data: 'next', name: '' }]);
    expect(whole).toBe(text);
    expect(parts).toBeGreaterThan(1);
  });

  test('U11: an event beyond its bound stops the splitter, in one chunk or many', () => {
    const small = { heldEventBytes: 16, eventBytes: 100 };
    const text = `data: a\n\ndata: ${'x'.repeat(200)}\n\ndata: after\n\n`;
    for (const chunks of [[encode(text)], everyByte(encode(text))]) {
      const { events, oversized, whole } = run(chunks, small);
      expect(oversized).toBe(true);
      expect(events).toEqual([{ data: 'a', name: '' }]);
      expect(whole.length).toBeLessThan(120);
    }
  });

  test('U12: one byte at a time is linear work: a large event passes', () => {
    const text = `data: ${'x'.repeat(60_000)}\n\n`;
    expect(run(everyByte(encode(text))).events[0]?.data.length).toBe(60_000);
  });

  test('what was handed out is not written again', () => {
    const kept: { readonly view: Uint8Array; readonly copy: string }[] = [];
    const splitter = new EventSplitter({
      event: ({ bytes, start, end }) => {
        const view = bytes.subarray(start, end);
        kept.push({ view, copy: decode(view) });
      },
      part: () => {},
    });
    for (let i = 0; i < 50; i++) {
      splitter.push(encode(`data: ${i}`));
      splitter.push(encode(`${'y'.repeat(i)}\n\ndata: tail`));
      splitter.push(encode('\n\n'));
    }
    expect(kept.length).toBe(100);
    for (const { view, copy } of kept) expect(decode(view)).toBe(copy);
  });
});
