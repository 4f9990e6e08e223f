// The journey of an operator on a bare account, in short: `test/journeys/vps.ts` is the same with two versions, real
// load and 1,000 streams.

import { expect, setDefaultTimeout, test } from 'bun:test';
import { builtExecutable } from '../support/executable.ts';
import { bareHost } from './vps/host.ts';
import { travel } from './vps/journey.ts';

setDefaultTimeout(120_000);

test('from a copied file to a charged call, an upgrade under load, and a stop', async () => {
  const executable = await builtExecutable();
  const host = bareHost(false);
  const steps: string[] = [];
  try {
    const { loads } = await travel({
      host, executable, other: executable, callers: 3, settleMs: 200, streams: 200, back: false,
      say: (line) => void steps.push(line),
    });
    expect(loads.map(({ failures }) => failures)).toEqual([[], []]);
    expect(Math.min(...loads.map(({ calls }) => calls))).toBeGreaterThan(50);
    expect(steps).toHaveLength(11);
  } finally {
    host.remove();
  }
});
