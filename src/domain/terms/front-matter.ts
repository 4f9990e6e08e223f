// The front matter of a terms document: a small closed set of `key: value` lines between two `---`. Strict:
// an unknown, repeated or missing key is an error, so that a misspelt `effective` cannot put a version in
// force.

import { bounds } from '../../core/bounds.ts';
import type { TermsVersion } from './terms.ts';

export interface DocumentError {
  /** Counted from 1. */
  readonly line: number;
  readonly message: string;
}

export type FrontMatterFields = Pick<
  TermsVersion,
  'document' | 'version' | 'title' | 'locale' | 'effectiveAt' | 'governingLaw' | 'acceptance'
>;

export interface FrontMatter {
  /** Undefined if any key was wrong; the errors say which. */
  readonly fields: FrontMatterFields | undefined;
  /** Index of the first line behind the front matter. */
  readonly bodyStart: number;
}

interface KeyRule {
  readonly needed: boolean;
  readonly accepts: (value: string) => boolean;
  readonly says: string;
}

const matching =
  (pattern: RegExp, lengthMax: number) =>
  (value: string): boolean =>
    value.length <= lengthMax && pattern.test(value);

const rules: Readonly<Record<string, KeyRule>> = {
  document: {
    // `acceptances` is a path of the terms endpoints.
    needed: true,
    accepts: (value) => value !== 'acceptances' && matching(/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/, 64)(value),
    says: 'lower-case words with hyphens, at most 64 characters, not "acceptances"',
  },
  version: {
    needed: true,
    accepts: matching(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 64),
    says: 'letters, digits, dots and hyphens, at most 64 characters, such as 2026-03-01',
  },
  title: {
    needed: true,
    accepts: matching(/\S/, bounds.nameLength),
    says: `words, at most ${bounds.nameLength} characters`,
  },
  locale: { needed: true, accepts: isLocale, says: 'a BCP 47 language tag such as en or zh-CN' },
  effective: {
    needed: true,
    accepts: (value) => instantOf(value) !== undefined,
    says: 'a date (2026-03-01, from midnight UTC on) or an instant (2026-03-01T08:00:00Z)',
  },
  acceptance: {
    needed: true,
    accepts: (value) => value === 'use' || value === 'explicit',
    says: 'use or explicit',
  },
  'governing-law': {
    needed: false,
    accepts: matching(/\S/, bounds.nameLength),
    says: `words, at most ${bounds.nameLength} characters`,
  },
};

function isLocale(value: string): boolean {
  try {
    return Intl.getCanonicalLocales(value)[0] === value;
  } catch {
    return false;
  }
}

/** Strict: `Date.parse` alone would roll 2026-02-30 over to March and read a zone-less time as local. */
function instantOf(value: string): number | undefined {
  const found = /^(\d{4}-\d{2}-\d{2})(?:T\d{2}:\d{2}:\d{2}Z)?$/.exec(value);
  const at = found === null ? Number.NaN : Date.parse(value);
  return Number.isNaN(at) || new Date(at).toISOString().slice(0, 10) !== found?.[1] ? undefined : at;
}

function readLine(
  line: string,
  lineNumber: number,
  values: Map<string, string>,
  errors: DocumentError[],
): void {
  if (line.trim() === '' || line.startsWith('#')) return;
  const pair = /^(?<key>[A-Za-z-]+):\s*(?<value>.*?)\s*$/.exec(line)?.groups;
  const key = pair?.['key'];
  if (key === undefined) {
    errors.push({ line: lineNumber, message: 'front matter is made of lines "key: value"' });
    return;
  }
  const rule = Object.hasOwn(rules, key) ? rules[key] : undefined;
  const value = (pair?.['value'] ?? '').replace(/^"([^"]*)"$/, '$1');
  if (rule === undefined) {
    errors.push({
      line: lineNumber,
      message: `"${key}" is no key of the front matter; known are ${Object.keys(rules).join(', ')}`,
    });
  } else if (values.has(key)) {
    errors.push({ line: lineNumber, message: `${key} stands twice` });
  } else if (!rule.accepts(value)) {
    errors.push({ line: lineNumber, message: `${key}: write ${rule.says}` });
    values.set(key, '');
  } else {
    values.set(key, value);
  }
}

/** Adds what is wrong to `errors`. Undefined when there is no front matter at all. */
export function readFrontMatter(lines: readonly string[], errors: DocumentError[]): FrontMatter | undefined {
  const end =
    lines[0]?.trimEnd() === '---'
      ? lines.findIndex((line, index) => index > 0 && line.trimEnd() === '---')
      : -1;
  if (end < 0) {
    errors.push({
      line: 1,
      message: 'the document opens with front matter: a line "---", keys, and a line "---"',
    });
    return undefined;
  }
  const values = new Map<string, string>();
  const before = errors.length;
  for (let index = 1; index < end; index += 1) readLine(lines[index] ?? '', index + 1, values, errors);
  for (const [key, rule] of Object.entries(rules)) {
    if (rule.needed && !values.has(key))
      errors.push({ line: 1, message: `the front matter lacks ${key}: ${rule.says}` });
  }
  if (errors.length > before) return { fields: undefined, bodyStart: end + 1 };
  return { fields: fieldsOf(values), bodyStart: end + 1 };
}

function fieldsOf(values: ReadonlyMap<string, string>): FrontMatterFields {
  const of = (key: string): string => values.get(key) ?? '';
  return {
    document: of('document'),
    version: of('version'),
    title: of('title'),
    locale: of('locale'),
    effectiveAt: instantOf(of('effective')) ?? 0,
    governingLaw: values.get('governing-law'),
    acceptance: of('acceptance') === 'explicit' ? 'explicit' : 'use',
  };
}
