// What a terms document may say, what is wrong with one, all at once and with lines, and that the hash is of
// every byte.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseDocument, sha256Of } from '../../../src/domain/terms/parse-document.ts';
import { termsText } from './terms-text.ts';

const parsed = (text: string) => {
  const result = parseDocument(text);
  if (!result.parsed) throw new Error(JSON.stringify(result.errors));
  return result.document;
};
const errorsOf = (text: string) => {
  const result = parseDocument(text);
  return result.parsed ? [] : result.errors.map(({ line, message }) => `${line} ${message}`);
};

describe('a document', () => {
  test('is read with its front matter and clauses', () => {
    const document = parsed(termsText());
    expect(document).toMatchObject({
      document: 'service',
      version: '2026-01',
      title: 'Terms of the service',
      locale: 'en',
      governingLaw: 'Law of nowhere',
      acceptance: 'use',
      effectiveAt: Date.UTC(2026, 0, 1),
      text: termsText(),
    });
    expect(document.clauses).toEqual([
      {
        id: 'S3.1',
        title: 'Regions',
        kind: 'enforced',
        text: 'Not everywhere.',
        limitsLiability: true,
        material: true,
      },
      {
        id: 'S7',
        title: 'Changes',
        kind: 'recorded',
        text: 'By going on.',
        limitsLiability: false,
        material: false,
      },
    ]);
  });

  test('is hashed to the last byte', () => {
    expect(parsed(termsText()).sha256).toBe(
      new Bun.CryptoHasher('sha256').update(new TextEncoder().encode(termsText())).digest('hex'),
    );
    expect(parsed(`${termsText()}\n`).sha256).not.toBe(parsed(termsText()).sha256);
    expect(sha256Of('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  test('may have CRLF, quotes, instants, sections, lists and code with headings in it', () => {
    const text = termsText({
      effective: '2026-03-01T08:00:00Z',
      body:
        '## Part one\n\nIntroduction.\n\n### S1 Keys: {declared} \n\nText:\n\n```\n## S1 Keys {enforced}\n```\n' +
        '\n- one\n\n## Part two\n\n### S2. Rest {served} ##\n\nMore.',
    })
      .replace('locale: en', 'locale: "zh-CN"')
      .replaceAll('\n', '\r\n');
    const document = parsed(text);
    expect(document.locale).toBe('zh-CN');
    expect(document.effectiveAt).toBe(Date.UTC(2026, 2, 1, 8));
    expect(document.clauses.map(({ id, title, kind }) => [id, title, kind])).toEqual([
      ['S1', 'Keys:', 'declared'],
      ['S2', 'Rest', 'served'],
    ]);
    expect(document.clauses[0]?.text).toContain('## S1 Keys {enforced}');
    expect(document.clauses[0]?.text).not.toContain('Part two');
  });
});

describe('what is wrong', () => {
  const cases: readonly (readonly [name: string, text: string, errors: readonly (string | RegExp)[]])[] = [
    ['no front matter', '# Terms\n', [/^1 the document opens with front matter/, /^1 no clauses/]],
    ['an open front matter', '---\ndocument: a\n', [/^1 the document opens/, /^1 no clauses/]],
    [
      'an unknown key',
      termsText().replace('locale: en', 'local: en'),
      [/^1 the front matter lacks locale/, /^6 "local" is no key/],
    ],
    [
      'a key of every object',
      termsText().replace('locale: en', 'locale: en\nconstructor: x'),
      [/^7 "constructor" is no key/],
    ],
    ['a key twice', termsText().replace('locale: en', 'locale: en\nlocale: de'), ['7 locale stands twice']],
    ['a date that is none', termsText({ effective: '2026-02-30' }), [/^4 effective: write a date/]],
    ['a date without zone', termsText({ effective: '2026-02-03T10:00:00' }), [/^4 effective: write a date/]],
    ['a name of a path', termsText({ document: '../admin' }), [/^2 document: write lower-case words/]],
    ['a reserved name', termsText({ document: 'acceptances' }), [/^2 document: write lower-case words/]],
    [
      'an acceptance that is none',
      termsText({ acceptance: 'maybe' }),
      [/^8 acceptance: write use or explicit/],
    ],
    [
      'a locale that is none',
      termsText().replace('locale: en', 'locale: english!'),
      [/^6 locale: write a BCP 47/],
    ],
    [
      'a clause without a kind',
      termsText({ body: '## S1 Keys\n\nText.' }),
      ['13 clause S1 names 0 kinds; name exactly one of enforced, served, recorded, declared'],
    ],
    [
      'a clause with two kinds',
      termsText({ body: '## S1 Keys {served, declared}\n\nText.' }),
      [/^13 clause S1 names 2 kinds/],
    ],
    [
      'a mark that is none',
      termsText({ body: '## S1 Keys {served, limits_liability}\n\nText.' }),
      [/^13 clause S1: "limits_liability" is no mark/],
    ],
    [
      'marks without an id',
      termsText({ body: '## Keys {served}\n\nText.\n\n## S1 A {served}\n\nB.' }),
      [/^13 the heading has marks but no clause id/],
    ],
    [
      'a clause twice',
      termsText({ body: '## S1 A {served}\n\nB.\n\n## S1 C {served}\n\nD.' }),
      ['17 clause S1 stands already in line 13'],
    ],
    [
      'a clause without text',
      termsText({ body: '## S1 A {served}\n\n## S2 B {served}\n\nC.' }),
      ['13 clause S1 has no text'],
    ],
    ['no clause at all', termsText({ body: 'Be good.' }), [/^10 no clauses/]],
    [
      'several things at once',
      termsText({ effective: 'soon', body: '## S1 A\n\n## S2 B {servd}\n\nC.' }),
      [
        /^4 effective/,
        /^13 clause S1 names 0/,
        /^13 clause S1 has no text/,
        /^15 clause S2: "servd"/,
        /^15 clause S2 names 0/,
      ],
    ],
    [
      'a document without end',
      termsText({ body: 'x'.repeat(600_000) }),
      [/^1 \d+ characters; a document may have/],
    ],
  ];
  for (const [name, text, errors] of cases) {
    test(name, () => {
      const found = errorsOf(text);
      expect(found.length).toBe(errors.length);
      for (const [index, error] of errors.entries()) expect(found[index]).toMatch(error);
    });
  }
});

test('no text makes it throw', () => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom('---', '## S1 A {served}', '```', 'document: a', '#', '{', '## S2', '\u{feff}'),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
      const result = parseDocument(lines.join('\n'));
      if (!result.parsed) expect(result.errors.length).toBeGreaterThan(0);
    }),
  );
});
