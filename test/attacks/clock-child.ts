// What the code makes of dates, letters and numbers, as one JSON text: run under other time zones and languages, it
// must be the same to the byte. A line before it tells the zone's distance from UTC, which must not be the same.

import { resolveConfig } from '../../src/config/resolve.ts';
import { checkUpstreamUrl } from '../../src/core/addresses.ts';
import { createLog } from '../../src/core/log.ts';
import { formatNano } from '../../src/core/money.ts';
import { parseDocument } from '../../src/domain/terms/parse-document.ts';
import { readTime, textOf } from '../../src/http/admin/schemas.ts';
import { createHostCheck } from '../../src/http/host-check.ts';
import { retryAfterOf } from '../../src/pipeline/addressing.ts';
import { preferredForm } from '../../src/http/terms/preferred-form.ts';
import { periodOf } from '../../src/store/spend-periods.ts';
import { simulatorModel, testConfig } from '../support/gateway.ts';

/** Ends of days, months, years and of summer times; the end of 32 bits; a leap day. */
const times = [
  '2026-03-08T06:59:59.999Z', '2026-03-08T10:00:00.000Z', '2026-03-29T00:59:59.999Z', '2026-03-29T01:00:00.000Z',
  '2026-10-25T00:30:00.000Z', '2026-10-25T01:30:00.000Z', '2026-12-31T23:59:59.999Z', '2027-01-01T00:00:00.000Z',
  '2028-02-29T12:00:00.000Z', '2038-01-19T03:14:08.000Z', '2106-02-07T06:28:16.000Z', '2100-03-01T00:00:00.000Z',
  '1970-01-01T00:00:00.000Z', '9999-12-31T23:59:59.999Z',
];
const read = (text: string): unknown => {
  try {
    return readTime('at', text);
  } catch (error) {
    return String(error);
  }
};

const rates = { input: 100n, cacheRead: 10n, output: 400n };
const dated = (from: string) => {
  const price = [{ currency: 'USD', rates }, { currency: 'USD', rates, from }];
  const baseUrl = 'http://127.0.0.1:9/v1';
  const upstreams = [{ name: 'simulator', provider: 'simulator', baseUrl, addresses: 'any' }] as const;
  const result = resolveConfig(testConfig({ upstreams, models: [simulatorModel('sim/echo', { price })] }), {
    secret: () => undefined,
    preset: undefined,
  });
  if (!result.ok) return result.problems;
  return result.resolved.models.map(({ prices }) => prices.map((one) => one.from ?? null));
};

const document = (effective: string): string =>
  `---\ndocument: d\nversion: 1\neffective: ${effective}\ntitle: T\nlocale: tr\nacceptance: use\n---\n\n# 1. A {#a}\n\nText.\n`;

const lines: string[] = [];
const clock = { now: () => Date.parse(times[3] ?? ''), monotonicMs: () => 0 };
const log = createLog(clock, (line) => void lines.push(line), (text) => text);
log.info('event', { number: 1234.5, text: 'İIıi' });

const day = (time: string) => periodOf('day', Date.parse(time));
const month = (time: string) => periodOf('month', Date.parse(time));
const retryAfter = (text: string) => retryAfterOf(text, Date.parse(times[2] ?? ''));
const hostVerdict = createHostCheck(['API.INFINITY.example']);
console.log(new Date(Date.parse('2026-06-01T00:00:00Z')).getTimezoneOffset());
console.log(
  JSON.stringify({
    zone: new Date(0).toISOString(),
    periods: times.map((time) => [day(time), month(time)]),
    texts: times.map((time) => textOf(Date.parse(time))),
    read: [...times, '2026-02-30T00:00:00Z', '2016-12-31T23:59:60Z', '2026-03-29T02:30:00Z'].map(read),
    dated: ['2026-03-29T02:30:00Z', '2038-01-19T03:14:08Z', '2026-03-29T02:30:00', '2026-13-01T00:00:00Z'].map(dated),
    terms: ['2026-03-29', '2026-03-29T02:30:00Z', '2026-03-29T02:30:00'].map(document).map(parseDocument),
    retryAfter: ['Sun, 29 Mar 2026 02:30:00 GMT', '١٢', '12'].map(retryAfter),
    money: [1_234_567_890_123_456n, -5n].map((amount) => formatNano(amount, 'TRY')),
    url: ['HTTPS://API.INFINITY.example/V1', 'https://localhost/I'].map((each) => checkUpstreamUrl(each, 'public')),
    host: ['api.infinity.example', 'API.INFINITY.EXAMPLE', 'apı.ınfınıty.example'].map((each) => hostVerdict(each)),
    form: ['TEXT/PLAIN', 'application/JSON;q=0.5, TEXT/MARKDOWN'].map(preferredForm),
    lines,
  }, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value)),
);
