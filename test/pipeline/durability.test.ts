// What a client may see, and when: nothing before its hold is on the disk, the terminal event only after its settlement
// is, and content never waits for either settlement. The disk is held back by hand, so that the order can be seen.

import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { field } from '../support/gateway.ts';
import { faultyFiles, type FaultyFiles } from '../store/failing-files.ts';
import {
  bodyOf,
  chatBody,
  eventually,
  leavingClient,
  newestRecord,
  openHolds,
  piecesIn,
  startStage,
  type Stage,
} from './stage.ts';

setDefaultTimeout(60_000);

let stage: Stage;
let disk: FaultyFiles;

beforeEach(async () => {
  disk = faultyFiles();
  stage = await startStage({ surroundings: { journalFiles: disk } });
});
afterEach(async () => {
  disk.fail = undefined;
  disk.release();
  await stage.stop();
});

/** Long enough for what must not come to come, had it been let. */
const A_WHILE_MS = 150;

/** The disk is asked to sync, and does not answer. */
const waitingForDisk = (syncsBefore: number) => eventually('a sync', () => disk.syncs > syncsBefore);

describe('while the disk is slow', () => {
  test('no byte of a stream before its hold is durable', async () => {
    disk.held = true;
    const client = leavingClient(stage.gateway, chatBody('one two three', { stream: true }));
    await eventually('the upstream has answered', () => stage.simulator.counters().finished === 1);
    await Bun.sleep(A_WHILE_MS);
    expect(client.received().length).toBe(0);
    disk.release();
    await client.until((raw) => raw.includes('[DONE]'));
    client.socket.destroy();
  });

  test('content comes as it is produced; the terminal event waits for the settlement', async () => {
    const client = leavingClient(
      stage.gateway,
      chatBody('[[sim: chunks=4 gap=60]] x', { stream: true, stream_options: { include_usage: true } }),
    );
    await client.until((raw) => piecesIn(raw) >= 1);
    const { syncs } = disk;
    disk.held = true;
    // All content, the finish reason and the usage are passed on while nothing can be settled.
    await client.until((raw) => bodyOf(raw).includes('"total_tokens"'));
    expect(piecesIn(client.received())).toBe(4);
    await eventually('the upstream has ended', () => stage.simulator.counters().finished === 1);
    await waitingForDisk(syncs);
    await Bun.sleep(A_WHILE_MS);
    expect(bodyOf(client.received())).not.toContain('[DONE]');
    disk.release();
    await client.until((raw) => raw.includes('[DONE]'));
    expect(await newestRecord(stage.gateway, 1)).toMatchObject({ outcome: 'finished', usage: { output: 4 } });
    client.socket.destroy();
  });

  test('a whole reply has no status line before its settlement', async () => {
    disk.held = true;
    const client = leavingClient(stage.gateway, chatBody('one two three'));
    await eventually('the upstream has answered', () => stage.simulator.counters().finished === 1);
    await waitingForDisk(0);
    await Bun.sleep(A_WHILE_MS);
    expect(client.received().length).toBe(0);
    disk.release();
    const reply = await client.until((raw) => raw.includes('"usage"'));
    expect(reply.status).toBe(200);
    client.socket.destroy();
  });

  test('a client that leaves meanwhile is settled once, when the disk answers', async () => {
    const client = leavingClient(stage.gateway, chatBody('[[sim: chunks=3 gap=60]] x', { stream: true }));
    await client.until((raw) => piecesIn(raw) >= 1);
    const { syncs } = disk;
    disk.held = true;
    await eventually('the upstream has ended', () => stage.simulator.counters().finished === 1);
    await waitingForDisk(syncs);
    client.socket.resetAndDestroy();
    await new Promise((resolve) => client.socket.once('close', resolve));
    disk.release();
    expect(await newestRecord(stage.gateway, 1)).toMatchObject({ outcome: 'finished', usage: { output: 3 } });
    expect(openHolds(stage.gateway)).toBe(0);
  });
});

describe('when the disk fails', () => {
  test('a stream that cannot be settled does not say that it is complete', async () => {
    const client = leavingClient(stage.gateway, chatBody('[[sim: chunks=3 gap=80]] x', { stream: true }));
    await client.until((raw) => piecesIn(raw) >= 1);
    disk.fail = 'sync';
    const reply = await client.until((raw) => raw.subarray(-7).toString() === '\r\n0\r\n\r\n');
    const body = bodyOf(reply.raw);
    expect([piecesIn(reply.raw), body.includes('[DONE]')]).toEqual([3, false]);
    const last = body.trimEnd().split('\n').at(-1) ?? '';
    expect(field(JSON.parse(last.slice('data: '.length)), 'error', 'code')).toBe('money_unavailable');
    client.socket.destroy();
  });

  test('a whole reply that cannot be settled is refused, and so is every call after it', async () => {
    disk.fail = 'sync';
    for (const stream of [false, true, false]) {
      const answer = await stage.gateway.client('/chat/completions', chatBody('hi', stream ? { stream } : {}));
      expect([answer.status, field(await answer.json(), 'error', 'code')]).toEqual([503, 'money_unavailable']);
    }
    // The first was asked for; once the journal is gone nobody is.
    expect(stage.simulator.counters().requests).toBe(1);
  });

  test('a stream whose hold cannot be written has no first byte, and its upstream is let go', async () => {
    disk.fail = 'sync';
    const answer = await stage.gateway.client(
      '/chat/completions',
      chatBody('[[sim: chunks=500 gap=20]] x', { stream: true }),
    );
    expect([answer.status, field(await answer.json(), 'error', 'code')]).toEqual([503, 'money_unavailable']);
    await eventually('the upstream is let go', () => stage.simulator.counters().open === 0);
    expect(stage.simulator.counters().aborted).toBe(1);
  });
});

test('a record can be read as soon as its reply has ended', async () => {
  for (const stream of [true, false]) {
    const answer = await stage.gateway.client('/chat/completions', chatBody('hi', { stream }));
    await answer.text();
    expect((await stage.gateway.admin('GET', `/usage/${answer.headers.get('x-request-id') ?? ''}`)).status).toBe(200);
  }
});
