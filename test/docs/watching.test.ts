// The page about watching says what is true: its list of metrics is the code's, and so are its words.

import { expect, test } from 'bun:test';
import { join } from 'node:path';
import { readEnvironment } from '../../src/environment.ts';
import { families } from '../../src/http/metrics/families.ts';
import { samplerNames } from '../../src/telemetry/trace-context.ts';

const file = join(import.meta.dir, '../../docs/watching.md');
const page = await Bun.file(file).text();

const metricTable = (): string =>
  [
    '| metric | type | labels | |',
    '|---|---|---|---|',
    ...Object.values(families).map(
      ({ name, type, labels, help }) =>
        `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(' ')} | ${help} |`,
    ),
  ].join('\n');

test('its list of metrics is the one that is served', () => {
  const listed = /<!-- metrics -->\n([^]*?)\n<!-- \/metrics -->/.exec(page)?.[1];
  expect(listed).toBe(metricTable());
});

test('its queries name metrics that there are', () => {
  const known = new Set(Object.values(families).map(({ name }) => name));
  const named = [...page.matchAll(/\btollgate_[a-z_]+/g)].map(([name]) => name.replace(/_bucket$/, ''));
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});

test('every variable of OpenTelemetry that is read stands on it, and every sampler', () => {
  const read: string[] = [];
  readEnvironment(
    new Proxy<Record<string, string>>({}, { get: (_variables, name) => (read.push(String(name)), undefined) }),
  );
  const ours = read.filter((name) => name.startsWith('OTEL_'));
  expect(ours.length).toBeGreaterThan(15);
  // What is only read to be refused needs no row.
  const refused = ['OTEL_EXPORTER_OTLP_PROTOCOL', 'OTEL_EXPORTER_OTLP_COMPRESSION'];
  const short = (name: string) => name.replace('OTEL_EXPORTER_OTLP', '…');
  const missing = ours.filter((name) => !page.includes(name) && !page.includes(short(name)) && !refused.includes(name));
  expect(missing).toEqual([]);
  for (const name of samplerNames) expect(page).toContain(name.replace('parentbased_', ''));
});
