// What operators see of terms: documents, versions, evidence, and which promise nobody keeps.

import { expect, test } from 'bun:test';
import { createControlRegistry } from '../../../src/domain/terms/clause-matrix.ts';
import { builtInControls } from '../../../src/domain/terms/controls.ts';
import { termsAdminRoutes } from '../../../src/http/admin/routes/terms.ts';
import { setUpTerms, someone, somewhere } from '../../domain/terms/terms-store-setup.ts';
import { termsText } from '../../domain/terms/terms-text.ts';
import { adminHarness } from '../admin/admin-harness.ts';

async function setUp() {
  const setup = setUpTerms();
  const terms = await setup.open(
    termsText({ version: '1' }),
    termsText({ version: '2', effective: '2026-03-01' }),
  );
  const controls = createControlRegistry();
  controls.registerControls(builtInControls);
  const clock = { now: setup.now, monotonicMs: setup.now };
  const { call } = adminHarness([termsAdminRoutes({ terms, controls, clock })]);
  return { terms, get: async (path: string) => (await call('GET', `/admin/v1${path}`)).json, call };
}

test('lists documents and versions, and gives each text', async () => {
  const { get, call } = await setUp();
  expect(await get('/terms')).toMatchObject({
    items: [{ document: 'service', version: '1', announced: { version: '2' } }],
    nextCursor: null,
  });
  expect(await get('/terms/versions')).toMatchObject({ items: [{ version: '2' }, { version: '1' }] });
  expect(await get('/terms/versions?document=other')).toMatchObject({ items: [] });
  expect(await get('/terms/versions/service/2')).toMatchObject({
    version: '2',
    text: termsText({ version: '2', effective: '2026-03-01' }),
  });
  expect((await call('GET', '/admin/v1/terms/versions/service/3')).status).toBe(404);
});

test('lists acceptances by account, document and version, in pages', async () => {
  const { terms, get, call } = await setUp();
  const sha256 = terms.version('service', '1')?.sha256 ?? '';
  for (const name of ['a', 'b', 'c'])
    await terms.accept({ document: 'service', version: '1', sha256 }, someone(name), somewhere);
  const page = await get('/terms/acceptances?limit=2');
  expect(page).toMatchObject({
    items: [
      { accountId: 'acc_c', address: '203.0.113.9', country: 'SG', method: 'explicit', userAgent: 'curl/8' },
      { accountId: 'acc_b' },
    ],
  });
  expect(await get(`/terms/acceptances?limit=2&cursor=${String(page['nextCursor'])}`)).toMatchObject({
    items: [{ accountId: 'acc_a' }],
    nextCursor: null,
  });
  expect(await get('/terms/acceptances?accountId=acc_b&document=service&version=1')).toMatchObject({
    items: [{ accountId: 'acc_b' }],
  });
  expect(await get('/terms/acceptances?version=2')).toMatchObject({ items: [] });
  expect((await call('GET', '/admin/v1/terms/acceptances?accountId=nobody')).status).toBe(400);
});

test('shows the matrix of clauses and controls, announced versions included', async () => {
  const { get } = await setUp();
  expect(await get('/terms/clauses')).toMatchObject({
    items: [
      { version: '1', id: 'S3.1', controls: [], kept: false },
      { version: '1', id: 'S7', controls: ['control:acceptance-records'], kept: true },
      { version: '2', id: 'S3.1', kept: false },
      { version: '2', id: 'S7', kept: true },
    ],
    nextCursor: null,
  });
});
