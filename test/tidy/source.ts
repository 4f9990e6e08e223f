// Reads a TypeScript file just far enough for the style rules: where its comments and strings are, and what it imports.

export interface Import {
  /** As written: `../core/money.ts`, `tollgate/plugin`, `node:fs`. */
  readonly specifier: string;
  readonly line: number;
  /** Vanishes when compiled, so it cannot be part of a load cycle. */
  readonly typeOnly: boolean;
}

export interface Source {
  readonly lines: readonly string[];
  /** The text with comments and the insides of strings blanked; line breaks stay where they were. */
  readonly code: string;
  readonly imports: readonly Import[];
}

type Region = 'comment' | 'string' | 'regex';

const blank = (text: string): string => text.replace(/[^\n]/g, ' ');

/** After these a slash opens a regular expression; after a value it divides. */
const beforeRegex = /(?:^|[=(,:;!&|?{}[+\-*%<>~^]|\b(?:return|typeof|case|in|of|await|yield|=>))\s*$/;

function endOf(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  return at < 0 ? text.length : at;
}

function endOfQuoted(text: string, start: number, quote: string): number {
  let at = start + 1;
  while (at < text.length && text[at] !== quote && text[at] !== '\n') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function endOfRegex(text: string, start: number): number {
  let inClass = false;
  let at = start + 1;
  for (; at < text.length && text[at] !== '\n'; at++) {
    const character = text[at];
    if (character === '\\') at++;
    else if (character === '[') inClass = true;
    else if (character === ']') inClass = false;
    else if (character === '/' && !inClass) break;
  }
  return at + 1;
}

function endOfTemplateText(text: string, start: number): number {
  let at = start;
  while (at < text.length && text[at] !== '`' && !(text[at] === '$' && text[at + 1] === '{'))
    at += text[at] === '\\' ? 2 : 1;
  return at;
}

/** Calls `visit` for each stretch of plain code and for each comment, string, template text and regular expression. */
function scan(text: string, visit: (part: string, region: Region | 'code') => void): void {
  // One entry for each template that is open around here: how many braces are open inside its `${`.
  const braces: number[] = [];
  let at = 0;
  let from = 0;
  const take = (end: number, region: Region): void => {
    if (at > from) visit(text.slice(from, at), 'code');
    visit(text.slice(at, end), region);
    at = from = Math.min(end, text.length);
  };
  const takeTemplate = (start: number): void => {
    const end = endOfTemplateText(text, start);
    if (text[end] === '$') braces.push(0);
    take(text[end] === '$' ? end + 2 : end + 1, 'string');
  };
  while (at < text.length) {
    const character = text[at] ?? '';
    const open = braces.length - 1;
    if (text.startsWith('//', at)) take(endOf(text, '\n', at), 'comment');
    else if (text.startsWith('/*', at)) take(endOf(text, '*/', at + 2) + 2, 'comment');
    else if (character === "'" || character === '"') take(endOfQuoted(text, at, character), 'string');
    else if (character === '`') takeTemplate(at + 1);
    else if (character === '/' && beforeRegex.test(text.slice(Math.max(0, at - 40), at)))
      take(endOfRegex(text, at), 'regex');
    else if (character === '}' && open >= 0 && braces[open] === 0) {
      braces.pop();
      takeTemplate(at + 1);
    } else {
      if (open >= 0 && character === '{') braces[open] = (braces[open] ?? 0) + 1;
      if (open >= 0 && character === '}') braces[open] = (braces[open] ?? 0) - 1;
      at++;
    }
  }
  if (at > from) visit(text.slice(from, at), 'code');
}

const importForms: readonly RegExp[] = [
  /^[ \t]*(?:import|export)\s+(?<type>type\s)?[^'";]*?\bfrom\s*(?<quote>['"])(?<specifier>[^'"]+)\k<quote>/gm,
  /^[ \t]*import\s*(?<quote>['"])(?<specifier>[^'"]+)\k<quote>/gm,
  /\bimport\s*\(\s*(?<quote>['"])(?<specifier>[^'"]+)\k<quote>/g,
  /\bnew URL\(\s*(?<quote>['"])(?<specifier>\.[^'"]+\.ts)\k<quote>\s*,\s*import\.meta\.url/g,
];

/** `code` tells an import from the picture of one inside a string. */
function readImports(withoutComments: string, code: string): readonly Import[] {
  const found: Import[] = [];
  for (const form of importForms) {
    for (const match of withoutComments.matchAll(form)) {
      const specifier = match.groups?.['specifier'] ?? '';
      if (!/\b(?:import|export|new)\b/.test(code.slice(match.index, match.index + match[0].length))) continue;
      const line = withoutComments.slice(0, match.index).split('\n').length;
      found.push({ specifier, line, typeOnly: match.groups?.['type'] !== undefined });
    }
  }
  return found;
}

export function readSource(text: string): Source {
  let code = '';
  let withoutComments = '';
  scan(text, (part, region) => {
    code += region === 'code' ? part : blank(part);
    withoutComments += region === 'comment' ? blank(part) : part;
  });
  return { lines: text.split('\n'), code, imports: readImports(withoutComments, code) };
}
