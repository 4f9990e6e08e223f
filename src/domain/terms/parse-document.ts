// Reads a terms document: Markdown with front matter and clauses in numbered headings. It reports every error
// at once, each with its line, and hashes the exact text, so that two texts with one hash are the same to the
// last byte.

import { bounds } from '../../core/bounds.ts';
import { readFrontMatter, type DocumentError, type FrontMatter } from './front-matter.ts';
import type { Clause, ClauseKind, TermsVersion } from './terms.ts';

export type ParsedDocument = Omit<TermsVersion, 'id'>;

export type ParseResult =
  | { readonly parsed: true; readonly document: ParsedDocument }
  | { readonly parsed: false; readonly errors: readonly DocumentError[] };

/** Lower-case hex of the SHA-256 of the text as UTF-8. */
export const sha256Of = (text: string): string => new Bun.CryptoHasher('sha256').update(text).digest('hex');

/** No honest document is longer; every version is kept in memory and shown whole. */
const DOCUMENT_LENGTH_MAX = 512 * 1024;
const CLAUSES_MAX = 500;

const kinds: readonly ClauseKind[] = ['enforced', 'served', 'recorded', 'declared'];
const marks = ['limits-liability', 'material'] as const;

export const CLAUSE_ID = /^[A-Za-z][A-Za-z0-9]*(?:\.[0-9]+)*$/;
/**
 * A heading that begins like a clause id with a digit in it: `S0`, `S3.1`, `P10`. Others are ordinary words.
 */
const CLAUSE_HEADING = /^(?<id>[A-Za-z]+[0-9]+(?:\.[0-9]+)*)[.:]?\s+(?<title>.*)$/;
const HEADING = /^(?<level>#{1,6})\s+(?<text>.*?)\s*#*\s*$/;
const MARKS = /\s*\{(?<marks>[^{}]*)\}$/;

interface OpenClause extends Omit<Clause, 'text'> {
  readonly line: number;
  readonly lines: string[];
}

interface Reading {
  readonly errors: DocumentError[];
  readonly clauses: Clause[];
  readonly linesById: Map<string, number>;
  open: OpenClause | undefined;
}

/** Exactly one kind, and any of the marks; whatever else stands in the braces is an error. */
function readMarks(
  reading: Reading,
  line: number,
  id: string,
  text: string,
): Pick<Clause, 'kind' | 'limitsLiability' | 'material'> {
  const words = text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  const found = kinds.filter((kind) => words.includes(kind));
  const known: readonly string[] = [...kinds, ...marks];
  for (const word of words) {
    if (!known.includes(word))
      reading.errors.push({
        line,
        message: `clause ${id}: "${word}" is no mark; known are ${known.join(', ')}`,
      });
  }
  if (found.length !== 1) {
    reading.errors.push({
      line,
      message: `clause ${id} names ${found.length} kinds; name exactly one of ${kinds.join(', ')}`,
    });
  }
  return {
    kind: found[0] ?? 'declared',
    limitsLiability: words.includes('limits-liability'),
    material: words.includes('material'),
  };
}

function closeClause(reading: Reading): void {
  const { open } = reading;
  if (open === undefined) return;
  reading.open = undefined;
  const { line, lines, ...clause } = open;
  const text = lines.join('\n').trim();
  if (text === '') reading.errors.push({ line, message: `clause ${clause.id} has no text` });
  reading.clauses.push({ ...clause, text });
}

function openClause(reading: Reading, line: number, heading: string): void {
  const marked = MARKS.exec(heading);
  const words = heading.slice(0, marked?.index ?? heading.length);
  const clause = CLAUSE_HEADING.exec(words)?.groups;
  const id = clause?.['id'];
  if (id === undefined) {
    if (marked !== null) {
      reading.errors.push({
        line,
        message: 'the heading has marks but no clause id; write for example "## S3.1 Regions {enforced}"',
      });
    }
    return;
  }
  const before = reading.linesById.get(id);
  if (before !== undefined)
    reading.errors.push({ line, message: `clause ${id} stands already in line ${before}` });
  else reading.linesById.set(id, line);
  const title = clause?.['title']?.trim() ?? '';
  if (title === '') reading.errors.push({ line, message: `clause ${id} has no title` });
  reading.open = {
    id,
    title,
    line,
    lines: [],
    ...readMarks(reading, line, id, marked?.groups?.['marks'] ?? ''),
  };
}

function readClauses(
  lines: readonly string[],
  firstLine: number,
  errors: DocumentError[],
): readonly Clause[] {
  const reading: Reading = { errors, clauses: [], linesById: new Map(), open: undefined };
  let fence: string | undefined;
  for (const [index, line] of lines.entries()) {
    const mark = /^ {0,3}(```+|~~~+)/.exec(line)?.[1];
    if (fence === undefined) fence = mark;
    else if (mark?.startsWith(fence) === true && line.trim() === mark) fence = undefined;
    const heading = fence === undefined ? HEADING.exec(line)?.groups : undefined;
    if (heading === undefined) {
      reading.open?.lines.push(line);
      continue;
    }
    closeClause(reading);
    openClause(reading, firstLine + index, heading['text'] ?? '');
  }
  closeClause(reading);
  if (reading.clauses.length === 0) {
    errors.push({
      line: firstLine,
      message: 'no clauses; each is a heading with an id and a kind, such as "## S3.1 Regions {enforced}"',
    });
  }
  if (reading.clauses.length > CLAUSES_MAX) {
    errors.push({
      line: firstLine,
      message: `${reading.clauses.length} clauses; at most ${CLAUSES_MAX} can be in one document`,
    });
  }
  return reading.clauses;
}

export function parseDocument(text: string): ParseResult {
  if (text.length > DOCUMENT_LENGTH_MAX) {
    return {
      parsed: false,
      errors: [{ line: 1, message: `${text.length} characters; a document may have ${DOCUMENT_LENGTH_MAX}` }],
    };
  }
  const errors: DocumentError[] = [];
  const lines = text.replace(/^\u{feff}/u, '').split(/\r?\n/);
  const matter: FrontMatter | undefined = readFrontMatter(lines, errors);
  const bodyStart = matter?.bodyStart ?? 0;
  const clauses = readClauses(lines.slice(bodyStart), bodyStart + 1, errors);
  if (matter?.fields === undefined || errors.length > 0) {
    return { parsed: false, errors: errors.toSorted((a, b) => a.line - b.line) };
  }
  return {
    parsed: true,
    document: Object.freeze({ ...matter.fields, text, sha256: sha256Of(text), clauses }),
  };
}

/** Errors as lines for people: `policies/personal/service.md:12 clause S3.1 has no text`. */
export const showErrors = (file: string, errors: readonly DocumentError[]): readonly string[] =>
  errors.map(({ line, message }) => `${file}:${line} ${message.slice(0, bounds.textLength)}`);
