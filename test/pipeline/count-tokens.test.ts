// Counting: never less than the text has, and never at the cost of anybody else, whatever a caller sends. The clock of
// the main thread is a counter of its turns.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import fc from 'fast-check';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  COUNTED_BYTES_MAX,
  COUNTS_WAITING_MAX,
  createTokenCounter,
  startTokenThread,
  type TokenCounter,
  type TokenThread,
} from '../../src/pipeline/count-tokens.ts';
import { countInSlices, SLICE_BYTES_MAX } from '../../src/pipeline/token-slices.ts';
import type { ToTokenWorker } from '../../src/pipeline/token-worker.ts';
import { startExecutable } from '../support/executable.ts';
import { textField, startTestGateway, type GatewayCalls } from '../support/gateway.ts';
import { eventually } from './stage.ts';

setDefaultTimeout(60_000);

const project = join(import.meta.dir, '../..');
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const asText = { disallowedSpecial: new Set<string>() };
const whole = (text: string): number => countTokens(text, asText);
const noWarning = (message: string): never => {
  throw new Error(message);
};

/** The same text each time, without a pattern that a tokenizer could use. */
function noise(length: number, character: (number: number) => string): string {
  let state = 1;
  return Array.from({ length }, () => character((state = (state * 48_271) % 0x7fff_ffff))).join('');
}

describe('slices', () => {
  test('cut between characters, and nothing is lost', () => {
    const parts: string[] = [];
    const keep = (part: string) => parts.push(part);
    const text = fc.string({ unit: 'grapheme', minLength: 200, maxLength: 2_000 });
    fc.assert(
      fc.property(text, (sample) => {
        parts.length = 0;
        countInSlices(bytes(`\ufeff${sample}`), keep);
        expect(parts.join('')).toBe(`\ufeff${sample}`);
        for (const part of parts) expect(Buffer.byteLength(part)).toBeLessThanOrEqual(SLICE_BYTES_MAX);
      }),
    );
  });

  test('of what is no text at all end too', () => {
    let slices = 0;
    countInSlices(new Uint8Array(10_000).fill(0x80), () => (slices += 1));
    expect(slices).toBe(Math.ceil(10_000 / SLICE_BYTES_MAX));
  });

  test('are counted while there is time, and the rest by its bytes', () => {
    let turns = 0;
    expect(
      countInSlices(
        new Uint8Array(1_000),
        () => 10,
        () => (turns += 1) > 2,
      ),
    ).toBe(20 + 1_000 - 2 * SLICE_BYTES_MAX);
    expect(
      countInSlices(
        new Uint8Array(1_000),
        () => 10,
        () => true,
      ),
    ).toBe(1_000);
  });

  test('together have at least the tokens of the whole, within the margin', () => {
    const word = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.constantFrom('the ', 'internationalization', '\n\n\n', '    ', '数据', '👩‍👩‍👧', 'aaaaaaaa', '0.1234'),
      fc.stringMatching(/^[a-z ]{0,20}$/),
    );
    fc.assert(
      fc.property(fc.array(word, { minLength: 20, maxLength: 120 }), (words) => {
        const text = words.join('').toWellFormed();
        expect(countInSlices(bytes(text), whole) * 1.1).toBeGreaterThanOrEqual(whole(text));
      }),
    );
  });
});

describe('the worker', () => {
  let counter: TokenCounter;
  beforeAll(() => {
    counter = createTokenCounter({ warn: noWarning, deadlineMs: 50_000 });
  });
  afterAll(() => counter.close());

  test.each([
    ['prose', readFileSync(join(project, 'README.md'), 'utf8')],
    ['code', readFileSync(join(project, 'src/gateway.ts'), 'utf8')],
    ['other scripts', '网关把每次调用的费用记到最后一位。Шлюз считает каждый вызов. '.repeat(80)],
    ['what looks like special tokens', '<|endoftext|><|im_start|>user '.repeat(200)],
  ])('counts %s closely, and never too few', async (_name, text) => {
    const tokens = await counter.count(bytes(text), Number.MAX_SAFE_INTEGER);
    expect(tokens).toBeGreaterThanOrEqual(whole(text));
    expect(tokens).toBeLessThanOrEqual(Math.ceil(whole(text) * 1.25));
    expect(await counter.count(bytes(text), 7)).toBe(7);
  });

  test.each([
    ['one letter', 'a'.repeat(COUNTED_BYTES_MAX)],
    ['letters in no order', noise(COUNTED_BYTES_MAX, (number) => String.fromCharCode(97 + (number % 26)))],
    [
      'characters of three bytes in no order',
      noise(COUNTED_BYTES_MAX / 3 - 1, (number) => String.fromCharCode(0x4e00 + (number % 20_000))),
    ],
    ['spaces', ' '.repeat(COUNTED_BYTES_MAX)],
  ])('counts a run of %s while the main thread goes on', async (_name, text) => {
    let turns = 0;
    let over = false;
    const turn = (): void => {
      turns += 1;
      if (!over) setImmediate(turn);
    };
    setImmediate(turn);
    const body = bytes(text);
    for (let round = 1; round <= 5; round += 1) {
      const tokens = await counter.count(body, body.length);
      expect(tokens).toBeLessThanOrEqual(body.length);
      expect(tokens).toBeGreaterThan(0);
    }
    over = true;
    // Counted in place, each round would be a single turn at most.
    expect(turns).toBeGreaterThan(20);
    // What was given away is a copy.
    expect(body.length).toBe(Buffer.byteLength(text));
  });

  test('leaves the process free to end', async () => {
    const script = `
      import { createTokenCounter } from './src/pipeline/count-tokens.ts';
      const held = setInterval(() => {}, 1000);
      const counter = createTokenCounter({ warn: console.error, deadlineMs: 50_000 });
      console.log(await counter.count(new TextEncoder().encode('Hello, dear world'), 17));
      clearInterval(held);`;
    const child = Bun.spawn([process.execPath, '-e', script], {
      cwd: project,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    });
    expect([await new Response(child.stdout).text(), await child.exited]).toEqual(['5\n', 0]);
  });
});

/** A thread that does what the test says. */
function stage(onMessage: (thread: TokenThread, message: ToTokenWorker) => void) {
  const made = { started: 0, ended: 0, threads: [] as TokenThread[], warnings: [] as string[] };
  const startThread = (): TokenThread => {
    made.started += 1;
    const thread: TokenThread = {
      postMessage: (message) => onMessage(thread, message),
      terminate: () => void (made.ended += 1),
      onmessage: null,
      onend: null,
    };
    made.threads.push(thread);
    return thread;
  };
  return { made, startThread, warn: (line: string) => void made.warnings.push(line) };
}

const silent = (): void => {};
const ready = (thread: TokenThread | undefined): void => thread?.onmessage?.({ data: { kind: 'ready' } });
const answers =
  (tokens: number | undefined) =>
  (thread: TokenThread, { id }: ToTokenWorker): void =>
    thread.onmessage?.({ data: { kind: 'counted', id, tokens } });

describe('the bound by bytes stays', () => {
  test('for a body that is too large, without a thread', async () => {
    const { made, ...options } = stage(answers(1));
    const counter = createTokenCounter(options);
    expect(await counter.count(new Uint8Array(COUNTED_BYTES_MAX + 1), 300_000)).toBe(300_000);
    expect(made.started).toBe(0);
    expect(await counter.count(new Uint8Array(COUNTED_BYTES_MAX), 300_000)).toBe(2);
    counter.close();
  });

  test('for a text that the tokenizer cannot count', async () => {
    const counter = createTokenCounter(stage(answers(undefined)));
    expect(await counter.count(bytes('abc'), 3)).toBe(3);
    counter.close();
  });

  test('when a thread that runs is late, which is ended; the next need has another', async () => {
    let stuck = true;
    const { made, ...options } = stage((thread, message) => (stuck ? ready(thread) : answers(10)(thread, message)));
    const counter = createTokenCounter({ ...options, deadlineMs: 1 });
    expect(await Promise.all([counter.count(bytes('abc'), 3), counter.count(bytes('abcd'), 4)])).toEqual([3, 4]);
    expect(made).toMatchObject({ started: 1, ended: 1 });
    stuck = false;
    expect(await counter.count(new Uint8Array(100), 100)).toBe(11);
    expect(made).toMatchObject({ started: 2, ended: 1, warnings: [] });
    counter.close();
    expect(made.ended).toBe(2);
  });

  test('when others take the thread that long, which is not its fault', async () => {
    const asked: (() => void)[] = [];
    const { made, ...options } = stage((thread, message) => void asked.push(() => answers(10)(thread, message)));
    const counter = createTokenCounter({ ...options, deadlineMs: 100 });
    const first = counter.count(new Uint8Array(100), 100);
    const second = counter.count(new Uint8Array(90), 90);
    ready(made.threads[0]);
    asked.shift()?.();
    expect(await Promise.all([first, second])).toEqual([11, 90]);
    // What is still with the thread counts among those that wait.
    const more = Array.from({ length: COUNTS_WAITING_MAX }, () => counter.count(new Uint8Array(80), 80));
    expect(await more.at(-1)).toBe(80);
    for (const answer of asked) answer();
    expect(await Promise.all(more)).toEqual([...Array<number>(COUNTS_WAITING_MAX - 1).fill(11), 80]);
    expect(made).toMatchObject({ started: 1, ended: 0 });
    counter.close();
  });

  test('while the tables are loaded, which a late request does not undo', async () => {
    const { made, ...options } = stage(silent);
    const counter = createTokenCounter({ ...options, deadlineMs: 1 });
    expect(await counter.count(bytes('abc'), 3)).toBe(3);
    expect(made).toMatchObject({ started: 1, ended: 0 });
    counter.close();
  });

  test('when the tables never come', async () => {
    const { made, ...options } = stage(silent);
    const counter = createTokenCounter({ ...options, startMaxMs: 1 });
    expect(await counter.count(bytes('abc'), 3)).toBe(3);
    expect(made).toMatchObject({ started: 1, ended: 1 });
    expect(made.warnings.join()).toContain('was not loaded within 1 ms');
  });

  test('when the thread crashes, or cannot be started', async () => {
    const { made, ...options } = stage((thread) => thread.onend?.('out of memory'));
    const counter = createTokenCounter(options);
    expect(await counter.count(bytes('abc'), 3)).toBe(3);
    expect(await counter.count(bytes('abc'), 3)).toBe(3);
    expect(made).toMatchObject({ started: 2, ended: 2 });
    expect(made.warnings[0]).toContain('out of memory');
    const none = createTokenCounter({ ...options, startThread: () => noWarning('no threads left') });
    expect(await none.count(bytes('abc'), 3)).toBe(3);
    expect(made.warnings.at(-1)).toContain('no threads left');
  });

  test('for those beyond the few that wait', async () => {
    const asked: (() => void)[] = [];
    const { made, ...options } = stage((thread, message) => void asked.push(() => answers(1)(thread, message)));
    const counter = createTokenCounter({ ...options, deadlineMs: 50_000 });
    const counts = Array.from({ length: COUNTS_WAITING_MAX + 2 }, () => counter.count(new Uint8Array(100), 100));
    expect(await Promise.all(counts.slice(COUNTS_WAITING_MAX))).toEqual([100, 100]);
    for (const answer of asked) answer();
    expect(await Promise.all(counts)).toEqual([...Array<number>(COUNTS_WAITING_MAX).fill(2), 100, 100]);
    expect(made.started).toBe(1);
    counter.close();
  });

  test('once it is closed, also for those that wait', async () => {
    const { made, ...options } = stage(silent);
    const counter = createTokenCounter(options);
    const count = counter.count(bytes('abc'), 3);
    counter.close();
    expect([await count, await counter.count(bytes('abc'), 3)]).toEqual([3, 3]);
    expect(made).toMatchObject({ started: 1, ended: 1, warnings: [] });
  });

  test('where a real thread loops for ever, and the loop ends', async () => {
    const loop = URL.createObjectURL(new Blob([`postMessage({ kind: 'ready' }); onmessage = () => { for (;;); };`]));
    let over = false;
    const counter = createTokenCounter({
      warn: noWarning,
      deadlineMs: 500,
      startThread() {
        const worker = new Worker(loop);
        worker.addEventListener('close', () => void (over = true));
        const thread: TokenThread = {
          postMessage: (message, transfer) => worker.postMessage(message, transfer),
          terminate: () => worker.terminate(),
          onmessage: null,
          onend: null,
        };
        worker.onmessage = (event: MessageEvent) => thread.onmessage?.(event);
        return thread;
      },
    });
    expect(await counter.count(bytes('abc'), 3)).toBe(3);
    await eventually('the end of the loop', () => over);
  });
});

test('a thread that nobody needs is ended, and started again', async () => {
  const { made, ...options } = stage(answers(1));
  const counter = createTokenCounter({ ...options, idleMs: 1 });
  await counter.count(bytes('abc'), 3);
  await eventually('the end of the idle thread', () => made.ended === 1);
  expect(await counter.count(new Uint8Array(100), 100)).toBe(2);
  expect(made.started).toBe(2);
  counter.close();
});

test('a real thread says when it is ready', async () => {
  const thread = startTokenThread();
  const said = new Promise((resolve) => {
    thread.onmessage = (event) => resolve(event.data);
  });
  expect(await said).toEqual({ kind: 'ready' });
  thread.terminate();
});

describe('a request that fits only when it is counted', () => {
  const prose = 'The gateway counts what it must, and nothing beyond that. '.repeat(140);
  // 8,120 characters in about 1,700 tokens of 100 nano: between 170,000 and 812,000.
  const balanceNano = 400_000n;
  const body = { model: 'sim/fast', max_tokens: 10, messages: [{ role: 'user', content: prose }] };

  async function admits({ fundedKey, client }: GatewayCalls): Promise<void> {
    const { apiKey } = await fundedKey(balanceNano);
    const headers = { authorization: `Bearer ${apiKey}` };
    // The tables may be late on a slow machine, once.
    await eventually(
      'an admitted request',
      async () => (await client('/chat/completions', body, headers)).status === 200,
    );
    const poor = await fundedKey(100_000n);
    const refused = await client('/chat/completions', body, { authorization: `Bearer ${poor.apiKey}` });
    expect([refused.status, textField(await refused.json(), 'error', 'code')]).toEqual([429, 'insufficient_balance']);
  }

  test('is admitted by a gateway', async () => {
    const gateway = await startTestGateway();
    await admits(gateway).finally(gateway.stop);
  });

  test('is admitted by the executable', async () => {
    const executable = await startExecutable();
    await admits(executable).finally(executable.stop);
    expect(executable.errors()).not.toContain('tokenizer');
  });
});
