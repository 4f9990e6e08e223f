// The process that goes, with a successor of the test's own that fails where a real one hardly ever does: whatever
// happens, the books are with somebody who serves.

import { afterEach, expect, test } from 'bun:test';
import { join } from 'node:path';
import { writeFileSync } from 'node:fs';
import { handOver, type Going } from '../../src/cli/handover/predecessor.ts';
import { listeningSockets } from '../../src/cli/handover/shared-port.ts';
import { systemLibrary } from '../../src/cli/handover/system-library.ts';
import { deadlines } from '../../src/core/bounds.ts';
import { systemClock } from '../../src/core/clock.ts';
import { createLog } from '../../src/core/log.ts';
import { openEmbeddedLedger } from '../../src/domain/ledger/embedded-ledger.ts';
import { MovableLedger } from '../../src/domain/ledger/movable-ledger.ts';
import { createTraffic } from '../../src/http/traffic.ts';
import { createRunningRequests } from '../../src/pipeline/running.ts';
import { lockDataFolder } from '../../src/store/data-folder-lock.ts';
import { accountId, sampleClosing, sampleHold } from '../domain/ledger/sample-records.ts';
import { scratchFolders } from '../store/scratch.ts';

const scratch = scratchFolders();
const warn = () => {};
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

/** What it does at 'yours' is the test's; until then it is as it should be. `port` and `say` are there. */
const successorThat = (yours: string) => `
  const say = (message) => process.send(message);
  let port;
  const listen = () => Bun.serve({ hostname: '127.0.0.1', port, reusePort: true, fetch: () => new Response('next') });
  process.on('message', async ({ kind, ...message }) => {
    if (kind === 'plan') { port = message.port; say({ kind: 'ready' }); }
    if (kind === 'yours') { ${yours} }
  });
  process.on('disconnect', () => process.exit());
  say({ kind: 'hello', protocol: 1, version: 'of the test' });
`;

async function goingTo(yours: string, more: Partial<Going> = {}) {
  const folder = scratch();
  const open = (adopted?: ReadonlySet<string>) =>
    openEmbeddedLedger({ folder, warn, ...(adopted === undefined ? {} : { adopted }) });
  const embedded = await open();
  const ledger = new MovableLedger(embedded, open);
  await ledger.openAccount(accountId('a'), 'USD', 1_000_000n);
  const running = createRunningRequests(systemClock, deadlines, { mayBeQuiet() {}, replyEnds() {} });
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response('old') });
  const file = join(folder, 'successor.ts');
  writeFileSync(file, successorThat(yours));
  ends.push(() => server.stop(true), () => running.drain(), () => ledger.shutDown());
  const going: Going = {
    gateway: { ledger, running, settled: async () => {}, holdConfig: async () => () => {} },
    traffic: createTraffic(),
    port: server.port ?? 0,
    besides: undefined,
    log: createLog(systemClock, () => {}, (text) => text),
    command: [process.execPath, file],
    environment: {},
    predecessorHere: () => false,
    ...more,
  };
  return { folder, embedded, going, ledger, running };
}

async function expectServing({ ledger, going, running }: Awaited<ReturnType<typeof goingTo>>): Promise<void> {
  expect([ledger.isHere, ledger.available]).toEqual([true, true]);
  expect([going.traffic.unusual, running.elsewhere]).toEqual([false, undefined]);
  expect(await (await fetch(`http://127.0.0.1:${going.port}`)).text()).toBe('old');
  const hold = sampleHold(9, 5n);
  expect(ledger.placeHold(hold, [], 'now')).toEqual({ placed: true });
  expect(await ledger.close(sampleClosing(hold, 5n))).toEqual({ closed: true, lossNano: 0n });
}

test('where new connections cannot be given to the successor, the books come back before anybody settles there', async () => {
  const gone = await goingTo(`listen(); say({ kind: 'serving', entrancePort: 1 });`);
  const library = await systemLibrary();
  if (library === undefined) throw new Error('this system cannot do it');
  const [solSocket, lockFilter] = [1, 44];
  const on = new Int32Array([1]);
  for (const socket of listeningSockets(gone.going.port))
    expect(library.symbols.setsockopt(socket, solSocket, lockFilter, library.ptr(on), 4)).toBe(0);
  await expect(handOver(gone.going)).rejects.toThrow('cannot be steered');
  await expectServing(gone);
});

test('books that did not close well on leaving are opened again', async () => {
  const gone = await goingTo('');
  const { embedded } = gone;
  const shutDown = () => embedded.shutDown();
  const once = shutDown.bind(undefined);
  Object.assign(embedded, {
    shutDown: async () => {
      Reflect.deleteProperty(embedded, 'shutDown');
      await once();
      throw new Error('the disk is full');
    },
  });
  await expect(handOver(gone.going)).rejects.toThrow('the disk is full');
  await expectServing(gone);
});

test('somebody who looks at the folder while nobody has it does not cost the gateway its books', async () => {
  const gone = await goingTo(`process.exit(7);`);
  const { ledger, folder } = gone;
  const letGo = ledger.letGo.bind(ledger);
  Object.assign(ledger, {
    letGo: async () => {
      const open = await letGo();
      const lock = lockDataFolder(folder);
      setTimeout(() => lock.release(), 200);
      return open;
    },
  });
  await expect(handOver(gone.going)).rejects.toThrow('exit code 7');
  await expectServing(gone);
});

test('a successor that stops listening to us leaves no closing waiting for ever', async () => {
  const gone = await goingTo(`listen(); say({ kind: 'serving', entrancePort: 1 });
    process.removeAllListeners('disconnect'); setTimeout(() => process.disconnect(), 50);`);
  const hold = sampleHold(1, 5n);
  gone.ledger.placeHold(hold, [], 'now');
  const { pid, ended } = await handOver(gone.going);
  ends.push(() => ended, () => process.kill(pid, 'SIGKILL'));
  await Bun.sleep(150);
  await expect(gone.ledger.close(sampleClosing(hold, 5n))).rejects.toThrow('cannot be written');
});

test('a process stays while what runs in the one before it is settled by way of it', async () => {
  let before = true;
  const more = { predecessorHere: () => before, idleConnectionsMs: 0 };
  const { going } = await goingTo(`listen(); say({ kind: 'serving', entrancePort: 1 });`, more);
  const { pid, ended } = await handOver(going);
  ends.push(() => process.kill(pid, 'SIGKILL'));
  let over = false;
  void ended.then(() => (over = true));
  // It lets go of the port first, for connections that began before.
  await Bun.sleep(3_300);
  expect(over).toBeFalse();
  before = false;
  await ended;
});
