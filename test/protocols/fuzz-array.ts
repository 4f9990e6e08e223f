// Holds the splitter of arrays against `JSON.parse`, on as many random inputs as asked for: `bun
// test/protocols/fuzz-array.ts [COUNT] [SEED]`, a hundred thousand by default. Each input has a seed of its own.

import { isDeepStrictEqual } from 'node:util';
import { ArraySplitter, closesArray } from '../../src/core/array-splitter.ts';
import { bounds } from '../../src/core/bounds.ts';
import { seededChance } from '../support/seeded-chance.ts';
import type { Chance } from '../support/seeded-chance.ts';
import { fuzzFromArguments } from './fuzz-run.ts';

const one = <T>(list: readonly T[], chance: Chance, otherwise: T): T => list[chance(list.length)] ?? otherwise;

const spaces = ['', '', '', ' ', '\n', '\r\n', '\t', '\n  ', '   \r\n   '];
const space = (chance: Chance): string => one(spaces, chance, '');

/** What a string may hold that looks like something else, and what is split in many bytes. */
const stringPieces = '[|]|{|}|,|:| |a|é|漢字|🦊|\\"|\\\\|\\\\\\"|\\n|\\u005d|\\u0022|}]|,\\r\\n'
  .split('|')
  .concat('x'.repeat(50), '\\\\'.repeat(30), '\\"'.repeat(30), `${'y'.repeat(45)}\\\\`);

function stringText(chance: Chance): string {
  let text = '';
  for (let n = chance(6); n > 0; n--) text += one(stringPieces, chance, '');
  return `"${text}"`;
}

const words = ['0', '-1.5e+9', 'true', 'false', 'null', '123456789'];

function valueText(chance: Chance, depth: number): string {
  const kind = chance(depth > 3 ? 4 : 10);
  if (kind < 2) return one(words, chance, '0');
  if (kind < 4) return stringText(chance);
  const s = () => space(chance);
  const list = Array.from({ length: chance(4) }, () => valueText(chance, depth + 1));
  if (kind < 6) return `[${s()}${list.join(`${s()},${s()}`)}${s()}]`;
  return `{${s()}${list.map((each) => `${stringText(chance)}${s()}:${s()}${each}`).join(`${s()},${s()}`)}${s()}}`;
}

/** As deep as may be, or a little deeper. */
function deepText(chance: Chance): string {
  const depth = bounds.requestDepth - 1 + chance(3);
  return chance(2) === 0 ? '['.repeat(depth) + ']'.repeat(depth) : `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
}

export interface ArrayInput {
  readonly bytes: Uint8Array;
  /** Where its elements end, of an input that is a whole array or was cut; undefined of one that was spoilt. */
  readonly ends: readonly number[] | undefined;
}

export function randomArray(chance: Chance): ArrayInput {
  const ends: number[] = [];
  let text = `${space(chance)}[${space(chance)}`;
  for (let n = chance(6), at = 0; at < n; at++) {
    if (at > 0) text += `${space(chance)},${space(chance)}`;
    text += chance(60) === 0 ? deepText(chance) : valueText(chance, 0);
    ends.push(Buffer.byteLength(text));
  }
  text += `${space(chance)}]${space(chance)}`;
  const whole = Buffer.from(text);
  const way = chance(4);
  if (way === 0) return { bytes: whole, ends };
  if (way === 1) return { bytes: whole.subarray(0, chance(whole.length + 1)), ends };
  return { bytes: spoilt(whole, chance), ends: undefined };
}

const spoiling = [']', '[', '{', '}', ',', ',,', '"', '\\', ':', ' ', '0', '[]', 'x', '\ufeff', '\u0000', ']x', '][1]'];

function spoilt(whole: Buffer, chance: Chance): Uint8Array {
  let bytes = whole;
  for (let n = 1 + chance(3); n > 0; n--) {
    const at = chance(3) === 0 ? bytes.length : chance(bytes.length + 1);
    const piece = Buffer.from(one(spoiling, chance, ''));
    bytes = Buffer.concat([
      bytes.subarray(0, at),
      chance(3) === 0 ? Buffer.alloc(0) : piece,
      bytes.subarray(at + chance(2)),
    ]);
  }
  return bytes;
}

/** Whole, by byte, or in pieces of random sizes, empty ones among them. */
function cut(bytes: Uint8Array, chance: Chance): readonly Uint8Array[] {
  const most = one([1, 2, 2 + chance(8), 2 + chance(200)], chance, 1);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = most === 1 ? 1 : chance(most);
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

interface Split {
  readonly elements: readonly string[];
  /** Bytes handed out up to each one's end. */
  readonly ends: readonly number[];
  readonly handed: string;
  readonly closed: boolean;
  /** Nothing more would be handed out. */
  readonly stopped: boolean;
}

function split(chunks: readonly Uint8Array[], eventBytes: number): Split {
  const elements: string[] = [];
  const ends: number[] = [];
  let closed = false;
  let handed = 0;
  // Not copies: what was handed out must stay as it was.
  const pieces: Uint8Array[] = [];
  const splitter = new ArraySplitter(
    {
      event: (view) => {
        pieces.push(view.bytes.subarray(view.start, view.end));
        handed += view.end - view.start;
        if (closesArray(view)) closed = true;
        else {
          elements.push(Buffer.from(view.data.subarray(view.dataStart, view.dataEnd)).toString('latin1'));
          ends.push(handed);
        }
      },
      part: () => {
        throw new Error('elements are never handed out in parts');
      },
    },
    { eventBytes },
  );
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  const stopped = splitter.broken || splitter.oversized || closed;
  return { elements, ends, handed: Buffer.concat(pieces).toString('latin1'), closed, stopped };
}

/** Bytes beyond ASCII stand for themselves here, within strings and elsewhere. */
function parsed(latin1: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(latin1) };
  } catch {
    return undefined;
  }
}

/** Most brackets that are open at once within the elements of an array, whole or cut. */
function depthOf(text: string): number {
  let most = 0;
  let depth = -1;
  for (const character of text.replace(/"(?:\\.|[^"\\])*"?/g, '')) {
    if (character === '[' || character === '{') most = Math.max(most, ++depth);
    else if (character === ']' || character === '}') depth--;
  }
  return most;
}

/** What is wrong with the reading of one input; undefined if nothing is. */
function complaint({ bytes, ends }: ArrayInput, got: Split): string | undefined {
  const text = Buffer.from(bytes).toString('latin1');
  if (!text.startsWith(got.handed)) return 'bytes differ';
  const values = got.elements.map(parsed);
  const whole = parsed(text);
  const tooDeep = depthOf(text) > bounds.requestDepth;
  if (Array.isArray(whole?.value) && !tooDeep) {
    if (!got.closed) return 'a whole array was not closed';
    if (
      !isDeepStrictEqual(
        values.map((each) => each?.value),
        whole.value,
      )
    )
      return 'other elements';
    return undefined;
  }
  const behind = text.slice(got.handed.length);
  if (got.closed && values.every((each) => each !== undefined) && /^[ \t\r\n]*$/.test(behind))
    return 'what is no array was read as one';
  // A number or a word has ended when something else was seen behind it.
  const seen = ends?.filter((end) => end < text.length || (end === text.length && /["\]}]/.test(text[end - 1] ?? '')));
  if (seen !== undefined && !tooDeep && !isDeepStrictEqual(got.ends, seen)) return 'elements were missed';
  return undefined;
}

/** One input and its cuts, all out of this seed. */
export function fuzzOnce(seed: number): string | undefined {
  const chance = seededChance(seed);
  const input = randomArray(chance);
  const chunks = cut(input.bytes, chance);
  // One in eight runs at a bound so small that elements outgrow it: then it is only held to be so however it is cut.
  const tight = chance(8) === 0;
  const eventBytes = tight ? 1 + chance(100) : bounds.eventBytes;
  const got = split(chunks, eventBytes);
  const alike = isDeepStrictEqual(got, split([input.bytes], eventBytes));
  const wrong = alike ? (tight ? undefined : complaint(input, got)) : 'another reading when it is cut';
  if (wrong === undefined) return undefined;
  const sizes = chunks.map(({ length }) => length).join(' ');
  return `seed ${seed}: ${wrong}\n${JSON.stringify(Buffer.from(input.bytes).toString('latin1'))}\ncut into ${sizes}`;
}

if (import.meta.main) fuzzFromArguments(fuzzOnce, 100_000);
