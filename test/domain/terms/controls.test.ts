// Built-in controls that are endpoints exist: each stands in one of the committed API documents.

import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { builtInControls, endpointsOf } from '../../../src/domain/terms/controls.ts';

test('every endpoint that is said to keep a clause is in an API document', async () => {
  const folder = join(import.meta.dir, '../../../openapi');
  const documents: readonly unknown[] = await Promise.all(
    ['admin.json', 'terms.json'].map((file) => Bun.file(join(folder, file)).json()),
  );
  const endpoints = endpointsOf(builtInControls);
  expect(endpoints.length).toBeGreaterThan(2);
  const missing = endpoints.filter(({ method, path }) =>
    documents.every((document) => Object(Object(Object(document).paths)[path])[method.toLowerCase()] === undefined),
  );
  expect(missing).toEqual([]);
});
