// Faults inside the body, raw: each shows exactly what it names, streamed and not.

import { describe, expect, test } from 'bun:test';
import { dechunk, eventually, exchange } from '../raw-client.ts';
import { content, honestPieces, isJson, openFaultClient, parse, payloads, piecesIn, request } from './fault-client.ts';

const { observe, plain, port, simulator, streamed } = openFaultClient();

describe('stream', () => {
  test.each([
    ['sim/u08', undefined],
    ['sim/u08-garbage', 'not json'],
    ['sim/u08-null', 'null'],
    ['sim/u08-list', '[]'],
  ])('U8 %s', async (model, payload) => {
    const events = payloads(await streamed(model));
    const odd = events.filter((each) => each !== '[DONE]' && (!isJson(each) || !parse(each)?.choices));
    expect(odd).toHaveLength(1);
    if (payload !== undefined) expect(odd).toEqual([payload]);
    expect([piecesIn(events), events.at(-1)]).toEqual([honestPieces, '[DONE]']);
    const body = await plain(model);
    expect(isJson(body) && parse(body)?.choices !== undefined).toBe(false);
  });

  test('U9 split UTF-8: every byte of a character in a chunk of its own', async () => {
    const reply = await observe('sim/u09', true);
    const { chunks, body } = dechunk(reply.rest);
    expect(chunks.filter((chunk) => chunk.length === 1).length).toBeGreaterThan(100);
    expect(new TextDecoder('utf-8', { fatal: true }).decode(body)).toContain('漢字かな 한국어 👩‍👩‍👧');
    expect(parse(await plain('sim/u09')).choices?.[0]?.message?.content).toContain('🦊');
  });

  test('U9 invalid UTF-8', async () => {
    for (const stream of [true, false]) {
      const reply = await observe('sim/u09-invalid', stream);
      expect(() => new TextDecoder('utf-8', { fatal: true }).decode(reply.rest)).toThrow();
      expect(reply.rest.includes(Uint8Array.of(0xc0, 0xaf, 0xed, 0xa0, 0x80))).toBe(true);
    }
  });

  test('U10 other framing, same content', async () => {
    const bodies = new Map<string, string>();
    for (const variant of ['crlf', 'cr', 'nospace', 'bom', 'lines', 'fields', 'comments'])
      bodies.set(variant, await streamed(`sim/u10-${variant}`));
    expect(bodies.get('crlf')).toMatch(/^(?:[^\r\n]*\r\n)+$/);
    expect(bodies.get('cr')).not.toContain('\n');
    expect(bodies.get('nospace')).not.toContain('data: ');
    expect(bodies.get('bom')?.codePointAt(0)).toBe(0xfeff);
    expect(bodies.get('lines')).toContain('data: {\ndata: "id"');
    expect(bodies.get('fields')).toContain('id: 1\nretry: 1000\ndata: {');
    expect(bodies.get('comments')).toContain(': comment\n\ndata: [DONE]');
    for (const [variant, body] of bodies) {
      // Read by the letter of the format: fields, line ends and joined data lines.
      const events = body
        .replace(/^\ufeff/, '')
        .replaceAll(/\r\n|\r/g, '\n')
        .split('\n\n')
        .map((each) => payloads(each).join('\n'));
      expect([variant, piecesIn(events), events.includes('[DONE]')]).toEqual([variant, honestPieces, true]);
    }
    expect(await streamed('sim/u10')).toContain('\r\n\r\n');
    expect(isJson(await plain('sim/u10'))).toBe(true);
  });

  test.each([
    ['sim/u11', 16],
    ['sim/u11-32', 32],
  ])(
    'U11 %s: one frame of %p MiB',
    async (model, mebibytes) => {
      const longest = payloads(await streamed(model)).reduce((most, each) => Math.max(most, each.length), 0);
      expect(longest).toBeGreaterThan(mebibytes * 1024 * 1024);
      const body = await plain(model);
      expect([isJson(body), body.length > mebibytes * 1024 * 1024]).toEqual([true, true]);
    },
    20_000,
  );

  test.each([[true], [false]])('U13 endless, stream %p', async (stream) => {
    const open = exchange(port, request('sim/u13', stream));
    const reply = await open.until((raw) => raw.length > 2_000_000);
    expect(reply.ending).toBe('open');
    expect(reply.rest.includes(' tok1000')).toBe(true);
    const aborted = simulator.counters().aborted;
    open.socket.destroy();
    await eventually('it stops', () => simulator.counters().aborted === aborted + 1);
  });

  test('U14 endless comments', async () => {
    for (const [model, pieces] of [
      ['sim/u14', 0],
      ['sim/u14-after', 2],
    ] as const) {
      const open = exchange(port, request(model, true, `[[sim: gap=1]]${content}`));
      const reply = await open.until((raw) => (raw.toString().match(/: keep-alive\n\n/g)?.length ?? 0) > 20);
      open.socket.destroy();
      expect([model, piecesIn(payloads(dechunk(reply.rest).body))]).toEqual([model, pieces]);
    }
    const open = exchange(port, request('sim/u14', false));
    const reply = await open.until((raw) => raw.length > 200);
    open.socket.destroy();
    expect(dechunk(reply.rest).body.toString()).toMatch(/^\n+$/);
  });

  test('U15 error event after content', async () => {
    const read = async (model: string) => {
      const body = await streamed(model);
      const events = payloads(body);
      const errorAt = events.findIndex((each) => isJson(each) && parse(each).error !== undefined);
      expect(errorAt).toBeGreaterThanOrEqual(0);
      return [piecesIn(events.slice(0, errorAt)), events.slice(errorAt + 1), body.includes('event: error')];
    };
    expect(await read('sim/u15')).toEqual([2, [], false]);
    expect(await read('sim/u15-done')).toEqual([2, ['[DONE]'], false]);
    expect(await read('sim/u15-event')).toEqual([2, [], true]);
    expect(await read('sim/u15-first')).toEqual([0, ['[DONE]'], false]);
    expect(await read('sim/u15-usage')).toEqual([honestPieces, ['[DONE]'], false]);
    const body = parse(await plain('sim/u15'));
    expect([body.choices?.length, body.error?.type]).toEqual([1, 'server_error']);
  });

  test('U24, U25 what comes after the terminal event', async () => {
    const after = async (model: string) => {
      const body = await streamed(model);
      const events = payloads(body);
      return { events: events.slice(events.indexOf('[DONE]') + 1), body };
    };
    expect((await after('sim/u24')).events).toEqual(['[DONE]']);
    const late = (await after('sim/u25')).events;
    expect([late.length, parse(late[0] ?? '').choices?.[0]?.delta?.content]).toEqual([2, ' late']);
    expect(parse((await after('sim/u25-usage')).events[0] ?? '').usage?.completion_tokens).toBe(1_000_000);
    expect((await after('sim/u25-garbage')).body).toEndWith('[DONE]\n\ngarbage without end');
    for (const model of ['sim/u24', 'sim/u25']) expect(isJson(await plain(model))).toBe(false);
  });

  test('U32 tool-call deltas out of order', async () => {
    const deltas = async (model: string) =>
      payloads(await streamed(model))
        .filter(isJson)
        .flatMap((each) => parse(each).choices?.[0]?.delta?.tool_calls ?? []);
    const indexes = async (model: string) => (await deltas(model)).map((delta) => (delta as { index?: number }).index);
    expect(await indexes('sim/u32')).toEqual([1, 1, 0, 0, 1, 0]);
    expect(await indexes('sim/u32-index')).toEqual(Array.from({ length: 6 }, () => undefined));
    expect(await deltas('sim/u32-late')).toMatchObject([{ function: { arguments: '{"a":1}' } }, { id: 'call_a' }]);
    expect(await indexes('sim/u32-gap')).toEqual([7, 7]);
    expect(await plain('sim/u32')).toContain('"finish_reason":"tool_calls"');
  });
});
