// The documents are valid, complete, and the same as those that are committed. `bun src/main.ts openapi --write
// openapi` brings the files up to date.

import { describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SwaggerParser from '@apidevtools/swagger-parser';
import { Type } from '@sinclair/typebox';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Elysia } from 'elysia';
import { openapiCommand } from '../../src/cli/openapi.ts';
import type { PluginFacts } from '../../src/config/plugin-facts.ts';
import { clientDocument } from '../../src/http/openapi/client-document.ts';
import { documentText, generateDocuments } from '../../src/http/openapi/documents.ts';
import { objectOf, parseOwnJson } from '../../src/http/openapi/json.ts';
import type { JsonObject } from '../../src/http/openapi/json.ts';
import { pluginComponents } from '../../src/http/openapi/plugin-components.ts';
import { strict } from '../../src/http/admin/schemas.ts';
import { adminHarness } from '../http/admin/admin-harness.ts';

/** A face with everything that @elysiajs/swagger describes wrongly. */
function faultyFace() {
  return new Elysia()
    .model({ Key: Type.Object({ id: Type.String() }) })
    .get('/terms', () => ({ list: [] }), {
      query: Type.Object({ at: Type.Optional(Type.String({ examples: ['2026'] })) }),
      response: { 200: Type.Object({ list: Type.Array(Type.Union([Type.String(), Type.Null()])) }) },
      detail: { tags: ['Terms'], summary: 'All' },
    })
    .get('/terms/:document', () => [], {
      response: Type.Array(Type.Object({ n: Type.Integer() })),
      detail: { tags: ['Terms'], summary: 'One' },
    })
    .get('/optional/:part?', () => 'x', { detail: { tags: ['Terms'], summary: 'Optional' } })
    .post(
      '/terms/acceptances',
      ({ set }) => {
        set.status = 204;
      },
      {
        body: Type.Object(
          { version: Type.Literal('1'), extra: Type.Record(Type.String(), Type.Integer()) },
          { $id: 'acceptance#1' },
        ),
        response: { 204: Type.Void() },
        detail: { tags: ['Terms'], summary: 'Accept', security: [{ apiKey: [] }] },
      },
    )
    .get('/model', () => ({ id: '1' }), { response: { 200: 'Key' }, detail: { tags: ['Terms'], summary: 'Model' } })
    .get('/plain', () => 'x')
    .get('/files/*', () => 'x')
    .all('/any', () => 'x', { detail: { tags: ['Terms'], summary: 'Any' } })
    .ws('/socket', {});
}

/** A plugin whose options have all that OpenAPI has no form for. */
const oddPlugin: PluginFacts = {
  kind: 'billing',
  name: 'odd',
  version: '1.0.0',
  summary: 'Takes odd options',
  source: { kind: 'config' },
  schema: Type.Object(
    {
      least: Type.BigInt({ minimum: 0n }),
      since: Type.Date(),
      pattern: Type.RegExp(/^a/),
      whatever: Type.Optional(Type.Undefined()),
      kind: Type.Literal('a', { $id: 'kind#1', default: 'a' }),
      map: Type.Record(Type.String(), Type.Integer()),
    },
    { title: 'Anything' },
  ),
};
const apps = { admin: adminHarness().app, terms: faultyFace(), options: pluginComponents([oddPlugin]) };
const documents = await generateDocuments(apps, '0.0.0');

test('options of plugins are components, under the name of their plugin', () => {
  const schemas = objectOf(objectOf(objectOf(documents['admin.json'])['components'])['schemas']);
  const { description, title, properties } = objectOf(schemas['BillingRuleOptions.odd']);
  expect({ description, title }).toEqual({ description: 'Takes odd options (version 1.0.0)', title: undefined });
  expect(objectOf(properties)['least']).toMatchObject({ type: 'integer' });
});

async function errorsOf(document: JsonObject): Promise<readonly string[]> {
  const validator = new Validator();
  const result = await validator.validate(JSON.parse(documentText(document)));
  const parsed = await SwaggerParser.validate(JSON.parse(documentText(document))).then(
    () => [],
    (error: unknown) => [String(error)],
  );
  return [...(result.valid ? [] : [JSON.stringify(result.errors)]), ...parsed];
}

describe.each(Object.keys(documents))('%s', (name) => {
  const document = documents[name] ?? {};
  const operations = Object.entries(objectOf(document['paths'])).flatMap(([path, item]) =>
    Object.entries(objectOf(item)).map(([method, operation]) => ({
      at: `${method} ${path}`,
      operation: objectOf(operation),
    })),
  );

  test('is valid for two validators', async () => {
    expect(await errorsOf(document)).toEqual([]);
  });

  test('names each operation once', () => {
    const ids = operations.map(({ operation }) => operation['operationId']);
    expect(ids.length).toBeGreaterThan(3);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('describes the errors of each operation', () => {
    for (const { at, operation } of operations) {
      const statuses = Object.keys(objectOf(operation['responses']));
      expect([
        at,
        statuses.some((status) => status.startsWith('2')),
        statuses.includes('400'),
        statuses.includes('500'),
      ]).toEqual([at, true, true, true]);
    }
  });

  test('names no schema that it does not have', () => {
    const text = documentText(document);
    for (const [, kind, target] of text.matchAll(/"#\/components\/(\w+)\/(\w+)"/g)) {
      expect(Object.keys(objectOf(objectOf(document['components'])[kind ?? '']))).toContain(target ?? '');
    }
    expect(text).not.toContain('"$id"');
  });
});

describe('the admin document', () => {
  const admin = documents['admin.json'] ?? {};
  const operation = (path: string, method: string) => objectOf(objectOf(objectOf(admin['paths'])[path])[method]);

  test('asks for an operator key everywhere', () => {
    expect(admin['security']).toEqual([{ operatorKey: [] }]);
    expect(Object.keys(objectOf(objectOf(admin['components'])['securitySchemes']))).toEqual(['operatorKey']);
  });

  test('closes what it takes, opens what it answers, and takes JSON only', () => {
    const topUp = operation('/admin/v1/accounts/{id}/top-ups', 'post');
    const content = objectOf(objectOf(topUp['requestBody'])['content']);
    expect(Object.keys(content)).toEqual(['application/json']);
    expect(objectOf(objectOf(content['application/json'])['schema'])['additionalProperties']).toBe(false);
    expect(JSON.stringify(objectOf(objectOf(admin['components'])['schemas'])['Movement'])).not.toContain(
      'additionalProperties',
    );
    expect(JSON.stringify(topUp['parameters'])).toContain('#/components/parameters/IdempotencyKey');
  });

  test('says that query numbers are numbers', () => {
    const { parameters } = operation('/admin/v1/usage', 'get');
    expect(parameters).toContainEqual(
      expect.objectContaining({
        name: 'limit',
        required: false,
        schema: { type: 'integer', minimum: 1, maximum: 200, default: 50 },
      }),
    );
  });
});

test('a face of faults comes out whole', () => {
  const terms = documents['terms.json'] ?? {};
  expect(Object.keys(objectOf(terms['paths']))).toEqual([
    '/any',
    '/model',
    '/optional/{part}',
    '/plain',
    '/terms',
    '/terms/acceptances',
    '/terms/{document}',
  ]);
  expect(objectOf(objectOf(objectOf(terms['paths'])['/terms/acceptances'])['post'])['responses']).toMatchObject({
    204: { description: 'Done.' },
  });
  expect(documentText(terms)).not.toContain('multipart/form-data');
});

test('streaming is described for the client', () => {
  const chat = objectOf(objectOf(objectOf(clientDocument('1')['paths'])['/v1/chat/completions'])['post']);
  const content = objectOf(objectOf(objectOf(chat['responses'])['200'])['content']);
  expect(Object.keys(content)).toEqual(['application/json', 'text/event-stream']);
});

describe('the command', () => {
  const texts = { 'admin.json': '{"a":1}\n', 'client.json': '{"b":2}\n' };
  const run = async (...argv: readonly string[]) => {
    const lines: string[] = [];
    const code = await openapiCommand(argv, texts, {
      out: (line) => lines.push(line),
      error: (line) => lines.push(line),
    });
    return { code, text: lines.join('\n') };
  };

  test('prints one', async () => {
    expect(await run()).toEqual({ code: 0, text: '{"a":1}' });
    expect(await run('client')).toEqual({ code: 0, text: '{"b":2}' });
  });

  test('says what it does not understand', async () => {
    for (const argv of [
      ['nothing'],
      ['--write'],
      ['--check'],
      ['--strange'],
      ['admin', 'client'],
      ['--write', 'a', 'b'],
    ]) {
      expect((await run(...argv)).code).toBe(2);
    }
  });

  test('writes, and checks what it wrote', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tollgate-openapi-'));
    try {
      expect((await run('--check', folder)).code).toBe(1);
      expect((await run('--write', folder)).code).toBe(0);
      expect((await run('--check', folder)).code).toBe(0);
      expect(parseOwnJson(await Bun.file(join(folder, 'client.json')).text())).toEqual({ b: 2 });
      await Bun.write(join(folder, 'client.json'), '{}');
      const checked = await run('--check', folder);
      expect(checked.code).toBe(1);
      expect(checked.text).toContain('client.json');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
