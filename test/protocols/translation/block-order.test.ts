// However an upstream mixes the pieces of calls, texts and thinking, a writer gets blocks in strict order and every
// call its exact arguments; and what tells the end of arguments agrees with the parser.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { BlockOrder } from '../../../src/protocols/translation/block-order.ts';
import { JsonEnd } from '../../../src/protocols/translation/json-end.ts';
import { mappedCallId } from '../../../src/protocols/translation/call-ids.ts';
import { openSignature, sealSignature } from '../../../src/protocols/translation/signature-envelope.ts';
import type { StreamWriter } from '../../../src/plugin/codec.ts';
import type { BlockHead } from '../../../src/plugin/conversation-reply.ts';
import type { Signature } from '../../../src/plugin/conversation.ts';

interface Written {
  readonly head: BlockHead;
  text: string;
  notes: number;
}

/** Remembers what it is told, and every breach of the order that writers may rely on. */
class StrictWriter implements StreamWriter {
  readonly losses: readonly string[] = [];
  readonly keepAlive = '';
  readonly breaches: string[] = [];
  readonly written: Written[][] = [];
  readonly #open: (Written | undefined)[] = [];
  readonly #stopped = new Set<number>();
  #headed = false;

  head(): string {
    if (this.#headed) this.breaches.push('a second head');
    this.#headed = true;
    return '';
  }

  blockStart(choice: number, head: BlockHead): string {
    if (!this.#headed) this.breaches.push('a block before the head');
    if (this.#open[choice] !== undefined) this.breaches.push('a block in an open one');
    if (this.#stopped.has(choice)) this.breaches.push('a block behind the stop');
    const block = { head, text: '', notes: 0 };
    this.#open[choice] = block;
    (this.written[choice] ??= []).push(block);
    return '';
  }

  delta(choice: number, text: string): string {
    const open = this.#open[choice];
    if (open === undefined) this.breaches.push('text outside of a block');
    else open.text += text;
    return '';
  }

  annotate(choice: number): string {
    const open = this.#open[choice];
    if (open === undefined) this.breaches.push('a note outside of a block');
    else open.notes++;
    return '';
  }

  blockEnd(choice: number): string {
    if (this.#open[choice] === undefined) this.breaches.push('an end of no block');
    this.#open[choice] = undefined;
    return '';
  }

  stop(choice: number): string {
    if (this.#open[choice] !== undefined) this.breaches.push('a stop in an open block');
    if (this.#stopped.has(choice)) this.breaches.push('a second stop');
    this.#stopped.add(choice);
    return '';
  }

  end(): string {
    return '';
  }

  error(): string {
    return '';
  }

  get stops(): number {
    return this.#stopped.size;
  }
}

interface Said {
  readonly kind: 'text' | 'thinking' | 'tool-call';
  readonly choice: number;
  readonly pieces: readonly string[];
  readonly ends: boolean;
  readonly signed: boolean;
}

const words = fc.string({ unit: 'grapheme', maxLength: 12 });
const json = fc.dictionary(words, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 }).map((value) => JSON.stringify(value));

const cut = (text: string, cuts: readonly number[]): readonly string[] => {
  const places = [...new Set(cuts.map((place) => place % (text.length + 1)))].toSorted((a, b) => a - b);
  return [0, ...places].map((start, index) => text.slice(start, places[index] ?? text.length));
};

const cuts = fc.array(fc.nat({ max: 200 }), { maxLength: 5 });
const flags = { choice: fc.nat({ max: 1 }), ends: fc.boolean(), signed: fc.boolean() };
const said: fc.Arbitrary<Said> = fc.oneof(
  fc
    .record({ kind: fc.constantFrom('text' as const, 'thinking' as const), text: words, cuts, ...flags })
    .map(({ text, cuts: places, ...rest }) => ({ ...rest, pieces: cut(text, places) })),
  fc
    .record({ text: fc.oneof(json, fc.constantFrom('', '{}', '{"cut":"in the mi')), cuts, ...flags })
    .map(({ text, cuts: places, ...rest }) => ({ ...rest, kind: 'tool-call' as const, pieces: cut(text, places) })),
);

/** Says each block's start, pieces, note and end in order, mixed with those of the others as the picks say. */
function mixed(blocks: readonly Said[], picks: readonly number[]) {
  const writer = new StrictWriter();
  let ids = 0;
  const order = new BlockOrder(writer, () => `made${(ids += 1)}`);
  const steps = blocks.map(({ kind, choice, pieces, ends, signed }, number) => {
    const signature: Signature = { protocol: 'gemini-generate', form: 'signature', value: `s${number}` };
    const head: BlockHead = kind === 'tool-call' ? { kind, id: `id${number}`, name: `tool${number}` } : { kind };
    return [
      () => order.blockStart(choice, number, head),
      ...pieces.map((piece) => () => order.delta(choice, number, piece)),
      ...(signed && kind !== 'text' ? [() => order.annotate(choice, number, { kind: 'signature', signature })] : []),
      ...(ends ? [() => order.blockEnd(choice, number)] : []),
    ];
  });
  for (let turn = 0; steps.some((left) => left.length > 0); turn++) {
    const left = steps.filter((each) => each.length > 0);
    left[(picks[turn % picks.length] ?? 0) % left.length]?.shift()?.();
  }
  order.finish();
  return { writer, order };
}

describe('BlockOrder', () => {
  test('any mixture comes out in strict order, calls with their exact arguments, and nothing is lost', () => {
    fc.assert(
      fc.property(
        fc.array(said, { maxLength: 7 }),
        fc.array(fc.nat({ max: 50 }), { minLength: 1, maxLength: 60 }),
        (blocks, picks) => {
          const { writer, order } = mixed(blocks, picks);
          expect(writer.breaches).toEqual([]);
          expect(writer.stops).toBe(Math.max(1, ...blocks.map(({ choice }) => choice + 1)));
          const written = writer.written.flat();
          for (const [number, { kind, pieces }] of blocks.entries()) {
            if (kind !== 'tool-call') continue;
            const calls = written.filter(({ head }) => head.kind === kind && head.id === `id${number}`);
            const text = pieces.join('');
            expect(calls.map((call) => call.text)).toEqual([text === '' ? '{}' : text]);
          }
          // A signature may come behind the end of its call's arguments, when the next block has begun.
          const signedCalls = blocks.some(({ kind, signed }) => kind === 'tool-call' && signed);
          if (!signedCalls) expect(order.losses).toEqual([]);
          expect(order.losses.filter((loss) => loss !== 'late-delta')).toEqual([]);
          for (const kind of ['text', 'thinking'] as const) {
            for (const choice of [0, 1]) {
              const told = blocks.filter((block) => block.kind === kind && block.choice === choice);
              const got = (writer.written[choice] ?? []).filter(({ head }) => head.kind === kind);
              const characters = (text: string): string => text.split('').toSorted().join('');
              expect(characters(got.map(({ text }) => text).join(''))).toBe(
                characters(told.flatMap(({ pieces }) => pieces).join('')),
              );
              if (told.length !== 1) continue;
              expect(got.map(({ text }) => text).join('')).toBe(told[0]?.pieces.join('') ?? '');
              if (kind === 'thinking' && told[0]?.signed === true)
                expect(got.reduce((sum, { notes }) => sum + notes, 0)).toBe(1);
            }
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test('calls without a name for themselves get ids that differ', () => {
    const writer = new StrictWriter();
    let ids = 0;
    const order = new BlockOrder(writer, () => `made${(ids += 1)}`);
    for (const block of [0, 1]) order.blockStart(0, block, { kind: 'tool-call', id: undefined, name: 'f' });
    order.finish();
    const heads = writer.written.flat().map(({ head }) => (head.kind === 'tool-call' ? head.id : ''));
    expect(heads).toEqual(['call_made1', 'call_made2']);
    expect(writer.written.flat().map(({ text }) => text)).toEqual(['{}', '{}']);
  });
});

describe('JsonEnd', () => {
  const parses = (text: string): boolean => {
    try {
      JSON.parse(text);
      return true;
    } catch {
      return false;
    }
  };

  test('is complete with the first piece that makes the text parse, and not before', () => {
    fc.assert(
      fc.property(json, fc.constantFrom('', ' ', '\n\t'), fc.constantFrom(0, 2), cuts, (text, space, pad, places) => {
        const whole = `${space}${JSON.stringify(JSON.parse(text), null, pad)}`;
        const end = new JsonEnd();
        let before = '';
        for (const piece of cut(whole + space, places)) {
          end.push(piece);
          before += piece;
          expect(end.complete).toBe(parses(before));
          expect(end.empty).toBe(before.trim() === '');
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

const signature: fc.Arbitrary<Signature> = fc
  .record({
    protocol: fc.constantFrom('openai-chat', 'openai-responses', 'anthropic-messages', 'gemini-generate'),
    form: fc.constantFrom('signature', 'redacted', 'encrypted'),
    value: fc.string({ unit: 'grapheme', maxLength: 40 }),
    id: fc.option(fc.string({ unit: 'grapheme', maxLength: 12 }), { nil: undefined }),
  })
  .map(({ id, ...rest }) => (id === undefined ? rest : { ...rest, id }));

test('a signature comes out of its envelope as it was, and no other text is taken for one', () => {
  fc.assert(
    fc.property(signature, fc.string({ unit: 'grapheme' }), fc.nat({ max: 400 }), (given, other, at) => {
      const sealed = sealSignature(given);
      expect(sealed).toMatch(/^[A-Za-z0-9+/]+={0,2}$/);
      expect(sealSignature(given)).toBe(sealed);
      expect(openSignature(sealed)).toEqual(given);
      expect(openSignature(other)).toBeUndefined();
      // Cut short it is none, unless only the padding is missing.
      const short = sealed.slice(0, at % sealed.length);
      const opened = openSignature(short);
      if (opened !== undefined) expect(opened).toEqual(given);
    }),
    { numRuns: 1_000 },
  );
});

const callId = fc.string({ unit: 'binary', maxLength: 90 });

test('call ids are mapped the same way each time, into the alphabet, and once only', () => {
  const alphabets = { plain: /^[a-zA-Z0-9_-]{1,64}$/, 'nine-alphanumeric': /^[a-zA-Z0-9]{9}$/ } as const;
  fc.assert(
    fc.property(callId, callId, (id, other) => {
      expect(mappedCallId(id, 'any')).toBe(id);
      for (const alphabet of ['plain', 'nine-alphanumeric'] as const) {
        const mapped = mappedCallId(id, alphabet);
        expect(mapped).toMatch(alphabets[alphabet]);
        expect(mappedCallId(id, alphabet)).toBe(mapped);
        expect(mappedCallId(mapped, alphabet)).toBe(mapped);
        if (alphabets[alphabet].test(id)) expect(mapped).toBe(id);
        if (id !== other) expect(mappedCallId(other, alphabet)).not.toBe(mapped);
      }
    }),
    { numRuns: 1_000 },
  );
});
