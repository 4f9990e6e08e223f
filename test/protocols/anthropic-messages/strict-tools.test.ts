// Anthropic refuses a request with more strict tools, or more in their schemas, than it compiles: those that no longer
// fit are offered without, in the order of the tools.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Conversation, JsonObject, JsonValue } from '../../../src/plugin/conversation.ts';
import { isObject, listOf } from '../../../src/protocols/json-fields.ts';
import { written } from './messages-kit.ts';

const text: JsonObject = { type: 'string' };
const union: JsonObject = { type: ['string', 'null'] };

const times = (count: number, name: string, schema: JsonValue) =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`${name}${at}`, schema]));

/** A schema with so many properties that may be left out, and so many of several types. */
function schemaOf(optionals: number, unions: number): JsonObject {
  const unioned = times(unions, 'union', union);
  const properties = { ...times(optionals, 'optional', text), ...unioned };
  return { type: 'object', properties, required: Object.keys(unioned), additionalProperties: false };
}

function offered(schemas: readonly JsonObject[], more: Partial<Conversation> = {}) {
  const tools = schemas.map(
    (parameters, at) => ({ kind: 'function', name: `f${at}`, strict: true, parameters }) as const,
  );
  const { body, losses } = written({ tools, ...more });
  const strict = listOf(body['tools']).map((tool) => isObject(tool) && tool['strict'] === true);
  return { body, losses, strict };
}

const repeated = <Item>(count: number, item: Item): readonly Item[] => Array.from({ length: count }, () => item);
const formOf = (schema: JsonObject): Partial<Conversation> => ({ outputForm: { kind: 'schema', schema } });

describe('strict tools', () => {
  test('20 stay strict, and one more does not', () => {
    expect(offered(repeated(20, schemaOf(0, 0)))).toMatchObject({ losses: [], strict: repeated(20, true) });
    const { losses, strict } = offered(repeated(21, schemaOf(0, 0)));
    expect(losses).toEqual(['strict']);
    expect(strict).toEqual([...repeated(20, true), false]);
  });

  test.each([
    ['24 parameters that may be left out', schemaOf(24, 0), schemaOf(25, 0)],
    ['16 parameters of several types', schemaOf(0, 16), schemaOf(0, 17)],
  ])('%s fit, and one more does not', (_, within, beyond) => {
    expect(offered([within])).toMatchObject({ losses: [], strict: [true] });
    expect(offered([beyond])).toMatchObject({ losses: ['strict'], strict: [false] });
  });

  test('they count together, and a smaller one that comes later still fits', () => {
    const { losses, strict } = offered([
      schemaOf(20, 0),
      schemaOf(5, 0),
      schemaOf(4, 16),
      schemaOf(0, 1),
      schemaOf(0, 0),
    ]);
    expect(losses).toEqual(['strict']);
    expect(strict).toEqual([true, false, true, false, true]);
  });

  test('one that no longer fits goes as it came', () => {
    const parameters = { type: 'object', properties: times(17, 'a', union) };
    const { body, losses } = offered([parameters]);
    expect(body['tools']).toEqual([{ name: 'f0', input_schema: parameters }]);
    expect(losses).toEqual(['strict']);
  });

  test('those that are not strict, or not offered, take no part', () => {
    const loose = { kind: 'function', name: 'g', parameters: schemaOf(25, 17) } as const;
    const names = ['f'];
    const tools: Conversation['tools'] = [
      ...repeated(20, loose),
      { ...loose, name: 'h', strict: true, parameters: schemaOf(24, 16) },
      { ...loose, name: 'f', strict: true, parameters: schemaOf(24, 16) },
    ];
    const { losses, body } = written({ tools, toolChoice: { kind: 'allowed', mode: 'auto', names } });
    expect(losses).toEqual([]);
    expect(body).toMatchObject({ tools: [{ name: 'f', strict: true }] });
  });

  test.each([
    ['within an object', (inner: JsonObject) => ({ a: inner })],
    ['within a list', (inner: JsonObject) => ({ a: { type: 'array', items: inner } })],
    ['within a branch', (inner: JsonObject) => ({ a: { anyOf: [inner] } })],
  ])('they count %s', (_, around) => {
    const holding = (inner: JsonObject): JsonObject => ({
      ...schemaOf(0, 0),
      properties: around(inner),
      required: ['a'],
    });
    expect(offered([holding(schemaOf(24, 15))]).strict).toEqual([true]);
    expect(offered([holding(schemaOf(25, 0))]).strict).toEqual([false]);
    expect(offered([holding(schemaOf(0, 17))]).strict).toEqual([false]);
  });

  test('what is defined counts once, and `oneOf` as the `anyOf` that it would become', () => {
    const properties = times(3, 'a', { $ref: '#/$defs/b' });
    const referring = (b: JsonObject) => ({
      ...schemaOf(0, 0),
      properties,
      required: Object.keys(properties),
      $defs: { b },
    });
    expect(offered([referring(schemaOf(24, 16))]).strict).toEqual([true]);
    expect(offered([referring(schemaOf(25, 0))]).strict).toEqual([false]);
    expect(offered([{ ...schemaOf(0, 0), properties: { a: { oneOf: [text] } } }]).losses).toEqual(['strict']);
  });
});

describe('the form of an answer', () => {
  test('takes its part first, whether or not it was asked to be strict', () => {
    expect(offered([schemaOf(4, 6)], formOf(schemaOf(20, 10)))).toMatchObject({ losses: [], strict: [true] });
    expect(offered([schemaOf(5, 0)], formOf(schemaOf(20, 10))).losses).toEqual(['strict']);
    expect(offered([schemaOf(0, 7)], formOf(schemaOf(20, 10))).losses).toEqual(['strict']);
  });

  test('is no tool', () => {
    expect(offered(repeated(20, schemaOf(0, 0)), formOf(schemaOf(0, 0))).losses).toEqual([]);
  });
});

test('whatever the tools are, each is strict that fits beside the strict ones before it', () => {
  const sizes = fc.tuple(fc.nat(12), fc.nat(9));
  fc.assert(
    fc.property(fc.array(sizes, { minLength: 1, maxLength: 40 }), sizes, (tools, [formOptionals, formUnions]) => {
      let [count, optionals, unions] = [0, formOptionals, formUnions];
      const expected = tools.map(([moreOptionals, moreUnions]) => {
        if (count === 20 || optionals + moreOptionals > 24 || unions + moreUnions > 16) return false;
        [count, optionals, unions] = [count + 1, optionals + moreOptionals, unions + moreUnions];
        return true;
      });
      const { strict, losses } = offered(
        tools.map(([some, others]) => schemaOf(some, others)),
        formOf(schemaOf(formOptionals, formUnions)),
      );
      expect(strict).toEqual(expected);
      expect(losses).toEqual(expected.includes(false) ? ['strict'] : []);
    }),
  );
});
