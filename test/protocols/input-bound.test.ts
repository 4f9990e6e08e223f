// Whether a body refers to something outside itself is searched for only where the scan noticed a string that ends so:
// that must change nothing but the time.

import { describe, expect, test } from 'bun:test';
import { stringEnd } from '../../src/core/json-cursor.ts';
import type { JsonObject, JsonValue } from '../../src/plugin/conversation.ts';
import { plainLine } from '../../src/plugin/protocol.ts';
import { protocolOf } from '../../src/protocols/protocols.ts';
import { seededChance } from '../support/seeded-chance.ts';

const plainWords = `image_url url _url file my_file profile file_id input_image image video document audio input_audio
  inlineData file_data fileUri data item_reference image_generation_call additional_tools tools computer_screenshot
  container_id text content e`.split(/\s+/);
const oddWords = ['', 'file"', '"image', '\\file', 'a file', 'see "file"', 'im\u00e4ge', '\\u0066ile', 'image\n'];
const longWords = ['x'.repeat(60), `${'y'.repeat(50)}"_url`];
const words: readonly string[] = [...plainWords, ...oddWords, ...longWords];
const chance = seededChance(20_261_129);
const random = (): number => chance(1_000) / 1_000;
const pick = <T>(from: readonly T[]): T => {
  const picked = from[chance(from.length)];
  if (picked === undefined) throw new Error('nothing to pick from');
  return picked;
};

function value(depth: number): JsonValue {
  const kind = random();
  if (depth === 0 || kind < 0.4) return pick<JsonValue>([pick(words), 'text', 'content', 7, null, true]);
  const inner = Array.from({ length: chance(3) }, () => value(depth - 1));
  if (kind < 0.6) return inner;
  return Object.fromEntries(inner.map((each) => [random() < 0.8 ? 'text' : pick(words), each]));
}

const bound = (protocol: Parameters<typeof protocolOf>[0], body: JsonObject): number | undefined =>
  protocolOf(protocol).readRequest(Buffer.from(JSON.stringify(body)), { ...plainLine, model: 'm' }).inputBound;

/** Noticed, and of no weight where it stands. */
const beside = { 'not-known-to-anyone': 'file' };

describe('a body refers to something outside itself, noticed or not', () => {
  const cases = [
    ['openai-chat', (list) => ({ model: 'm', messages: list })],
    ['openai-responses', (list) => ({ model: 'm', input: list })],
    ['anthropic-messages', (list) => ({ model: 'm', max_tokens: 9, messages: list })],
    ['openai-embeddings', (list) => ({ model: 'm', input: list })],
  ] as const satisfies readonly (readonly [string, (list: JsonValue) => JsonObject])[];

  test.each(cases)('%s', (protocol, bodyOf) => {
    const seen = { bounded: 0, unbounded: 0 };
    for (let round = 0; round < 3_000; round++) {
      const body = bodyOf([value(3), value(2)]);
      const alone = bound(protocol, body);
      expect([JSON.stringify(body), alone === undefined]).toEqual([
        JSON.stringify(body),
        bound(protocol, { ...body, ...beside }) === undefined,
      ]);
      seen[alone === undefined ? 'unbounded' : 'bounded']++;
    }
    expect(Math.min(seen.bounded, seen.unbounded)).toBeGreaterThan(100);
  });

  test('gemini-generate', () => {
    const outside = /(?:inlineData|inline_data|fileData|file_data|fileUri|file_uri)"|\\u00[4-7]/;
    for (let round = 0; round < 3_000; round++) {
      const body = { contents: [value(3), value(2)] };
      const text = JSON.stringify(body);
      expect([text, bound('gemini-generate', body) === undefined]).toEqual([text, outside.test(text)]);
    }
  });
});

describe('the end of a string', () => {
  test('is found where a walk over every byte finds it, whatever is escaped how densely', () => {
    const pieces = ['"', '\\', 'a', 'prose and more of it ', 'x'.repeat(33), '\n', '\\"', 'é', 'y'.repeat(100)];
    for (let round = 0; round < 3_000; round++) {
      const few = pieces.filter(() => random() < 0.6);
      const text = Array.from({ length: chance(60) }, () => pick([...few, 'z'])).join('');
      const bytes = Buffer.from(`${JSON.stringify(text)},"after"`);
      expect(stringEnd(bytes, 1, bytes.length)).toBe(Buffer.byteLength(JSON.stringify(text)) - 1);
    }
  });
});
