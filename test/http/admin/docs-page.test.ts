// The docs page is served whole from this process, under a policy that lets nothing else in.

import { expect, test } from 'bun:test';
import { gunzipSync } from 'node:zlib';
import { newId } from '../../../src/core/ids.ts';
import { adminFace } from '../../../src/http/admin/admin-face.ts';
import { adminHarness } from './admin-harness.ts';

const face = () => adminFace({ app: adminHarness().app, newId });
const ask = (path: string, init: RequestInit = {}) => face()(new Request(`http://localhost${path}`, init));

const parts = [
  '/admin/docs',
  '/admin/docs/init.js',
  '/admin/docs/swagger-ui-bundle.js',
  '/admin/docs/swagger-ui.css',
  '/admin/docs/openapi.json',
];

test.each(parts)('%s is served, zipped for those who take it', async (path) => {
  const plain = await ask(path, { headers: { 'accept-encoding': 'identity' } });
  const zipped = await ask(path, { headers: { 'accept-encoding': 'br, gzip' } });
  expect([plain.status, zipped.status]).toEqual([200, 200]);
  expect(plain.headers.get('content-encoding')).toBeNull();
  expect(zipped.headers.get('content-encoding')).toBe('gzip');
  const bytes = await plain.bytes();
  expect(bytes.length).toBeGreaterThan(100);
  expect(gunzipSync(await zipped.bytes()).equals(bytes)).toBe(true);
  expect(plain.headers.get('content-security-policy')).toContain("script-src 'self';");
  expect(plain.headers.get('x-content-type-options')).toBe('nosniff');
});

test('the page has no script of its own and names no other host', async () => {
  const text = await (await ask('/admin/docs')).text();
  expect(text).not.toMatch(/https?:|\/\/[a-z]/i);
  expect([...text.matchAll(/<script\b([^>]*)>([^<]*)<\/script>/g)].map((script) => script[2])).toEqual(['', '']);
  expect(await (await ask('/admin/docs/init.js')).text()).toContain('validatorUrl: null');
});

test('an unchanged part is not sent again', async () => {
  const etag = (await ask('/admin/docs/swagger-ui.css')).headers.get('etag') ?? '';
  const again = await ask('/admin/docs/swagger-ui.css', { headers: { 'if-none-match': etag } });
  expect(again.status).toBe(304);
  expect((await again.bytes()).length).toBe(0);
});

test('the document is that of the mounted routes', async () => {
  const document: unknown = await (await ask('/admin/docs/openapi.json')).json();
  expect(document).toMatchObject({
    openapi: '3.1.0',
    info: { version: '1' },
    paths: { '/admin/v1/usage': { get: { operationId: 'listUsage' } } },
  });
});

test('the document is made once for all who ask, and anew when there is another one', async () => {
  let edition = 1;
  let made = 0;
  const options = () => {
    made += 1;
    return { [`ProviderOptions.of-${edition}`]: { type: 'object' } } as const;
  };
  const served = adminFace({ app: adminHarness().app, newId, options, edition: () => edition });
  const get = (headers: Record<string, string>) =>
    served(new Request('http://localhost/admin/docs/openapi.json', { headers }));
  const plain = { 'accept-encoding': 'identity' };
  const first = await get(plain);
  expect(await first.text()).toContain('ProviderOptions.of-1');
  for (const headers of [plain, plain, { 'accept-encoding': 'gzip' }]) expect((await get(headers)).status).toBe(200);
  expect(made).toBe(1);
  edition = 2;
  const second = await get({ ...plain, 'if-none-match': first.headers.get('etag') ?? '' });
  expect([second.status, (await second.text()).includes('ProviderOptions.of-2'), made]).toEqual([200, true, 2]);
});

test("only reading is allowed, and other paths are the API's", async () => {
  expect((await ask('/admin/docs', { method: 'POST' })).status).toBe(405);
  expect((await ask('/admin/docs', { method: 'HEAD' })).status).toBe(200);
  expect((await ask('/admin/docs/../v1/health')).status).toBe(401);
  expect((await ask('/admin/docs/package.json')).status).toBe(404);
  expect((await ask('/admin/v1/health')).status).toBe(401);
  expect((await ask('/admin')).status).toBe(404);
});
