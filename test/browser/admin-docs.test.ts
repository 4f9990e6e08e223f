// The docs page in a real browser with no network: an operator enters a key, tries a call, and sees its answer.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'puppeteer-core';
import { newId } from '../../src/core/ids.ts';
import { adminFace } from '../../src/http/admin/admin-face.ts';
import { adminHarness, keys } from '../http/admin/admin-harness.ts';
import { findBrowser, launchClosed } from './browser.ts';
import type { ClosedBrowser } from './browser.ts';

const STARTUP_MS = 120_000;
const STEP_MS = 20_000;

const found = await findBrowser();
if ('missing' in found) console.warn(`test/browser is skipped: ${found.missing}`);

describe.skipIf('missing' in found)('the docs page (skipped without a browser)', () => {
  let closed: ClosedBrowser;
  let server: ReturnType<typeof Bun.serve>;
  let page: Page;
  const requested: string[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    if ('missing' in found) return;
    const face = adminFace({ app: adminHarness().app, newId });
    server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: face });
    closed = await launchClosed(found);
    page = await closed.browser.newPage();
    page.setDefaultTimeout(STEP_MS);
    await page.setViewport({ width: 1200, height: 1400 });
    page.on('request', (request) => void requested.push(request.url()));
    page.on(
      'console',
      (message) => void (['error', 'warn'].includes(message.type()) && complaints.push(message.text())),
    );
    page.on('pageerror', (error) => void complaints.push(String(error)));
  }, STARTUP_MS);

  const click = async (selector: string): Promise<void> => {
    await page.waitForSelector(selector, { visible: true });
    await page.click(selector);
  };

  afterAll(async () => {
    await closed?.close();
    await server?.stop(true);
  });

  test(
    'lets an operator authorise and call the API',
    async () => {
      await page.goto(`http://127.0.0.1:${server.port}/admin/docs`, { waitUntil: 'load' });
      await page.waitForSelector('#operations-Health-getHealth');

      await click('.scheme-container button.authorize');
      await page.waitForSelector('.auth-container input');
      await page.type('.auth-container input', keys.admin);
      await click('.auth-btn-wrapper button.authorize');
      await click('.auth-btn-wrapper button.btn-done');

      await click('#operations-Health-getHealth .opblock-summary-control');
      await click('#operations-Health-getHealth .try-out__btn');
      await click('#operations-Health-getHealth button.execute');
      const answered = '#operations-Health-getHealth .live-responses-table .response-col_status';
      await page.waitForSelector(answered);
      const status = await page.$$eval(answered, (cells) => cells.map((cell) => cell.textContent?.trim() ?? ''));
      expect(status.some((text) => text.startsWith('200'))).toBe(true);
      expect(
        await page.$eval('#operations-Health-getHealth .live-responses-table', (table) => table.textContent),
      ).toContain('1.2.3');

      const picture = join(await mkdtemp(join(tmpdir(), 'tollgate-docs-')), 'admin-docs.png');
      await page.screenshot({ path: picture });
      expect(await Bun.file(picture).exists()).toBe(true);
      if (process.env['TOLLGATE_SHOW_PICTURES'] !== undefined) console.log(picture);
    },
    STARTUP_MS,
  );

  test(
    'keeps the key over a reload',
    async () => {
      await page.reload({ waitUntil: 'load' });
      await page.waitForSelector('.scheme-container button.authorize.locked');
    },
    STARTUP_MS,
  );

  test('breaks no rule of its own policy', () => {
    expect(complaints).toEqual([]);
  });

  test('asks this gateway only', () => {
    expect(requested.length).toBeGreaterThan(4);
    const elsewhere = requested.filter(
      (url) => !url.startsWith('data:') && new URL(url).host !== `127.0.0.1:${server.port}`,
    );
    expect(elsewhere).toEqual([]);
    expect(closed.escapes).toEqual([]);
  });

  test(
    'would have been seen asking elsewhere',
    async () => {
      const other = await closed.browser.newPage();
      await other.goto('http://elsewhere.example/', { timeout: STEP_MS }).catch(() => {});
      expect(closed.escapes.join()).toContain('elsewhere.example');
    },
    STARTUP_MS,
  );
});
