// Faults below HTTP's meaning, raw: resets, silence, wrong framing, drips and bytes too many.

import { describe, expect, test } from 'bun:test';
import { startSimulator } from '../../../src/simulator/server.ts';
import { dechunk, eventually, exchange, isWhole } from '../raw-client.ts';
import { honestPieces, isJson, openFaultClient, payloads, piecesIn, request } from './fault-client.ts';
import type { RawReply } from '../raw-client.ts';

const { observe, port } = openFaultClient();

function idOf(reply: RawReply): string {
  return /chatcmpl-sim\w+/.exec(reply.rest.toString().replaceAll(/\r\n[0-9a-f]+\r\n/g, ''))?.[0] ?? '';
}

describe('transport', () => {
  test.each([[true], [false]])('U2 reset before headers, stream %p', async (stream) => {
    expect(await observe('sim/u02', stream)).toMatchObject({ head: '', ending: 'reset' });
    expect(await observe('sim/u02-fin', stream)).toMatchObject({ head: '', ending: 'fin' });
    const partial = await observe('sim/u02-head', stream);
    expect([partial.head, partial.raw.length > 0, partial.ending]).toEqual(['', true, 'reset']);
  });

  test('U3, U4 silence: nothing comes, whatever the time, until the client leaves', async () => {
    let nowMs = 0;
    const silent = startSimulator({ faults: true, clock: { now: () => 0, monotonicMs: () => nowMs } });
    const expectations = [
      ['sim/u03', true, () => true],
      ['sim/u03', false, () => true],
      ['sim/u04', true, (raw: string) => raw.endsWith('\r\n\r\n')],
      ['sim/u04', false, (raw: string) => raw.endsWith('\r\n\r\n')],
      ['sim/u04-content', true, (raw: string) => raw.includes('alpha')],
      ['sim/u04-content', false, (raw: string) => raw.includes('{"id"')],
      ['sim/u04-done', true, (raw: string) => raw.includes('[DONE]\n\n\r\n')],
      ['sim/u04-done', false, (raw: string) => raw.endsWith('}\r\n')],
    ] as const;
    const opened = expectations.map(([model, stream]) => exchange(silent.port, request(model, stream)));
    await eventually('all were asked', () => silent.counters().open === opened.length);
    for (const [index, [, , arrived]] of expectations.entries()) {
      await eventually('the head arrived', () => arrived(opened[index]?.received().toString() ?? ''));
    }
    // Another reply that waits shows that time has passed.
    const witness = exchange(silent.port, request('sim/fast', false, '[[sim: delay=3600000]] x'));
    await eventually('the witness was asked', () => silent.counters().open === opened.length + 1);
    nowMs += 3_600_010;
    await witness.until(isWhole);
    for (const [index, [, , arrived]] of expectations.entries())
      expect(arrived(opened[index]?.received().toString() ?? '')).toBe(true);
    expect(opened.slice(0, 2).map((each) => each.received().length)).toEqual([0, 0]);
    expect(silent.counters().open).toBe(opened.length);
    for (const each of [...opened, witness]) each.socket.destroy();
    await eventually('all are aborted', () => silent.counters().aborted === opened.length);
    silent.close();
  });

  test('U5 reset mid-frame', async () => {
    const streamed = await observe('sim/u05', true);
    const { chunks, rest, whole } = dechunk(streamed.rest);
    expect([streamed.ending, whole]).toEqual(['reset', false]);
    expect(piecesIn(payloads(Buffer.concat(chunks)))).toBe(2);
    expect(rest.toString()).toMatch(/^[0-9a-f]+\r\ndata: \{"id"/);
    expect(rest.toString()).not.toContain('\n\n');
    const plain = await observe('sim/u05', false);
    expect([plain.ending, plain.rest.length < Number(plain.headers.get('content-length'))]).toEqual(['reset', true]);
    const late = await observe('sim/u05-usage', true);
    expect([late.ending, late.rest.includes('"total_tokens"'), late.rest.includes('[DONE]')]).toEqual([
      'reset',
      true,
      false,
    ]);
  });

  test('U6 clean end mid-stream', async () => {
    const counted = async (model: string) => {
      const reply = await observe(model, true);
      expect([reply.ending, reply.headers.has('transfer-encoding'), reply.headers.has('content-length')]).toEqual([
        'fin',
        false,
        false,
      ]);
      expect(reply.rest.includes('[DONE]')).toBe(false);
      const events = payloads(reply.rest);
      return [
        piecesIn(events),
        events.some((each) => each.includes('"stop"')),
        events.some((each) => each.includes('"total_tokens"')),
      ];
    };
    expect(await counted('sim/u06')).toEqual([2, false, false]);
    expect(await counted('sim/u06-finish')).toEqual([honestPieces, true, false]);
    expect(await counted('sim/u06-usage')).toEqual([honestPieces, true, true]);
    expect(await counted('sim/u06-empty')).toEqual([0, false, false]);
    const plain = await observe('sim/u06', false);
    expect([plain.ending, isJson(plain.rest.toString())]).toEqual(['fin', false]);
  });

  test('U7 missing last chunk and wrong lengths', async () => {
    for (const [model, done] of [
      ['sim/u07', false],
      ['sim/u07-done', true],
    ] as const) {
      const reply = await observe(model, true);
      expect([reply.ending, dechunk(reply.rest).whole, reply.rest.includes('[DONE]')]).toEqual(['fin', false, done]);
    }
    for (const stream of [true, false]) {
      const short = await observe('sim/u07-short', stream);
      expect([short.ending, short.rest.length + 100]).toEqual(['fin', Number(short.headers.get('content-length'))]);
      const both = await observe('sim/u07-both', stream);
      expect([both.ending, both.headers.get('content-length'), both.headers.get('transfer-encoding')]).toEqual([
        'fin',
        '1048576',
        'chunked',
      ]);
    }
    const plain = await observe('sim/u07', false);
    expect([plain.ending, isJson(dechunk(plain.rest).body.toString()), dechunk(plain.rest).whole]).toEqual([
      'fin',
      true,
      false,
    ]);
  });

  test('U12 one byte per write', async () => {
    const honest = await observe('sim/fast', true);
    const reply = await observe('sim/u12', true);
    expect(dechunk(reply.rest).body.toString()).toBe(
      dechunk(honest.rest)
        .body.toString()
        .replaceAll('sim/fast', 'sim/u12')
        .replaceAll(/chatcmpl-sim\w+/g, idOf(reply)),
    );
    expect(reply.reads).toBeGreaterThan(50);
    expect(isJson((await observe('sim/u12', false)).rest.toString())).toBe(true);
  });

  test('U26 slow drip, U28 brown-out: late, but whole', async () => {
    let nowMs = 0;
    const slow = startSimulator({ faults: true, clock: { now: () => 0, monotonicMs: () => nowMs } });
    for (const [model, stream, leastMs] of [
      ['sim/u26', true, 5_000],
      ['sim/u26', false, 9_000],
      ['sim/u26-byte', false, 100_000],
      ['sim/u28', true, 1_000],
      ['sim/u28', false, 1_000],
    ] as const) {
      const startedMs = nowMs;
      const open = exchange(slow.port, request(model, stream));
      await eventually('it was asked', () => slow.counters().open === 1);
      await eventually('it is whole', () => {
        nowMs += 50;
        return slow.counters().open === 0;
      });
      const reply = await open.until(isWhole);
      expect([model, stream, reply.status, nowMs - startedMs >= leastMs]).toEqual([model, stream, 200, true]);
      open.socket.destroy();
    }
    slow.close();
  });

  test.each([
    ['sim/u30', 'HTTP/1.1 200 OK'],
    ['sim/u30-garbage', '\u0000\u0001garbage'],
    ['sim/u30-done', 'data: [DONE]'],
  ])('U30 %s', async (model, extra) => {
    for (const stream of [true, false]) {
      const open = exchange(port, request(model, stream));
      const reply = await open.until((raw) => raw.subarray(-extra.length - 400).includes(extra) && isWhole(raw));
      const after = stream
        ? dechunk(reply.rest).rest
        : reply.rest.subarray(Number(reply.headers.get('content-length')));
      expect(after.toString('latin1')).toStartWith(extra);
      // The connection stays open and serves on.
      open.socket.write(request('sim/fast', false, 'still here'));
      await open.until((raw) => raw.includes('"still here"'));
      open.socket.destroy();
    }
  });
});
