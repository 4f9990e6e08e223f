// The systems that an executable can be compiled for. Bun brings the runtime of its own; that of another is fetched.

import { UsageError } from '../arguments.ts';

/** What Bun can compile for from any machine; the runtime of a foreign target is downloaded once. */
const targets = [
  'bun-linux-x64',
  'bun-linux-arm64',
  'bun-linux-x64-musl',
  'bun-linux-arm64-musl',
  'bun-darwin-x64',
  'bun-darwin-arm64',
  'bun-windows-x64',
  'bun-windows-arm64',
] as const;
export type Target = (typeof targets)[number];

/** `linux-arm64` is the same as `bun-linux-arm64`. Throws UsageError for what is not in the list. */
export function targetOf(text: string): Target {
  const target = targets.find((name) => name === text || name === `bun-${text}`);
  if (target === undefined)
    throw new UsageError(`--target: '${text}' is not known; choose one of ${targets.join(', ')}`);
  return target;
}

export const suffixOf = (target: Target): string => target.slice('bun-'.length);

/** Whether this machine should be able to start what was compiled for the target. */
export const runsHere = (target: Target | undefined): boolean =>
  target === undefined ||
  target.replace(/-musl$/, '') === `bun-${process.platform.replace('win32', 'windows')}-${process.arch}`;
