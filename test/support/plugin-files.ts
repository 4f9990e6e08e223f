// The plugin files and the config of the READMEs, as a reader would type them: each code block that begins with its own
// file name.

import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const project = join(import.meta.dir, '../..');

/** By file name: `acme.ts`. */
export async function readmeFiles(): Promise<ReadonlyMap<string, string>> {
  const texts = await Promise.all(
    ['plugins/README.md', 'policies/README.md'].map((path) => Bun.file(join(project, path)).text()),
  );
  const blocks = texts.flatMap((text) => [...text.matchAll(/```ts\n(\/\/ ([a-z.-]+\.ts): [\s\S]*?)```/g)]);
  return new Map(blocks.map(([, code = '', name = '']) => [name, code]));
}

/** Writes files into a new folder, whose real path is returned. */
export function folderWith(files: Iterable<readonly [string, string]>): string {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-drop-ins-'));
  for (const [name, text] of files) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  return folder;
}

/** The config with each `PIN OF name.ts` replaced. */
export const pinned = (config: string, pinOf: (name: string) => string): string =>
  config.replaceAll(/PIN OF ([a-z-]+\.ts)/g, (_, name: string) => pinOf(name));
