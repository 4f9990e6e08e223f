// Faults that a status line or a header tells, raw.

import { describe, expect, test } from 'bun:test';
import { exchange } from '../raw-client.ts';
import { openFaultClient, parse, payloads, request, wallMs } from './fault-client.ts';

const { observe, port, streamed } = openFaultClient();

describe('status and headers', () => {
  test('U16 200 with an error body', async () => {
    const bodyOf = async (variant: string) => (await observe(`sim/u16${variant}`, true)).rest.toString();
    expect(parse(await bodyOf('')).error?.type).toBe('server_error');
    expect(parse(await bodyOf('-rate')).error?.code).toBe(429);
    expect(await bodyOf('-string')).toBe('{"error":"overloaded"}');
    expect(await bodyOf('-empty')).toBe('');
    expect(await bodyOf('-object')).toBe('{}');
    expect(payloads(await streamed('sim/u16-stream'))).toHaveLength(2);
  });

  test('U17 429', async () => {
    const retryAfter = async (variant: string) => {
      const reply = await observe(`sim/u17${variant}`, true);
      expect([reply.status, reply.headers.get('content-type')]).toEqual([429, 'application/json']);
      return reply.headers.get('retry-after');
    };
    expect(await retryAfter('')).toBe('2');
    expect(await retryAfter('-retry-after')).toBe('2');
    expect(Date.parse((await retryAfter('-retry-after-date')) ?? '')).toBe(wallMs + 30_000);
    expect(await retryAfter('-retry-after-absurd')).toBe('99999999999');
    expect(await retryAfter('-retry-after-negative')).toBe('-5');
    expect(await retryAfter('-retry-after-garbage')).toBe('soon');
    expect(await retryAfter('-none')).toBeUndefined();
    expect((await observe('sim/u17-retry-after-ms', false)).headers.get('retry-after-ms')).toBe('1500');
    expect(parse((await observe('sim/u17-quota', false)).rest.toString()).error?.code).toBe('insufficient_quota');
  });

  test('U18 5xx, U19 dead credentials, U20 redirects', async () => {
    const statusOf = async (model: string) => (await observe(model, true)).status;
    const storm: number[] = [];
    for (let at = 0; at < 7; at++) storm.push(await statusOf('sim/u18'));
    expect(storm).toEqual([500, 502, 503, 504, 520, 529, 500]);
    for (const status of [500, 501, 502, 503, 504, 520, 529]) expect(await statusOf(`sim/u18-${status}`)).toBe(status);
    expect((await observe('sim/u18-html', false)).headers.get('content-type')).toStartWith('text/html');
    for (const status of [401, 402, 403]) expect(await statusOf(`sim/u19-${status}`)).toBe(status);
    expect(await statusOf('sim/u19')).toBe(401);
    for (const status of [301, 302, 303, 307, 308]) {
      const reply = await observe(`sim/u20-${status}`, true);
      expect([reply.status, reply.headers.has('location')]).toEqual([status, true]);
    }
    const notModified = exchange(port, request('sim/u20-304', true));
    expect((await notModified.until((raw) => raw.includes('\r\n\r\n'))).status).toBe(304);
    notModified.socket.destroy();
  });

  test('U21 wrong content type', async () => {
    const typeOf = async (model: string) => (await observe(model, true)).headers.get('content-type');
    expect(await typeOf('sim/u21')).toStartWith('text/html');
    expect((await observe('sim/u21-challenge', true)).status).toBe(403);
    expect(await typeOf('sim/u21-plain')).toBe('text/plain');
    expect(await typeOf('sim/u21-none')).toBeUndefined();
    expect(payloads((await observe('sim/u21-plain', true)).rest).at(-1)).toBe('[DONE]');
  });

  test('U22 gzip', async () => {
    for (const stream of [true, false]) {
      const packed = async (variant: string) => {
        const reply = await observe(`sim/u22-${variant}`, stream);
        expect(reply.headers.get('content-encoding')).toBe('gzip');
        return new Uint8Array(reply.rest);
      };
      expect(Buffer.from(Bun.gunzipSync(await packed('honest'))).toString()).toContain('alpha');
      const truncated = await packed('truncated');
      expect([truncated[0], truncated[1]]).toEqual([0x1f, 0x8b]);
      expect(() => Bun.gunzipSync(truncated)).toThrow();
      expect(Buffer.from(await packed('lying')).toString()).toContain('alpha');
      const bomb = await packed('bomb');
      expect(bomb.length).toBeLessThan(1024 * 1024);
      expect(Bun.gunzipSync(bomb).length).toBeGreaterThan(64 * 1024 * 1024);
    }
  }, 20_000);

  test('U27 flapping: every other request fails', async () => {
    const statuses: number[] = [];
    for (let at = 0; at < 6; at++) statuses.push((await observe('sim/u27', at % 4 < 2)).status);
    expect(statuses).toEqual([503, 200, 503, 200, 503, 200]);
  });

  test.each([
    ['', '999'],
    ['-0', '0'],
    ['-000', '000'],
    ['-99999', '99999'],
    ['-negative', '-1'],
  ])('U29%s', async (variant, code) => {
    expect((await observe(`sim/u29${variant}`, false)).head).toStartWith(`HTTP/1.1 ${code} `);
  });
});
