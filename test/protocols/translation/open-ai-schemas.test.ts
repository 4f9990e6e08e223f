// What OpenAI would refuse of a schema is not sent to it: strictness is left out and listed, and an answer that is no
// object is refused for another upstream to serve.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { JsonObject, JsonValue } from '../../../src/plugin/conversation.ts';
import { plainLine } from '../../../src/plugin/protocol.ts';
import { protocolOf } from '../../../src/protocols/protocols.ts';
import { keepsToStrict } from '../../../src/protocols/translation/open-ai-strict.ts';
import { refusal, writtenTo } from '../translation-kit.ts';

const openAi = ['openai-chat', 'openai-responses'] as const;
const text = { type: 'string' } as const;

/** Closed, with all of these required. */
const object = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more,
});
const holding = (schema: JsonValue): JsonObject => object({ a: schema });

describe('a schema keeps to the strict part where', () => {
  test.each<[string, JsonObject]>([
    ['it has no properties', { type: 'object', properties: {}, additionalProperties: false }],
    ['a type may be null', holding({ type: ['string', 'null'] })],
    ['there are words about it', holding({ type: 'string', title: 'A', description: 'The first' })],
    ['its dialect is named', object({}, { $schema: 'http://json-schema.org/draft-07/schema#' })],
    ['values are listed', holding({ type: 'string', enum: ['a', 'b'] })],
    ['there is one value', holding({ type: 'string', const: 'a' })],
    ['it branches within', holding({ anyOf: [object({ b: text }), { type: 'null' }] })],
    ['a list has bounds', holding({ type: 'array', items: text, minItems: 1, maxItems: 2 })],
    ['a number has bounds', holding({ type: 'number', minimum: 0, exclusiveMaximum: 9, multipleOf: 2 })],
    ['a text has a pattern', holding({ type: 'string', pattern: '^a+$' })],
    ['it holds itself', holding({ type: 'array', items: { $ref: '#' } })],
    ['it refers to a definition', object({ a: { $ref: '#/$defs/b' } }, { $defs: { b: text } })],
    ['by the older word', object({ a: { $ref: '#/definitions/b' } }, { definitions: { b: text } })],
    ['a property has the name of a keyword', object({ allOf: text, not: text })],
  ])('%s', (_, schema) => {
    expect(keepsToStrict(schema)).toBe(true);
  });

  test.each(['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'uuid'])(
    'a text is a %s',
    (format) => {
      expect(keepsToStrict(holding({ type: 'string', format }))).toBe(true);
    },
  );
});

describe('a schema is outside where', () => {
  test.each<[string, JsonObject]>([
    ['its root is a list', { type: 'array', items: text }],
    ['its root is an object or null', { ...object({}), type: ['object', 'null'] }],
    ['its root branches', { anyOf: [object({}), object({ a: text })] }],
    ['its root is an object that branches', object({}, { anyOf: [object({})] })],
    ['its root refers to a definition', { $ref: '#/$defs/a', $defs: { a: object({}) } }],
    ['it says no properties', { type: 'object', additionalProperties: false }],
    ['a property is not required', object({ a: text }, { required: [] })],
    ['nothing is said of what is required', object({ a: text }, { required: undefined })],
    ['more is required than there is', object({ a: text }, { required: ['a', 'b'] })],
    ['another is required', object({ a: text }, { required: ['b'] })],
    ['it is open', object({}, { additionalProperties: true })],
    ['nothing is said of other properties', object({}, { additionalProperties: undefined })],
    ['other properties have a schema', object({}, { additionalProperties: text })],
    ['an object within is open', holding({ type: 'object', properties: {} })],
    ['an object that may be null is open', holding({ type: ['object', 'null'], properties: {} })],
    ['a property has no type', holding({})],
    ['a property has values and no type', holding({ enum: ['a'] })],
    ['a property has a list of no types', holding({ type: [] })],
    ['a property has an unknown type', holding({ type: 'date' })],
    ['a property may be anything', holding(true)],
    ['a list says nothing of its items', holding({ type: 'array' })],
    ['a list has a schema for each item', holding({ type: 'array', items: [text] })],
    ['a branch is outside', holding({ anyOf: [text, { type: 'object' }] })],
    ['there are no branches', holding({ anyOf: [] })],
    ['there are no values', holding({ type: 'string', enum: [] })],
    ['a value is no scalar', holding({ type: 'object', enum: [{}] })],
    ['words stand beside a reference', object({ a: { $ref: '#/$defs/b', description: 'B' } }, { $defs: { b: text } })],
    ['a reference leads nowhere', holding({ $ref: '#/$defs/b' })],
    ['a reference leads elsewhere', holding({ $ref: 'https://example.com/schema' })],
    ['a definition is outside', object({}, { $defs: { b: { type: 'object' } } })],
    ['a definition stands within', holding(object({}, { $defs: { b: text } }))],
  ])('%s', (_, schema) => {
    expect(keepsToStrict(schema)).toBe(false);
  });

  test.each<[string, JsonValue]>([
    ['allOf', [{}]],
    ['oneOf', [text]],
    ['not', {}],
    ['if', {}],
    ['then', {}],
    ['else', {}],
    ['patternProperties', {}],
    ['dependentRequired', {}],
    ['dependentSchemas', {}],
    ['propertyNames', {}],
    ['prefixItems', []],
    ['uniqueItems', true],
    ['minLength', 1],
    ['maxLength', 9],
    ['default', ''],
    ['nullable', true],
    ['format', 'uri'],
    ['format', 'int32'],
  ])('it has %s: %j', (name, value) => {
    expect(keepsToStrict(object({}, { [name]: value }))).toBe(false);
    expect(keepsToStrict(holding({ type: 'string', [name]: value }))).toBe(false);
  });
});

describe('the limits of a strict schema', () => {
  const names = (count: number, length = 0) => Array.from({ length: count }, (_, at) => `${at}`.padEnd(length, '-'));
  const wide = (count: number) => object(Object.fromEntries(names(count).map((name) => [name, text])));
  const listed = (count: number, length = 0) => holding({ type: 'string', enum: names(count, length) });
  const nested = (levels: number, around: (inner: JsonObject) => JsonObject) => {
    let schema: JsonObject = text;
    for (let level = 0; level < levels; level++) schema = around(schema);
    return schema;
  };
  const inList = (inner: JsonObject): JsonObject => ({ type: 'array', items: inner });

  test.each([
    ['10 levels of objects', nested(10, holding), nested(11, holding)],
    ['10 levels with lists', holding(nested(9, inList)), holding(nested(10, inList))],
    ['5,000 properties', wide(5_000), wide(5_001)],
    ['1,000 values', listed(1_000), listed(1_001)],
    ['15,000 characters of more than 250 values', listed(300, 50), listed(300, 51)],
    ['any characters of 250 values', listed(250, 100), listed(251, 100)],
    [
      '120,000 characters',
      holding({ ...text, const: 'x'.repeat(119_999) }),
      holding({ ...text, const: 'x'.repeat(120_000) }),
    ],
  ])('%s', (_, within, beyond) => {
    expect(keepsToStrict(within)).toBe(true);
    expect(keepsToStrict(beyond)).toBe(false);
  });

  test('branches are no level', () => {
    const branching = (inner: JsonObject) => holding({ anyOf: [inner, { type: 'null' }] });
    expect(keepsToStrict(nested(10, branching))).toBe(true);
    expect(keepsToStrict(nested(11, branching))).toBe(false);
  });
});

const { inner } = fc.letrec<{ inner: JsonObject }>((tie) => ({
  inner: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<JsonObject>(text, { type: ['integer', 'null'] }, { $ref: '#' }),
    fc.dictionary(fc.string(), tie('inner'), { maxKeys: 3 }).map((properties) => object(properties)),
    tie('inner').map((items) => ({ type: 'array', items })),
    fc.array(tie('inner'), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
  ),
}));

/** The same with a keyword that OpenAI does not take in one of its objects. */
function broken(schema: JsonObject, at: { left: number }): JsonObject {
  if (schema['type'] === 'object' && at.left-- === 0) return { ...schema, allOf: [] };
  return Object.fromEntries(
    Object.entries(schema).map(([name, member]) => {
      const each = (value: JsonValue | undefined): JsonValue => {
        if (Array.isArray(value)) return value.map(each);
        return typeof value === 'object' && value !== null
          ? broken(JSON.parse(JSON.stringify(value)), at)
          : (value ?? null);
      };
      return [name, each(member)];
    }),
  );
}

test('any schema of the strict part keeps to it, until one of its objects does not', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), inner, { maxKeys: 3 }), fc.nat(6), (properties, place) => {
      const schema = object(properties);
      expect(keepsToStrict(schema)).toBe(true);
      const at = { left: place };
      expect(keepsToStrict(broken(schema, at))).toBe(at.left >= 0);
    }),
  );
});

const loose = object({ a: text }, { required: [] });

function fromAnthropic(fields: JsonObject, upstream: (typeof openAi)[number], strictSchemas = true) {
  const { codec } = protocolOf('anthropic-messages');
  if (codec === undefined) throw new Error('anthropic-messages has no codec');
  const body = { model: 'm', max_tokens: 99, messages: [{ role: 'user', content: 'Hi' }], ...fields };
  return writtenTo(upstream, codec.parseRequest(body, plainLine), { strictSchemas, objectRoots: strictSchemas });
}

describe.each(openAi)('%s', (upstream) => {
  const chat = upstream === 'openai-chat';
  const offer = (input_schema: JsonObject, strict?: boolean) =>
    fromAnthropic({ tools: [{ name: 'f', input_schema, ...(strict === undefined ? {} : { strict }) }] }, upstream);
  const ask = (schema: JsonObject, strictSchemas = true) =>
    fromAnthropic({ output_config: { format: { type: 'json_schema', schema } } }, upstream, strictSchemas);
  const asFunction = (fields: JsonObject) => ({ tools: [chat ? { function: fields } : fields] });
  const asForm = (fields: JsonObject) =>
    chat ? { response_format: { json_schema: fields } } : { text: { format: fields } };

  test('a strict tool stays strict where its schema is', () => {
    const { body, losses } = offer(holding(text), true);
    expect(body).toMatchObject(asFunction({ parameters: holding(text), strict: true }));
    expect(losses).toEqual([]);
  });

  test('a strict tool whose schema is outside goes without, and its schema is not touched', () => {
    const { body, losses } = offer(loose, true);
    expect(JSON.stringify(body)).not.toContain('"strict":true');
    expect(body).toMatchObject(asFunction({ parameters: loose, ...(chat ? {} : { strict: false }) }));
    expect(losses).toEqual(['strict']);
  });

  test('nothing is lost where strictness was not asked for', () => {
    expect(offer(loose).losses).toEqual([]);
    expect(offer(loose, false)).toMatchObject({ body: asFunction({ strict: false }), losses: [] });
  });

  test('a function takes one plain object', () => {
    const { body, losses } = offer({ anyOf: [{ required: ['a'] }], properties: { a: text } });
    expect(body).toMatchObject(asFunction({ parameters: { type: 'object', properties: { a: text } } }));
    expect(JSON.stringify(body)).not.toContain('anyOf');
    expect(losses).toEqual(['schema-strictness']);
    expect(offer({ type: 'object' })).toMatchObject({
      body: asFunction({ parameters: { type: 'object', properties: {} } }),
      losses: [],
    });
  });

  test('a strict function without parameters is told so in full', () => {
    const { body, losses } = writtenTo(upstream, { tools: [{ kind: 'function', name: 'f', strict: true }] });
    expect(body).toMatchObject(asFunction({ parameters: object({}), strict: true }));
    expect(losses).toEqual([]);
  });

  test('the form of an answer likewise', () => {
    expect(ask(holding(text))).toMatchObject({ body: asForm({ strict: true }), losses: [] });
    const { body, losses } = ask(loose);
    expect(body).toMatchObject(asForm({ schema: loose, ...(chat ? {} : { strict: false }) }));
    expect(JSON.stringify(body)).not.toContain('"strict":true');
    expect(losses).toEqual(['schema-strictness']);
    const unasked = { kind: 'schema', schema: loose } as const;
    const written = writtenTo(upstream, { outputForm: unasked });
    expect(written).toMatchObject({ body: asForm({ schema: loose }), losses: [] });
    expect(JSON.stringify(written.body).includes('"strict":false')).toBe(!chat);
  });

  test.each<[string, JsonObject]>([
    ['a list', { type: 'array', items: text }],
    ['a text', text],
    ['an object or null', { ...object({}), type: ['object', 'null'] }],
    ['one of several', { anyOf: [object({})] }],
    ['anything', {}],
  ])('an answer that is %s is refused, strict or not', (_, schema) => {
    const why = 'response_format: has a schema that is not of "type": "object" at its root; wrap it in an object.';
    expect(refusal(() => ask(schema))).toStartWith(why);
    for (const strict of [true, false, undefined]) {
      const asked = { outputForm: { kind: 'schema', schema, strict } } as const;
      expect(refusal(() => writtenTo(upstream, asked, { objectRoots: true }))).toStartWith(why);
      // Others have rules of their own.
      expect(refusal(() => writtenTo(upstream, asked))).toBe('');
    }
    // Such a vendor may take it.
    expect(ask(schema, false).losses).toEqual(['schema-strictness']);
  });

  test.each([
    [{ responseSchema: { type: 'ARRAY', items: { type: 'STRING' } } }, false],
    [{ responseJsonSchema: { type: 'ARRAY', items: { type: 'STRING' } } }, false],
    [{ responseSchema: { type: 'OBJECT', nullable: true, properties: { a: { type: 'STRING' } } } }, false],
    [{ responseSchema: { type: 'OBJECT', properties: { a: { type: 'STRING' } } } }, true],
  ])("Gemini's %j", (config, taken) => {
    const { codec } = protocolOf('gemini-generate');
    const contents = [{ role: 'user', parts: [{ text: 'Hi' }] }];
    const conversation = codec?.parseRequest({ contents, generationConfig: config }, { ...plainLine, model: 'm' });
    const why = refusal(() => writtenTo(upstream, conversation ?? {}, { objectRoots: true }));
    if (taken) expect(why).toBe('');
    else expect(why).toStartWith('response_format: ');
  });
});
