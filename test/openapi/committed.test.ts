// The files in openapi/ are those that this source generates, and they are valid. `bun src/main.ts openapi --write
// openapi` brings them up to date.

import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import SwaggerParser from '@apidevtools/swagger-parser';
import { Validator } from '@seriousme/openapi-schema-validator';
import builtIn from '../../plugins/gateway.config.ts';
import { openApiTexts } from '../../src/cli/describe.ts';
import { readEnvironment } from '../../src/environment.ts';

const folder = join(import.meta.dir, '../../openapi');
const texts = await openApiTexts(builtIn, { environment: readEnvironment(), modules: {} });

test('every face has its file, and no file is left over', () => {
  expect([...new Bun.Glob('*').scanSync(folder)].toSorted()).toEqual(Object.keys(texts).toSorted());
});

describe.each(Object.keys(texts))('openapi/%s', (file) => {
  test('is up to date', async () => {
    expect((await Bun.file(join(folder, file)).text()) === texts[file]).toBe(true);
  });

  test('is valid', async () => {
    const result = await new Validator().validate(JSON.parse(texts[file] ?? ''));
    expect(result.errors ?? []).toEqual([]);
    await SwaggerParser.validate(JSON.parse(texts[file] ?? ''));
  });
});
