// The bench's own checks can fail: right replies pass, each kind of broken one is named, and a run over real sockets
// counts what went wrong.

import { afterAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { faultOf, tokensOf } from './check-reply.ts';
import type { Load, LoadResult } from './load.ts';
import { chatReply, readScript, streamEvent } from './mock-replies.ts';

const nonce = 'abcdefghijklmnop';
const script = readScript(`{"content":"[#${nonce}:c5-d0] hi"}`);
const tokens = tokensOf('c5-d0');
const plainBody = chatReply(script, 'gpt-4o-mini').split('\r\n\r\n')[1] ?? '';
const events = Array.from({ length: 6 }, (_, at) => streamEvent(script, 'gpt-4o-mini', at, true));
const streamFault = (body: string): string | undefined => faultOf({ status: 200, body }, nonce, tokens);

test('a right reply passes', () => {
  expect(script).toMatchObject({ nonce, chunks: 5, delayMs: 0, errorStatus: 0 });
  expect(faultOf({ status: 200, body: plainBody }, nonce, undefined)).toBeUndefined();
  expect(streamFault(events.join(''))).toBeUndefined();
});

test('a broken reply is named', () => {
  expect(faultOf({ status: 502, body: plainBody }, nonce, undefined)).toBe('status 502');
  expect(faultOf({ status: 200, body: plainBody }, 'ponmlkjihgfedcba', undefined)).toContain('nonce');
  expect(faultOf({ status: 200, body: plainBody.slice(0, -20) }, nonce, undefined)).toBe('no usage');
  expect(faultOf({ status: 200, body: plainBody.replace('costs', 'is') }, nonce, undefined)).toBe('content cut');
  expect(streamFault(events.toSpliced(2, 1).join(''))).toContain('tok2');
  expect(
    streamFault(
      events
        .with(2, events[3] ?? '')
        .with(3, events[2] ?? '')
        .join(''),
    ),
  ).toContain('lost or out of order');
  expect(streamFault(events.toSpliced(5, 0, events[4] ?? '').join(''))).toBe('a token too many');
  expect(streamFault([...events.slice(0, 5), streamEvent(script, 'm', 5, false)].join(''))).toBe('no usage');
  expect(streamFault(events.join('').replace('data: [DONE]\n\n', ''))).toContain('[DONE]');
});

const mock = Bun.spawn([process.execPath, join(import.meta.dir, 'mock.ts')], { stdout: 'pipe', stdin: 'ignore' });
afterAll(() => mock.kill());

async function mockPort(): Promise<number> {
  const reader = mock.stdout.getReader();
  const { value } = await reader.read();
  return Number(/port (\d+)/.exec(new TextDecoder().decode(value))?.[1]);
}

async function drive(load: Omit<Load, 'headers' | 'timeoutMs'>): Promise<LoadResult> {
  const whole: Load = { ...load, headers: [], timeoutMs: 10_000 };
  const command = [process.execPath, join(import.meta.dir, 'driver.ts'), JSON.stringify(whole)];
  const driver = Bun.spawn(command, { stdout: 'pipe', stderr: 'inherit', stdin: 'ignore' });
  return JSON.parse(await new Response(driver.stdout).text());
}

test('a driver counts right and wrong replies', async () => {
  const url = `http://127.0.0.1:${await mockPort()}/v1/chat/completions`;
  const closed = { connections: 4, pattern: { kind: 'closed', count: 20 } } as const;
  const open = { connections: 4, pattern: { kind: 'open', perSecond: 100, durationMs: 200 } } as const;
  const [plain, streamed, scheduled, refused] = await Promise.all([
    drive({ url, ...closed, stream: false, script: 'c5-d0' }),
    drive({ url, ...closed, stream: true, script: 'c5-d1' }),
    drive({ url, ...open, stream: false, script: 'c5-d0' }),
    drive({ url, ...closed, stream: false, script: 'c5-e503' }),
  ]);
  expect([plain.ok, plain.bad]).toEqual([20, {}]);
  expect([streamed.ok, streamed.bad]).toEqual([20, {}]);
  expect([scheduled.ok, scheduled.bad]).toEqual([20, {}]);
  expect([refused.ok, refused.bad]).toEqual([0, { 'status 503': 20 }]);
}, 30_000);
