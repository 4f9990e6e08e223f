// The terms face: what anybody can read, in which form, and what an account can accept.

import { describe, expect, test } from 'bun:test';
import { setUpTerms } from '../../domain/terms/terms-store-setup.ts';
import { termsText } from '../../domain/terms/terms-text.ts';
import { pageFrom, termsFace } from './terms-face.ts';

const first = termsText({ version: '1', acceptance: 'explicit' });
const second = termsText({ version: '2', acceptance: 'explicit', effective: '2026-03-01' });

async function setUp() {
  const setup = setUpTerms();
  const terms = await setup.open(
    first,
    second,
    termsText({ document: 'rules', body: '## S9 Manners {enforced}\n\nBe kind.' }),
  );
  const sha256 = (version: string) => terms.version('service', version)?.sha256 ?? '';
  return { ...termsFace(terms, setup.now), terms, setup, sha256 };
}

describe('reading', () => {
  test('lists the documents in force with what is announced, in pages', async () => {
    const { get, sha256 } = await setUp();
    const response = await get('/terms');
    expect(response.status).toBe(200);
    const page = await response.json();
    expect(page).toMatchObject({
      nextCursor: null,
      items: [
        { document: 'rules', version: '2026-01', acceptance: 'use', announced: null },
        {
          document: 'service',
          version: '1',
          sha256: sha256('1'),
          effectiveAt: '2026-01-01T00:00:00.000Z',
          acceptance: 'explicit',
          governingLaw: 'Law of nowhere',
          link: '/terms/service/versions/1',
          announced: { version: '2', effectiveAt: '2026-03-01T00:00:00.000Z' },
        },
      ],
    });
    const one = pageFrom(await (await get('/terms?limit=1')).json());
    expect(one.items.length).toBe(1);
    expect(await (await get(`/terms?limit=1&cursor=${one.nextCursor}`)).json()).toMatchObject({
      items: [{ document: 'service' }],
      nextCursor: null,
    });
    expect((await get('/terms?cursor=zzz')).status).toBe(400);
    expect((await get('/terms?limit=0')).status).toBe(400);
    expect((await get('/terms?page=2')).status).toBe(400);
  });

  test('gives the current text as JSON, as Markdown and to browsers, the same to the last byte', async () => {
    const { get, sha256 } = await setUp();
    expect(await (await get('/terms/service')).json()).toMatchObject({
      version: '1',
      text: first,
      sha256: sha256('1'),
    });
    const forms = {
      'text/markdown': 'text/markdown',
      'text/html,application/xhtml+xml,*/*;q=0.8': 'text/plain',
      'application/json;q=0.1, text/plain': 'text/plain',
    };
    for (const [accept, type] of Object.entries(forms)) {
      const response = await get('/terms/service', { accept });
      expect(response.headers.get('content-type')).toBe(`${type}; charset=utf-8`);
      expect(new Bun.CryptoHasher('sha256').update(await response.bytes()).digest('hex')).toBe(sha256('1'));
      expect(response.headers.get('etag')).toBe(`"${sha256('1')}"`);
    }
    for (const accept of ['*/*', 'application/json, text/html;q=0.5', 'image/png', 'x'.repeat(5_000)]) {
      expect((await get('/terms/service', { accept })).headers.get('content-type')).toContain(
        'application/json',
      );
    }
  });

  test('gives any version by name, and all of them', async () => {
    const { get } = await setUp();
    expect(await (await get('/terms/service/versions/2')).json()).toMatchObject({
      version: '2',
      text: second,
    });
    expect(await (await get('/terms/service/versions')).json()).toMatchObject({
      items: [{ version: '2' }, { version: '1' }],
      nextCursor: null,
    });
    for (const path of [
      '/terms/other',
      '/terms/other/versions',
      '/terms/service/versions/9',
      '/terms/other/clauses',
      '/terms/..%2Fadmin',
      '/terms/constructor',
    ]) {
      const response = await get(path);
      expect(response.status).toBe(404);
      expect(response.headers.get('content-type')).toBe('application/problem+json');
    }
  });

  test('a document that is only announced says where its versions are', async () => {
    const setup = setUpTerms();
    const terms = await setup.open(second);
    const { get } = termsFace(terms, setup.now);
    expect(await (await get('/terms/service')).json()).toMatchObject({
      status: 404,
      detail: expect.stringContaining('/terms/service/versions'),
    });
    expect(await (await get('/terms/service/versions/2')).json()).toMatchObject({ version: '2' });
  });

  test('shows clause by clause what keeps it', async () => {
    const { get, controls } = await setUp();
    controls.registerControls([{ control: 'policy:region', clauses: ['S3.1'] }]);
    expect(pageFrom(await (await get('/terms/service/clauses')).json()).items).toEqual([
      {
        id: 'S3.1',
        title: 'Regions',
        kind: 'enforced',
        text: 'Not everywhere.',
        limitsLiability: true,
        material: true,
        controls: ['policy:region'],
      },
      {
        id: 'S7',
        title: 'Changes',
        kind: 'recorded',
        text: 'By going on.',
        limitsLiability: false,
        material: false,
        controls: ['control:acceptance-records'],
      },
    ]);
  });

  test('a wrong method names the right ones', async () => {
    const { ask } = await setUp();
    const response = await ask('DELETE', '/terms/service');
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET']);
  });
});

describe('accepting', () => {
  test('keeps the evidence of who accepted what from where, and says so', async () => {
    const { accept, acceptances, terms, setup, sha256 } = await setUp();
    const response = await accept({ document: 'service', version: '1', sha256: sha256('1') });
    expect(response.status).toBe(201);
    const record = await response.json();
    expect(record).toMatchObject({
      accountId: 'acc_a',
      apiKeyId: 'key_a',
      userId: null,
      document: 'service',
      version: '1',
      sha256: sha256('1'),
      method: 'explicit',
      address: '203.0.113.9',
      country: 'SG',
      acceptedAt: '2026-02-01T00:00:00.000Z',
    });
    expect(terms.standing('acc_a', setup.now()).find((one) => one.document === 'service')?.acceptedAt).toBe(
      setup.now(),
    );
    expect(await (await acceptances()).json()).toEqual({ items: [record], nextCursor: null });
    expect(await (await acceptances('key-of-b')).json()).toEqual({ items: [], nextCursor: null });
  });

  test("needs a key, also to read one's own", async () => {
    const { accept, acceptances, sha256 } = await setUp();
    expect((await accept({ document: 'service', version: '1', sha256: sha256('1') }, 'nobody')).status).toBe(
      401,
    );
    expect((await acceptances('nobody')).status).toBe(401);
  });

  test("a stranger's body is not read", async () => {
    const { app } = await setUp();
    let pulled = 0;
    const body = new ReadableStream(
      {
        pull(controller) {
          pulled += 1;
          controller.enqueue(new Uint8Array(1024));
        },
      },
      { highWaterMark: 0 },
    );
    const response = await app.handle(
      new Request('http://gateway.example/terms/acceptances', { method: 'POST', body }),
    );
    expect(response.status).toBe(401);
    expect(pulled).toBe(0);
  });

  test('refuses what is not exactly the form, without repeating it', async () => {
    const { accept, ask, sha256 } = await setUp();
    const good = { document: 'service', version: '1', sha256: sha256('1') };
    const bad: readonly unknown[] = [
      {},
      { ...good, accountId: 'acc_b' },
      { ...good, sha256: 'canary-value' },
      { ...good, sha256: sha256('1').toUpperCase() },
      { ...good, version: 1 },
      [],
      null,
      'x',
    ];
    for (const body of bad) {
      const response = await accept(body);
      expect(response.status).toBe(400);
      expect(await response.text()).not.toContain('canary-value');
    }
    const key = { authorization: 'Bearer key-of-a' };
    expect(
      (await ask('POST', '/terms/acceptances', { ...key, 'content-type': 'text/plain' }, good)).status,
    ).toBe(415);
    expect(
      (await ask('POST', '/terms/acceptances', { ...key, 'content-encoding': 'gzip' }, good)).status,
    ).toBe(415);
    expect(
      (await ask('POST', '/terms/acceptances', key, { ...good, document: 'x'.repeat(300_000) })).status,
    ).toBe(413);
  });
});
