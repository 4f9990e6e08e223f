// What a start asks of a config without TypeBox: the forms are TypeBox's own schemas, and nothing fits that TypeBox
// would refuse. Everything that is right in a usual config must fit, or starts are slow again.

import { expect, test } from 'bun:test';
import { Type, type TSchema } from '@sinclair/typebox';
import { Check } from '@sinclair/typebox/value';
import fc from 'fast-check';
import { join } from 'node:path';
import { fits } from '../../src/config/fits.ts';
import {
  anything, exactly, fields, fieldsAndMore, flag, list, named, oneOf, optional, text, whole, wholeBig, type Form,
} from '../../src/config/forms.ts';

const strict = { additionalProperties: false } as const;

test('a form is what TypeBox makes', () => {
  const pairs: readonly (readonly [Form, TSchema])[] = [
    [anything, Type.Unknown()],
    [flag, Type.Boolean()],
    [text(), Type.String()],
    [text({ pattern: '^a$', minLength: 1, maxLength: 2 }), Type.String({ pattern: '^a$', minLength: 1, maxLength: 2 })],
    [whole(0, 5), Type.Integer({ minimum: 0, maximum: 5 })],
    [wholeBig(0n, 5n), Type.BigInt({ minimum: 0n, maximum: 5n })],
    [exactly('a'), Type.Literal('a')],
    [oneOf([text(), flag]), Type.Union([Type.String(), Type.Boolean()])],
    [list(text(), { minItems: 1 }), Type.Array(Type.String(), { minItems: 1 })],
    [named(flag), Type.Record(Type.String(), Type.Boolean())],
    [optional(flag), Type.Optional(Type.Boolean())],
    [
      fields({ a: flag, b: optional(flag) }),
      Type.Object({ a: Type.Boolean(), b: Type.Optional(Type.Boolean()) }, strict),
    ],
    [fields({ a: optional(flag) }), Type.Partial(Type.Object({ a: Type.Boolean() }, strict), strict)],
    [fieldsAndMore({ a: flag }), Type.Object({ a: Type.Boolean() })],
  ];
  for (const [form, schema] of pairs) expect(symbolsShown(form)).toEqual(symbolsShown(schema));
});

/** TypeBox marks schemas by symbols, at which a comparison might not look. */
function symbolsShown(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(symbolsShown);
  const members = Reflect.ownKeys(value).map((key) => [String(key), symbolsShown(Reflect.get(value, key))]);
  return Object.fromEntries(members);
}

const leaf: fc.Arbitrary<TSchema> = fc.constantFrom(
  Type.Unknown(),
  Type.Any(),
  Type.Null(),
  Type.Boolean({ description: 'a remark', default: true }),
  Type.String(),
  Type.String({ minLength: 1, maxLength: 2 }),
  Type.String({ pattern: '^a' }),
  Type.String({ format: 'nobody-knows' }),
  Type.Integer({ minimum: 0, maximum: 2 }),
  Type.Integer({ exclusiveMinimum: 0 }),
  Type.Number({ multipleOf: 2 }),
  Type.BigInt({ minimum: 0n, maximum: 2n ** 63n - 1n }),
  Type.Literal('a'),
  Type.Literal(1),
  Type.Not(Type.String()),
  Type.Tuple([Type.String()]),
  Type.Undefined(),
  Type.Date(),
);
const { schema } = fc.letrec<{ schema: TSchema }>((tie) => ({
  schema: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('schema'), { minLength: 2, maxLength: 3 }).map((all) => Type.Union(all)),
    fc
      .tuple(tie('schema'), fc.constantFrom({}, { minItems: 1 }, { maxItems: 1 }, { uniqueItems: true }))
      .map(([items, rules]) => Type.Array(items, rules)),
    fc
      .tuple(
        fc.dictionary(fc.constantFrom('a', 'b', 'toString'), fc.tuple(tie('schema'), fc.boolean()), { maxKeys: 3 }),
        fc.constantFrom({}, strict, { minProperties: 2 }, { additionalProperties: Type.String() }),
      )
      .map(([members, rules]) => {
        const properties = Object.entries(members).map(([key, [one, isOptional]]) => [
          key,
          isOptional ? Type.Optional(one) : one,
        ]);
        return Type.Object(Object.fromEntries(properties), rules);
      }),
    fc
      .tuple(fc.constantFrom(Type.String(), Type.String({ pattern: '^a' })), tie('schema'), fc.constantFrom({}, strict))
      .map(([key, one, rules]) => Type.Record(key, one, rules)),
  ),
}));
const plain = fc.constantFrom<unknown>('', 'a', 'ab', 'abc', 'b', 0, 1, 2, 1.5, Number.NaN, -1, true, null, undefined);
const amounts = [0n, -1n, 2n ** 63n - 1n, 2n ** 63n];
const odd = fc.constantFrom<unknown>(...amounts, new Date(0), new Map(), new Uint8Array(1), () => 1);
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    plain,
    odd,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', 'toString'), tie('value'), { maxKeys: 3 }),
  ),
}));

test('nothing fits that TypeBox refuses', () => {
  const seen = { fitting: 0, refused: 0 };
  fc.assert(
    fc.property(schema, value, (one, found) => {
      const isRight = Check(one, found);
      const isFitting = fits(one, found);
      if (isFitting) seen.fitting++;
      if (!isRight) seen.refused++;
      return isRight || !isFitting;
    }),
    { numRuns: 4_000, seed: 7 },
  );
  expect(seen.fitting).toBeGreaterThan(300);
  expect(seen.refused).toBeGreaterThan(300);
});

test('bounds of amounts are exact', () => {
  const amount = wholeBig(0n, 2n ** 63n - 1n);
  expect([0n, 2n ** 63n - 1n, 2n ** 63n, -1n].map((one) => fits(amount, one))).toEqual([true, true, false, false]);
});

test('what is no schema of TypeBox fits nothing', () => {
  for (const one of [undefined, null, 'String', {}, { type: 'string' }, Type.Unsafe({ type: 'string' })])
    expect(fits(one, 'a')).toBe(false);
});

test('the built-in config is found right with every preset before anything of TypeBox is asked', async () => {
  const project = join(import.meta.dir, '../..');
  const program = `
    const { default: builtIn } = await import('${project}/plugins/gateway.config.ts');
    const { resolveConfig } = await import('${project}/src/config/resolve.ts');
    const asked = () => Object.keys(require.cache).some((path) => path.endsWith('/config/schema-errors.ts'));
    const at = { baseUrl: 'http://127.0.0.1:9' };
    const upstreams = builtIn.upstreams.map((one) => (one.name === 'simulator' ? { ...one, ...at } : one));
    const said = [undefined, ...Object.keys(builtIn.presets)].map((preset) => {
      const { ok } = resolveConfig({ ...builtIn, upstreams }, { secret: () => undefined, preset });
      return [ok, asked()];
    });
    const { ok } = resolveConfig({ ...builtIn, upstreams: 1 }, { secret: () => undefined, preset: undefined });
    console.log(JSON.stringify([...said, [ok, asked()]]));`;
  const child = Bun.spawn([process.execPath, '-e', program], { cwd: project, stdout: 'pipe' });
  expect(JSON.parse(await child.stdout.text())).toEqual([
    [true, false],
    [true, false],
    [true, false],
    [false, true],
  ]);
});
