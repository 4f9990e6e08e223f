// What the bundler and the checker of types found, as lines for the person at the terminal: file, line, column, what.

import { relative } from 'node:path';

export interface Finding {
  /** Absolute; undefined where none is to blame. */
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly column: number | undefined;
  readonly message: string;
}

/** More than these help nobody: the first is what to mend first. */
const SHOWN_MAX = 20;

export function findingOf(log: Bun.BuildOutput['logs'][number]): Finding {
  const position = log.position;
  return {
    file: position?.file === undefined || position.file === '' ? undefined : position.file,
    line: position?.line,
    column: position?.column,
    message: messageOf(log.message),
  };
}

/** The bundler advises to run a tool that need not be there. */
function messageOf(message: string): string {
  const unresolved = /^(?:Could not resolve: "|TS2307: Cannot find module ')([^"']+)/.exec(message)?.[1];
  if (unresolved === undefined) return message;
  if (unresolved.startsWith('tollgate/'))
    return `there is no module ${unresolved}; there are tollgate/plugin and tollgate/plugins`;
  if (/^[./]/.test(unresolved)) return `there is no file ${unresolved}`;
  return `there is no package '${unresolved}' in a node_modules folder beside the file or above it`;
}

/** Files are named as seen from `folder`, where the command was given. */
export function describeFindings(findings: readonly Finding[], folder: string): string {
  const lines = findings.slice(0, SHOWN_MAX).map(({ file, line, column, message }) => {
    const place =
      file === undefined ? '' : `${shortest(file, folder)}${line === undefined ? '' : `:${line}:${column ?? 1}`}: `;
    return `  ${place}${message.trimEnd().replaceAll('\n', '\n    ')}`;
  });
  const rest = findings.length - SHOWN_MAX;
  return [...lines, ...(rest > 0 ? [`  and ${rest} more`] : [])].join('\n');
}

function shortest(file: string, folder: string): string {
  const path = relative(folder, file);
  return path.startsWith('..') ? file : path;
}
