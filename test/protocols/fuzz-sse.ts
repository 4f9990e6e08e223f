// Holds the splitter of server-sent events against a slow reading of the standard, on as many random inputs as asked
// for: `bun test/protocols/fuzz-sse.ts [COUNT] [SEED]`, a million by default. Each input has a seed of its own.

import { bounds } from '../../src/core/bounds.ts';
import { EventSplitter } from '../../src/core/sse.ts';
import type { SplitterBounds } from '../../src/core/sse.ts';
import { referenceEvents } from '../support/event-stream-reference.ts';
import { seededChance } from '../support/seeded-chance.ts';
import type { Chance } from '../support/seeded-chance.ts';
import { fuzzFromArguments } from './fuzz-run.ts';

/** Marked off by `|`. */
const words = (
  'data|event|id|retry|dat|datax|even|events|Data|x|ping|error|[DONE]|data:|data: |data:  |data::|event:|event: |' +
  'id:|id: 1|retry: 5|:|: ping| |  |data: a|data:b|event: message|event:é|data: 你好|data: 👩‍👩‍👧|{"a":"b\\n"}|é|' +
  '\u0000|\u2028|\u0085'
)
  .split('|')
  .map((word) => Buffer.from(word));
const mark = Buffer.from('\ufeff');
const lineEnds = ['\n', '\r', '\r\n', '\n\n', '\r\r', '\r\n\r\n', '\n\r', '\n\r\n'].map((end) => Buffer.from(end));

const one = <T>(list: readonly T[], chance: Chance, otherwise: T): T => list[chance(list.length)] ?? otherwise;

/** Bytes of every value; four in ten of them decide something. */
function noise(chance: Chance): Uint8Array {
  const telling = [0x0a, 0x0d, 0x3a, 0x20, 0xef, 0xbb, 0xbf, 0x64];
  return Uint8Array.from({ length: 1 + chance(6) }, () => (chance(10) < 4 ? one(telling, chance, 0) : chance(256)));
}

/** A line of some hundred bytes; one in a thousand has more than an event may have to be kept back. */
function hugeLine(chance: Chance): Uint8Array {
  const size = chance(1_000) === 0 ? bounds.heldEventBytes + chance(2_000) : 200 + chance(1_200);
  return Buffer.concat([one(words, chance, mark), Buffer.alloc(size, chance(2) === 0 ? 'a: é ' : 'data:')]);
}

const fields = ['data: ', 'data:', 'data', 'event: ', 'event:', 'event', 'id: ', ':'].map((name) => Buffer.from(name));

function line(chance: Chance): Uint8Array {
  const value = chance(3) === 0 ? [] : [one(words, chance, mark)];
  return Buffer.concat([one(fields, chance, mark), ...value, one(lineEnds, chance, mark)]);
}

export function randomStream(chance: Chance): Uint8Array {
  const pieces: Uint8Array[] = chance(8) === 0 ? [mark] : [];
  for (let n = chance(16); n >= 0; n--) {
    const kind = chance(40);
    if (kind < 14) pieces.push(line(chance));
    else if (kind < 25) pieces.push(one(words, chance, mark));
    else if (kind < 36) pieces.push(one(lineEnds, chance, mark));
    else if (kind < 38) pieces.push(noise(chance));
    else if (kind === 38) pieces.push(mark);
    else if (chance(3) === 0) pieces.push(hugeLine(chance));
  }
  return Buffer.concat(pieces);
}

/** Whole, by byte, or in pieces of random sizes, empty ones among them. */
function cut(bytes: Uint8Array, chance: Chance): readonly Uint8Array[] {
  const way = chance(4);
  if (way === 0) return [bytes];
  const most = way === 1 ? 2 : 2 + chance(way === 2 ? 8 : 200);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = way === 1 ? 1 : chance(most);
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

interface SplitEvent {
  readonly name: string;
  readonly data: string;
  /** Bytes handed out up to its end. */
  readonly end: number;
}

interface Split {
  readonly events: readonly SplitEvent[];
  readonly handed: Uint8Array;
  readonly oversized: boolean;
}

function split(chunks: readonly Uint8Array[], splitterBounds: SplitterBounds | undefined): Split {
  const events: SplitEvent[] = [];
  let handed = 0;
  // Not copies: what was handed out must stay as it was.
  const pieces: Uint8Array[] = [];
  const splitter = new EventSplitter(
    {
      event: (view) => {
        pieces.push(view.bytes.subarray(view.start, view.end));
        handed += view.end - view.start;
        if (!view.hasData) return;
        const data = Buffer.from(view.data.subarray(view.dataStart, view.dataEnd)).toString('latin1');
        events.push({ name: view.name, data, end: handed });
      },
      part: (bytes, start, end) => {
        pieces.push(bytes.subarray(start, end));
        handed += end - start;
      },
    },
    splitterBounds,
  );
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return { events, handed: Buffer.concat(pieces), oversized: splitter.oversized };
}

const decoded = (latin1: string): string =>
  new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.from(latin1, 'latin1'));

/** What is wrong with the reading of one input; undefined if nothing is. */
function complaint(bytes: Uint8Array, got: Split, limits: SplitterBounds): string | undefined {
  const handed = Buffer.from(got.handed);
  if (got.oversized ? !handed.equals(bytes.subarray(0, handed.length)) : !handed.equals(bytes)) return 'bytes differ';
  let at = 0;
  for (const { name, data, start, end } of referenceEvents(bytes)) {
    const event = got.events[at];
    // The line feed of a CRLF that was torn by a chunk's end is handed out by itself.
    if (event !== undefined && (event.end === end || event.end === end - 1)) {
      const expected = /^[ -~]*$/.test(name) ? name : decoded(name);
      if (event.data !== data || event.name !== expected)
        return `read ${JSON.stringify(event)} for ${JSON.stringify({ name, data })}`;
      at++;
    }
    // Only an event that outgrew what is kept back may go unread, and all that stands behind one that is oversized.
    else if (end - start <= limits.heldEventBytes && !got.oversized)
      return `no event ${JSON.stringify({ name, data })}`;
  }
  if (at < got.events.length) return `no such event: ${JSON.stringify(got.events[at])}`;
  return undefined;
}

/** One input and its cuts, all out of this seed. */
export function fuzzOnce(seed: number): string | undefined {
  const chance = seededChance(seed);
  const bytes = randomStream(chance);
  const chunks = cut(bytes, chance);
  // One in eight runs at bounds so small that events outgrow them.
  const tight = chance(8) === 0;
  const limits = tight ? { heldEventBytes: chance(40), eventBytes: 20 + chance(200) } : bounds;
  const got = split(chunks, limits);
  const wrong = complaint(bytes, got, limits);
  if (wrong === undefined) return undefined;
  const sizes = chunks.map(({ length }) => length).join(' ');
  return `seed ${seed}: ${wrong}\n${JSON.stringify(Buffer.from(bytes).toString('latin1'))}\ncut into ${sizes}`;
}

if (import.meta.main) fuzzFromArguments(fuzzOnce, 1_000_000);
