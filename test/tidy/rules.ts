// The style of the code as rules over its files: each takes one file and says what is wrong, where, and what to do.
// `imports.ts` has the rules between files.

import { readSource, type Source } from './source.ts';

export interface ProjectFile {
  /** From the project's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export interface ReadFile extends ProjectFile {
  readonly source: Source;
}

export interface Complaint {
  readonly path: string;
  /** 1 for the whole file. */
  readonly line: number;
  readonly what: string;
}

export const readProjectFile = (file: ProjectFile): ReadFile => ({ ...file, source: readSource(file.text) });

const LINE_LENGTH_MAX = 120;
/** A message in one piece can be found by searching for it: a line with a long string may go so far. */
const STRING_LINE_LENGTH_MAX = 160;
const messageGap = ' '.repeat(30);
const FILE_LINES_MAX = 350;

const kebabCase = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.(?:test|config|d))?\.ts$/;
const kebabFolder = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;
const emptyNames = /(?:^|[-./])(?:utils?|helpers?|common|misc|managers?)(?=[-./]|$)/;

/** Homes and work folders of some machine; nothing in the project may depend on where it was written. */
const machinePath = /(?<![\w.:/}-])\/(?:home|root|Users|work|mnt|workspace)\/[\w.-]+/;

/**
 * Names of the tools of one workplace, which tell a reader of this repository nothing. Kept as the first 16 digits of
 * their SHA-256 so that the list does not break its own rule.
 */
const foreignNames: ReadonlySet<string> = new Set(['8cf10d1b0e07c1d8', 'fbb8037df8cc9050']);

function complaintsByLine(file: ReadFile, text: string, pattern: RegExp, what: string): readonly Complaint[] {
  return text.split('\n').flatMap((line, at) => (pattern.test(line) ? [{ path: file.path, line: at + 1, what }] : []));
}

export function checkName(file: ReadFile): readonly Complaint[] {
  const complain = (what: string): Complaint => ({ path: file.path, line: 1, what });
  const parts = file.path.split('/');
  const name = parts.pop() ?? '';
  const complaints: Complaint[] = [];
  if (!kebabCase.test(name)) complaints.push(complain('file names are kebab-case.ts'));
  const oddFolder = parts.find((part) => !kebabFolder.test(part));
  if (oddFolder !== undefined) complaints.push(complain(`folder names are kebab-case: ${oddFolder}`));
  if (emptyNames.test(file.path)) {
    complaints.push(complain('utils, helper, common, misc and manager say nothing: name the file after what it is'));
  }
  return complaints;
}

export function checkShape(file: ReadFile): readonly Complaint[] {
  const complain = (line: number, what: string): Complaint => ({ path: file.path, line, what });
  const codeLines = file.source.code.split('\n');
  const complaints = file.source.lines.flatMap((line, at) => {
    const isComment = /^\s*(?:\/\/|\/?\*)/.test(line);
    // Blanked strings are the only long gaps in a line of code.
    const holdsMessage =
      !isComment && (codeLines[at] ?? '').trimStart().padEnd(line.trimStart().length).includes(messageGap);
    const most = holdsMessage ? STRING_LINE_LENGTH_MAX : LINE_LENGTH_MAX;
    return line.length > most ? [complain(at + 1, `line of ${line.length} characters; at most ${most}`)] : [];
  });
  const lineCount = file.source.lines.length - (file.text.endsWith('\n') ? 1 : 0);
  if (lineCount > FILE_LINES_MAX)
    complaints.push(complain(1, `${lineCount} lines; at most ${FILE_LINES_MAX}: split it`));
  if (file.path.startsWith('src/') && !/^(?:#![^\n]*\n)?\/[/*]/.test(file.text)) {
    complaints.push(complain(1, 'open with one to four lines: why the file exists and which invariant it keeps'));
  }
  return complaints;
}

export function checkTypes(file: ReadFile): readonly Complaint[] {
  const anyType = /(?:[:<|&,(=[]|\bas|\bextends|\bkeyof)\s*(?:readonly\s+)?any\b(?!\s*[:(?])|^\s*any\b(?=[[\]>,|&;)])/;
  const suppression = /(?:\/\/|\/\*)\s*@ts-(?:ignore|nocheck)\b/;
  return [
    ...complaintsByLine(file, file.source.code, anyType, 'no `any`: take `unknown` and check it'),
    ...complaintsByLine(file, file.text, suppression, 'no suppressed type errors: fix the type'),
  ];
}

export function checkEnvironment(file: ReadFile): readonly Complaint[] {
  const inside = /^(?:src|plugins|policies)\//.test(file.path);
  if (!inside || file.path === 'src/environment.ts' || file.path === 'src/main.ts') return [];
  const reads = /\bprocess\s*\.\s*env\b|\bBun\s*\.\s*env\b|\bimport\.meta\.env\b/;
  return complaintsByLine(file, file.source.code, reads, 'only src/environment.ts reads the environment');
}

export function checkTests(file: ReadFile): readonly Complaint[] {
  if (!file.path.endsWith('.test.ts')) return [];
  const leftOut = /\b(?:test|it|describe)\s*\.\s*(?:skip|skipIf|only|todo|todoIf|if|failing)\b/;
  const reason = /\/\/\s*\S|\*\/|^\s*\*|\bskipped (?:without|where|when|unless|because)\b/;
  const lines = file.source.lines;
  return complaintsByLine(
    file,
    file.source.code,
    leftOut,
    'say why this test is left out, in a comment above or in its name: (skipped without …)',
  ).filter(({ line }) => !reason.test(lines[line - 1] ?? '') && !reason.test(lines[line - 2] ?? ''));
}

const digest = (word: string): string => new Bun.CryptoHasher('sha256').update(word).digest('hex').slice(0, 16);

/** For files of every kind, Markdown and shell included. */
export function checkOrigins(file: ProjectFile): readonly Complaint[] {
  return file.text.split('\n').flatMap((line, at) => {
    const complain = (what: string): Complaint => ({ path: file.path, line: at + 1, what });
    const complaints: Complaint[] = [];
    if (machinePath.test(line))
      complaints.push(complain('a path of one machine; derive it from import.meta.dir or an option'));
    const words = line.toLowerCase().match(/[a-z0-9]+(?:[-_][a-z0-9]+)+/g) ?? [];
    if (words.some((word) => foreignNames.has(digest(word))))
      complaints.push(complain('the name of a tool of one workplace'));
    return complaints;
  });
}

/** No download address: where packages come from is the machine's own affair. */
export function checkLockfile(file: ProjectFile): readonly Complaint[] {
  return file.text
    .split('\n')
    .flatMap((line, at) =>
      /https?:\/\//.test(line)
        ? [{ path: file.path, line: at + 1, what: 'the lock file must not hold download addresses' }]
        : [],
    );
}

export const fileRules = [checkName, checkShape, checkTypes, checkEnvironment, checkTests] as const;
