// Stopping: what runs may end within its time and is settled, what lasts longer is cut with an error that says so, and
// nothing is lost or left open for the next start.

import { afterEach, beforeEach, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { field } from '../support/gateway.ts';
import { bodyOf, chatBody, eventually, leavingClient, newestRecord, openHolds, piecesIn, startStage } from './stage.ts';

setDefaultTimeout(60_000);

let dataFolder: string;
beforeEach(() => {
  dataFolder = mkdtempSync(join(tmpdir(), 'tollgate-shutdown-'));
});
afterEach(() => rmSync(dataFolder, { recursive: true, force: true }));

/** What the next start finds. */
async function recordAfterwards(): Promise<Record<string, unknown>> {
  const next = await startStage({ dataFolder });
  const record = await newestRecord(next.gateway, 1);
  expect(openHolds(next.gateway)).toBe(0);
  await next.stop();
  return record;
}

test('a stream that ends in time is complete, and settled', async () => {
  const stage = await startStage({ dataFolder });
  const client = leavingClient(stage.gateway, chatBody('[[sim: chunks=6 gap=60]] x', { stream: true }));
  await client.until((raw) => piecesIn(raw) >= 1);
  const stopped = stage.gateway.stop();
  const reply = await client.until((raw) => raw.includes('[DONE]'));
  expect(piecesIn(reply.raw)).toBe(6);
  await stopped;
  stage.simulator.close();
  expect(await recordAfterwards()).toMatchObject({
    outcome: 'finished',
    usageSource: 'upstream',
    usage: { output: 6 },
  });
});

test('a whole reply that comes in time is delivered', async () => {
  const stage = await startStage({ dataFolder });
  const answer = stage.gateway.client('/chat/completions', chatBody('[[sim: delay=400]] hi'));
  await eventually('the upstream is asked', () => stage.simulator.counters().requests === 1);
  const stopped = stage.gateway.stop();
  expect((await answer).status).toBe(200);
  await stopped;
  stage.simulator.close();
  expect(await recordAfterwards()).toMatchObject({ outcome: 'finished' });
});

test('a stream that lasts longer is cut with an error, charged for what came', async () => {
  const stage = await startStage({ dataFolder });
  const client = leavingClient(stage.gateway, chatBody('[[sim: chunks=1000 gap=50]] x', { stream: true }));
  await client.until((raw) => piecesIn(raw) >= 1);
  const stopped = stage.gateway.stop();
  const { raw } = await client.until(() => false);
  await stopped;
  const body = bodyOf(raw);
  expect(body).not.toContain('[DONE]');
  const last = body.trimEnd().split('\n').at(-1) ?? '';
  expect(field(JSON.parse(last.slice('data: '.length)), 'error', 'code')).toBe('shutting_down');
  expect(stage.simulator.counters()).toMatchObject({ aborted: 1, open: 0 });
  stage.simulator.close();
  const record = await recordAfterwards();
  expect(record).toMatchObject({ outcome: 'shut-down', usageSource: 'estimated', usage: { output: piecesIn(raw) } });
});

test('what has not begun by then is refused, free of charge', async () => {
  const stage = await startStage({ dataFolder });
  const answer = stage.gateway.client('/chat/completions', chatBody('[[sim: delay=30000]] hi', { stream: true }));
  await eventually('the upstream is asked', () => stage.simulator.counters().requests === 1);
  const stopped = stage.gateway.stop();
  const { status } = await answer;
  await stopped;
  expect([status, stage.simulator.counters().aborted]).toEqual([503, 1]);
  stage.simulator.close();
  expect(await recordAfterwards()).toMatchObject({ outcome: 'shut-down', chargeNano: '0', status: 503 });
});

test('a new call is not taken while the running ones end', async () => {
  const stage = await startStage({ dataFolder });
  // Its connection is open before the stop, so that it is the pipeline that refuses.
  const client = leavingClient(stage.gateway, chatBody('[[sim: chunks=6 gap=80]] x', { stream: true }));
  const idle = leavingClient(stage.gateway, chatBody('first'));
  await idle.until((raw) => raw.includes('"usage"'));
  await client.until((raw) => piecesIn(raw) >= 1);
  const before = stage.simulator.counters().requests;
  const stopped = stage.gateway.stop();
  idle.socket.write('GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n');
  const refused = await fetch(`${stage.gateway.url}/v1/chat/completions`, { method: 'POST', body: '{}' }).then(
    (answer) => answer.status,
    () => 'refused',
  );
  expect([503, 'refused']).toContain(refused);
  await client.until((raw) => raw.includes('[DONE]'));
  await stopped;
  expect(stage.simulator.counters().requests).toBe(before);
  stage.simulator.close();
});
