// The lines of a config that is compiled in: found by the build, and told by the executable without its sources.

import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtInLines } from '../../src/cli/built-in-lines.ts';
import { startExecutable } from '../support/executable.ts';

const text = readFileSync(join(import.meta.dir, '../../plugins/gateway.config.ts'), 'utf8');
const lineOf = (words: string): number => text.slice(0, text.indexOf(words)).split('\n').length;

test('sources and executable name the line of the same model', async () => {
  // The entry begins on the line before its name.
  const place = `gateway.config.ts:${lineOf("name: 'sim/echo'") - 1}`;
  expect((await builtInLines()).model?.named['sim/echo']).toBe(place);
  const running = await startExecutable();
  try {
    const { body } = await running.admin('GET', '/models/sim%2Fecho');
    expect([body['source'], body['declaredAt']]).toEqual(['config', place]);
  } finally {
    await running.stop();
  }
}, 60_000);
