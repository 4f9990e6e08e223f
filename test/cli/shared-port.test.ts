// Two listeners on one port: who gets new connections is decided, not dealt; one that lets go takes nothing with it.

import { expect, test } from 'bun:test';
import { listeningSockets, sharedPort } from '../../src/cli/handover/shared-port.ts';

const serve = (name: string, port: number, reusePort: boolean) =>
  Bun.serve({ hostname: '127.0.0.1', port, reusePort, fetch: () => new Response(name) });

async function answers(port: number): Promise<readonly string[]> {
  const names = await Promise.all(
    Array.from({ length: 60 }, async () => {
      const reply = await fetch(`http://127.0.0.1:${port}`, { keepalive: false, headers: { connection: 'close' } });
      return reply.text();
    }),
  );
  return [...new Set(names)].toSorted();
}

test('connections go to the one that came last, and the other leaves the port to it', async () => {
  const old = serve('old', 0, false);
  const { port = 0 } = old;
  const shared = await sharedPort(port);
  if (shared === undefined) throw new Error('this system cannot do it');
  expect(listeningSockets(port)).toHaveLength(1);
  expect(() => serve('thief', port, true)).toThrow();
  shared.share();
  const next = serve('next', port, true);
  expect(await answers(port)).toEqual(['next', 'old']);
  shared.giveToLast();
  expect(await answers(port)).toEqual(['next']);
  shared.letGo();
  expect(listeningSockets(port)).toHaveLength(1);
  expect(await answers(port)).toEqual(['next']);
  await old.stop(true);
  expect(await answers(port)).toEqual(['next']);
  // And so on with the next one.
  const again = await sharedPort(port);
  again?.share();
  const third = serve('third', port, true);
  again?.giveToLast();
  expect(await answers(port)).toEqual(['third']);
  await Promise.all([next.stop(true), third.stop(true)]);
});

test('a port that came back is ours alone again', async () => {
  const old = serve('old', 0, false);
  const { port = 0 } = old;
  const shared = await sharedPort(port);
  shared?.share();
  shared?.keepAlone();
  expect(() => serve('thief', port, true)).toThrow();
  expect(await sharedPort(1)).toBeUndefined();
  await old.stop(true);
});
