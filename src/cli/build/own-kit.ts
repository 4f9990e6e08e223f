// This program's own kit: the one that it carries, or a new one of the source tree that it runs from.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { collectKit } from './collect-kit.ts';
import { KIT_FILE, packKit, project } from './kit.ts';

export const ownKit = async (): Promise<Uint8Array> =>
  Bun.isStandaloneExecutable ? readFileSync(join(import.meta.dir, KIT_FILE)) : packKit(await collectKit(project));
