// Publishing, what is in force when, who stands where, and evidence that is written once and never changes.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { TermsDocumentsError, type Terms } from '../../../src/domain/terms/terms-service.ts';
import { setUpTerms, someone, somewhere } from './terms-store-setup.ts';
import { termsText } from './terms-text.ts';

const versionsInForce = (terms: Terms, at: number) =>
  terms.inForce(at).map((one) => `${one.document} ${one.version}`);
const obligationOf = (terms: Terms, at: number) => {
  const version = terms.inForce(at)[0];
  if (version === undefined) throw new Error('nothing is in force');
  return {
    kind: 'record-acceptance',
    document: version.document,
    version: version.version,
    sha256: version.sha256,
  } as const;
};
const acceptedAt = (terms: Terms, at: number, account = someone().accountId) =>
  terms.standing(account, at).map((one) => one.acceptedAt);

describe('publishing', () => {
  test('again with the same text changes nothing', async () => {
    const { open } = setUpTerms();
    const first = await open(termsText());
    const second = await open(termsText(), termsText());
    expect(second.versions).toEqual(first.versions);
    expect(second.versions[0]?.clauses.map((clause) => clause.id)).toEqual(['S3.1', 'S7']);
  });

  test('the same version with another text is refused, and the old one stays', async () => {
    const setup = setUpTerms();
    const before = await setup.open(termsText());
    await expect(setup.open(termsText({ body: '## S1 New {served}\n\nText.' }))).rejects.toThrow(
      /version 2026-01: the text differs .* publish the new one/s,
    );
    expect((await setup.open(termsText())).versions).toEqual(before.versions);
  });

  test('all errors of all files come at once, and nothing is published', async () => {
    const setup = setUpTerms();
    const failure = await setup
      .open(
        termsText(),
        termsText({ document: 'rules', effective: 'soon' }),
        'nothing',
        termsText({ body: '## S1 A {served}\n\nB.' }),
      )
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(TermsDocumentsError);
    const lines =
      failure instanceof TermsDocumentsError ? failure.lines.map((line) => line.slice(0, 20)) : [];
    expect(lines).toEqual(
      [
        'terms-1.md:4 effectiv',
        'terms-2.md:1 the docu',
        'terms-2.md:1 no claus',
        'terms-3.md:1 service ',
      ].map((line) => line.slice(0, 20)),
    );
    expect((await setup.open()).versions).toEqual([]);
  });

  test('the store refuses to change or remove versions, clauses and acceptances, by any statement', async () => {
    const { database, open, now } = setUpTerms();
    const terms = await open(termsText());
    await terms.recordAcceptance(obligationOf(terms, now()), someone(), somewhere);
    for (const table of ['terms_version', 'terms_clause', 'terms_acceptance']) {
      const before = database.query(`SELECT * FROM ${table}`).all();
      expect(before.length).toBeGreaterThan(0);
      expect(() => database.run(`DELETE FROM ${table}`)).toThrow('append-only');
      const column = table === 'terms_acceptance' ? 'sha256' : 'text';
      expect(() => database.run(`UPDATE ${table} SET ${column} = 'x'`)).toThrow('append-only');
      const replace = () => database.run(`INSERT OR REPLACE INTO ${table} SELECT * FROM ${table}`);
      if (table === 'terms_acceptance') replace();
      else expect(replace).toThrow('published already');
      expect(database.query(`SELECT * FROM ${table}`).all()).toEqual(before);
    }
  });
});

describe('in force', () => {
  const old = termsText({ version: '1', effective: '2026-01-01' });
  const next = termsText({ version: '2', effective: '2026-03-01' });

  test('is the version whose date has come; the next one is announced', async () => {
    const { open } = setUpTerms();
    const terms = await open(old, next);
    const [before, after] = [Date.parse('2026-02-28T23:59:59.999Z'), Date.parse('2026-03-01T00:00:00Z')];
    expect(versionsInForce(terms, before)).toEqual(['service 1']);
    expect(terms.announced('service', before)?.version).toBe('2');
    expect(versionsInForce(terms, after)).toEqual(['service 2']);
    expect(terms.announced('service', after)).toBeUndefined();
    expect(versionsInForce(terms, Date.parse('2025-12-31T00:00:00Z'))).toEqual([]);
  });

  test("a version that left the config stays in force until the next one's date", async () => {
    const setup = setUpTerms();
    await setup.open(old);
    const terms = await setup.open(next);
    expect(versionsInForce(terms, setup.now())).toEqual(['service 1']);
    expect(terms.version('service', '1')?.text).toBe(old);
  });

  test('a document that left the config binds nobody and stays readable', async () => {
    const setup = setUpTerms();
    await setup.open(old);
    const terms = await setup.open(termsText({ document: 'rules' }));
    expect(versionsInForce(terms, setup.now())).toEqual(['rules 2026-01']);
    expect(terms.standing(someone().accountId, setup.now()).map((one) => one.document)).toEqual(['rules']);
    expect(terms.version('service', '1')).toBeDefined();
  });

  test('standing follows the date without a restart, in whatever order times are asked', async () => {
    const setup = setUpTerms();
    const terms = await setup.open(old, next);
    await terms.recordAcceptance(obligationOf(terms, setup.now()), someone(), somewhere);
    const [before, after] = [setup.now(), Date.parse('2026-03-01T00:00:00Z')];
    expect(acceptedAt(terms, before)).toEqual([before]);
    expect(acceptedAt(terms, after)).toEqual([undefined]);
    expect(acceptedAt(terms, before)).toEqual([before]);
  });

  test('agrees with a plain reading of all versions, at any time', async () => {
    const dates = fc.uniqueArray(fc.integer({ min: 1, max: 27 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        dates,
        fc.array(fc.integer({ min: 0, max: 28 }), { maxLength: 8 }),
        async (days, asked) => {
          const terms = await setUpTerms().open(
            ...days.map((day) =>
              termsText({ version: `v${day}`, effective: `2026-04-${String(day).padStart(2, '0')}` }),
            ),
          );
          for (const day of asked) {
            const at = Date.UTC(2026, 3, day);
            const expected = days.filter((one) => one <= day).toSorted((a, b) => b - a)[0];
            expect(versionsInForce(terms, at)).toEqual(
              expected === undefined ? [] : [`service v${expected}`],
            );
            expect(terms.standing('acc_1', at).map((one) => one.version)).toEqual(
              expected === undefined ? [] : [`v${expected}`],
            );
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('acceptance by use', () => {
  test('is kept with its evidence, once, also when many requests come at once and after a restart', async () => {
    const setup = setUpTerms();
    const terms = await setup.open(termsText());
    const obligation = obligationOf(terms, setup.now());
    await Promise.all(
      Array.from({ length: 20 }, () => terms.recordAcceptance(obligation, someone(), somewhere)),
    );
    await terms.recordAcceptance(obligation, someone(), { ...somewhere, address: '198.51.100.1' });
    const again = await setup.open(termsText());
    expect(acceptedAt(again, setup.now())).toEqual([setup.now()]);
    await again.recordAcceptance(obligation, someone(), somewhere);
    const kept = await again.acceptances({ limit: 10 });
    expect(kept).toEqual([
      {
        id: expect.stringMatching(/^tac_/),
        accountId: 'acc_1',
        userId: undefined,
        apiKeyId: 'key_1',
        document: 'service',
        version: '2026-01',
        sha256: obligation.sha256,
        at: setup.now(),
        address: '203.0.113.9',
        country: 'SG',
        userAgent: 'curl/8',
        locale: 'en',
        method: 'use',
      },
    ]);
  });

  test('of something that was never published is a defect and is not written', async () => {
    const setup = setUpTerms();
    const terms = await setup.open(termsText());
    const obligation = obligationOf(terms, setup.now());
    for (const wrong of [{ sha256: '00'.repeat(32) }, { version: '9' }, { document: 'other' }]) {
      await expect(terms.recordAcceptance({ ...obligation, ...wrong }, someone(), somewhere)).rejects.toThrow(
        'never published',
      );
    }
    expect(await terms.acceptances({ limit: 10 })).toEqual([]);
  });

  test('does not make what wants a click accepted', async () => {
    const setup = setUpTerms();
    const terms = await setup.open(termsText({ acceptance: 'explicit' }));
    await terms.recordAcceptance(obligationOf(terms, setup.now()), someone(), somewhere);
    expect(acceptedAt(terms, setup.now())).toEqual([undefined]);
  });

  test('fails when it cannot be written, and nobody has accepted anything', async () => {
    const setup = setUpTerms();
    const terms = await setup.open(termsText());
    setup.database.run(
      `CREATE TRIGGER broken BEFORE INSERT ON terms_acceptance BEGIN SELECT RAISE(ABORT, 'disk full'); END`,
    );
    await expect(
      terms.recordAcceptance(obligationOf(terms, setup.now()), someone(), somewhere),
    ).rejects.toThrow('disk full');
    expect(acceptedAt(terms, setup.now())).toEqual([undefined]);
    setup.database.run('DROP TRIGGER broken');
    await terms.recordAcceptance(obligationOf(terms, setup.now()), someone(), somewhere);
    expect(acceptedAt(terms, setup.now())).toEqual([setup.now()]);
  });

  test('keeps only the head of long headers', async () => {
    const setup = setUpTerms();
    const terms = await setup.open(termsText());
    await terms.recordAcceptance(obligationOf(terms, setup.now()), someone(), {
      ...somewhere,
      userAgent: 'x'.repeat(8_000),
    });
    expect((await terms.acceptances({ limit: 1 }))[0]?.userAgent?.length).toBe(500);
  });
});

describe('acceptance by name', () => {
  const text = (terms: Terms, version: string) => ({
    document: 'service',
    version,
    sha256: terms.version('service', version)?.sha256 ?? '',
  });

  test('of the version in force or the announced one is kept; repeating it gives the same record', async () => {
    const setup = setUpTerms();
    const terms = await setup.open(
      termsText({ version: '1', acceptance: 'explicit' }),
      termsText({ version: '2', effective: '2026-03-01', acceptance: 'explicit' }),
    );
    const first = await terms.accept(text(terms, '1'), someone(), somewhere);
    expect(first).toMatchObject({ accepted: true, repeated: false });
    setup.at('2026-02-02T00:00:00Z');
    expect(await terms.accept(text(terms, '1'), someone(), somewhere)).toMatchObject({
      ...first,
      repeated: true,
    });
    expect(await terms.accept(text(terms, '2'), someone(), somewhere)).toMatchObject({ accepted: true });
    expect(acceptedAt(terms, Date.parse('2026-03-02T00:00:00Z'))).toEqual([setup.now()]);
    expect(acceptedAt(terms, setup.now(), 'acc_2')).toEqual([undefined]);
  });

  test('is refused for what is over, for another text, and for what is not there', async () => {
    const setup = setUpTerms();
    setup.at('2026-03-01T00:00:00Z');
    const terms = await setup.open(
      termsText({ version: '1' }),
      termsText({ version: '2', effective: '2026-03-01' }),
    );
    expect(await terms.accept(text(terms, '1'), someone(), somewhere)).toMatchObject({
      accepted: false,
      because: 'not-current',
      current: { version: '2' },
    });
    expect(await terms.accept({ ...text(terms, '2'), sha256: 'ab' }, someone(), somewhere)).toMatchObject({
      because: 'other-text',
      current: { version: '2' },
    });
    expect(await terms.accept({ document: 'other', version: '1', sha256: '' }, someone(), somewhere)).toEqual(
      { accepted: false, because: 'no-such-document' },
    );
    expect(await terms.acceptances({ limit: 10 })).toEqual([]);
  });

  test('lists go by account, document and version, newest first, from a position on', async () => {
    const setup = setUpTerms();
    const terms = await setup.open(termsText());
    for (const name of ['a', 'b', 'c']) await terms.accept(text(terms, '2026-01'), someone(name), somewhere);
    const all = await terms.acceptances({ limit: 10 });
    expect(all.map((one) => one.accountId)).toEqual(['acc_c', 'acc_b', 'acc_a']);
    expect(await terms.acceptances({ limit: 1, before: all[0]?.id })).toEqual(all.slice(1, 2));
    expect(
      (
        await terms.acceptances({ limit: 10, accountId: 'acc_b', document: 'service', version: '2026-01' })
      ).map((one) => one.accountId),
    ).toEqual(['acc_b']);
  });
});

describe('other documents while it runs', () => {
  const rules = termsText({ document: 'rules', version: '1', body: '## R1 Rules {declared}\n\nBe kind.' });

  test('bind from then on, with what was accepted before, during and since', async () => {
    const setup = setUpTerms();
    const terms = await setup.open(termsText());
    await terms.recordAcceptance(obligationOf(terms, setup.now()), someone(), somewhere);
    await setup.reload(terms, [rules, termsText()], () =>
      terms.recordAcceptance(obligationOf(terms, setup.now()), someone('2'), somewhere),
    );
    const at = setup.now();
    expect(versionsInForce(terms, at)).toEqual(['rules 1', 'service 2026-01']);
    expect(acceptedAt(terms, at)).toEqual([undefined, at]);
    expect(acceptedAt(terms, at, someone('2').accountId)).toEqual([undefined, at]);
    await terms.recordAcceptance(obligationOf(terms, at), someone(), somewhere);
    expect(acceptedAt(terms, at)).toEqual([at, at]);
    expect(versionsInForce(await setup.open(rules, termsText()), at)).toEqual(['rules 1', 'service 2026-01']);
  });

  test('that bound before and bind again find what was accepted then', async () => {
    const setup = setUpTerms();
    const first = await setup.open(rules);
    await first.recordAcceptance(obligationOf(first, setup.now()), someone(), somewhere);
    const terms = await setup.open(termsText());
    expect(acceptedAt(terms, setup.now())).toEqual([undefined]);
    await setup.reload(terms, [rules]);
    expect(acceptedAt(terms, setup.now())).toEqual([setup.now()]);
    await setup.reload(terms, []);
    expect(terms.standing(someone().accountId, setup.now())).toEqual([]);
    expect(terms.versions).toHaveLength(2);
  });

  test('are published without a word to the store: what could fail there would leave half of a config in force', async () => {
    const setup = setUpTerms();
    const first = await setup.open(rules);
    await first.recordAcceptance(obligationOf(first, setup.now()), someone(), somewhere);
    const terms = await setup.open(termsText());
    await setup.reload(terms, [rules], async () => setup.database.run('ALTER TABLE terms_acceptance RENAME TO gone'));
    expect(acceptedAt(terms, setup.now())).toEqual([setup.now()]);
  });

  test('that differ from what was published are refused, and change nothing', async () => {
    const setup = setUpTerms();
    const terms = await setup.open(termsText());
    await expect(setup.reload(terms, [rules, termsText({ body: '## S1 New {served}\n\nText.' })])).rejects.toThrow(
      TermsDocumentsError,
    );
    expect(versionsInForce(terms, setup.now())).toEqual(['service 2026-01']);
    expect(terms.versions).toHaveLength(1);
  });
});
