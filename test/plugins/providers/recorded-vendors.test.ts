// Every recorded reply of the protocols that are spoken, read by the provider of the vendor that it came from: the
// usage is what the recording says was used, a refusal is blamed on whom it is to be blamed on, and a stream ends as
// the provider says that it does.

import { describe, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FaultClass, Operation, ProtocolName } from 'tollgate/plugin';
import { providerOf } from '../../support/recorded-vendors.ts';

const folder = process.env.TOLLGATE_RECORDINGS ?? join(import.meta.dir, '../../../../shared/recordings');

const operations: Readonly<Partial<Record<ProtocolName, Operation>>> = {
  'openai-chat': 'chat',
  'openai-responses': 'chat',
  'anthropic-messages': 'chat',
  'gemini-generate': 'chat',
  'openai-completions': 'completions',
  'openai-embeddings': 'embeddings',
};

interface Recording {
  readonly id: string;
  readonly format: ProtocolName;
  readonly provider: string;
  readonly status: number;
  readonly stream: boolean;
  readonly model?: string;
  readonly path?: string;
  readonly response: string;
  readonly usage?: unknown;
  readonly usage_expected?: Readonly<Record<string, number | null>> | null;
}

const recordings = (existsSync(folder) ? readFileSync(join(folder, 'index.jsonl'), 'utf8').trim().split('\n') : [])
  .map((line) => JSON.parse(line) as Recording)
  .filter(({ format }) => format in operations);
const answered = recordings.filter(({ status }) => status === 200);

const textOf = ({ response }: Recording) => readFileSync(join(folder, response), 'utf8');

/** With parts for what was written to the cache, where its vendor says that. */
function providerFor({ provider: vendor, format }: Recording) {
  const entry = providerOf(vendor, format);
  if (entry === undefined) throw new Error(`${vendor} has no provider`);
  return entry.create('cacheWrites' in entry.schema.properties ? { cacheWrites: true } : entry.options);
}

const named = (some: readonly Recording[]) => some.map((each) => [each.id, each.provider, each] as const);

/** Refusals that are not the caller's. */
const faults: Readonly<Record<string, FaultClass>> = {
  em001: 'model', // in a member of its own, as 400
  em005: 'model',
  ge008: 'model',
  ge011: 'rate-limit',
  oc014: 'rate-limit',
  oc023: 'credential',
  oc028: 'credential',
  oc065: 'credential',
  oc075: 'model',
  oc085: 'credential',
  or021: 'credential', // as 400, its words without an object
  or024: 'credential',
  or052: 'model', // as 400
};

/** What no rule of counting explains: flagged, and as near as what is physically possible. */
const odd: Readonly<Record<string, readonly string[]>> = {
  an001: ['iterations-added', 'other-model'],
  an021: ['iterations-added'],
  oc003: ['reasoning-above-output'],
  oc029: ['reasoning-above-output'],
  oc136: ['cached-above-input'],
};

describe.skipIf(recordings.length === 0)(`recorded vendors (skipped without ${folder})`, () => {
  test.each(named(recordings))('%s: %s speaks the protocol', (_id, _vendor, recording) => {
    const spoken = providerFor(recording).speaks[operations[recording.format] ?? 'chat'];
    expect(spoken).toContain(recording.format);
  });

  // What is asked for by another name, at an address of its own, or with an address that was left out.
  const elsewhere = new Set(['oc031', 'oc097', 'ge058']);
  const addressed = recordings.filter(
    ({ id, provider, path }) => path?.startsWith('/') && provider !== 'vertex' && !elsewhere.has(id),
  );
  test.each(named(addressed))('%s: %s is asked where it was asked then', (_id, _vendor, recording) => {
    const provider = providerFor(recording);
    const { format: protocol, model = 'm', stream } = recording;
    const call = { operation: operations[protocol] ?? 'chat', protocol, model, stream } as const;
    const { path } = provider.address(call, 'k');
    const asked = recording.path?.split('?')[0] ?? '';
    if (provider.defaultBaseUrl === undefined) expect(asked).toEndWith(path);
    else expect(new URL(provider.defaultBaseUrl).pathname.replace(/\/$/, '') + path).toBe(asked);
  });

  const refused = recordings.filter(({ status }) => status !== 200);
  test.each(named(refused))('%s: a refusal of %s', (id, _vendor, recording) => {
    const failure = { status: recording.status, headers: new Map(), body: textOf(recording) };
    expect(providerFor(recording).classify(failure)).toBe(faults[id] ?? 'request');
  });

  const counted = answered.filter((each) => each.usage !== undefined && each.usage_expected);
  test.each(named(counted))('%s: the usage of %s', (id, _vendor, recording) => {
    const { usage, usage_expected: expected, format } = recording;
    const reading = providerFor(recording).usage(usage, operations[format] ?? 'chat', format);
    expect(reading?.flags).toEqual([...(odd[id] ?? [])]);
    const { input = 0, cacheRead = 0, cacheWrite5m = 0, cacheWrite1h = 0 } = reading?.parts ?? {};
    const { output = 0, reasoning = 0 } = reading?.parts ?? {};
    const hidden = reasoning > 0 && expected?.reasoning === 0;
    if (id.startsWith('an') && odd[id] !== undefined) return; // their sum is tested beside the provider
    expect(input + cacheRead + cacheWrite5m + cacheWrite1h).toBe(expected?.input_total ?? Number.NaN);
    expect(output + reasoning).toBe(expected?.output_total ?? Number.NaN);
    if (odd[id] !== undefined || hidden) return;
    expect([cacheRead, cacheWrite5m + cacheWrite1h]).toEqual([expected?.cached_read ?? 0, expected?.cache_write ?? 0]);
    expect(reasoning).toBe(expected?.reasoning ?? 0);
  });

  // An error within a stream ends it, too.
  const streams = answered.filter((each) => each.stream && each.format === 'openai-chat');
  const whole = streams.filter((each) => !textOf(each).includes('event: error'));
  test.each(named(whole))('%s: a stream of %s ends as its provider says', (_id, _vendor, recording) => {
    const body = textOf(recording);
    const ends = body.includes('data: [DONE]') ? ['done', 'finish-reason'] : ['finish-reason'];
    expect(ends).toContain(providerFor(recording).quirks.end);
  });

  test('there are recordings of each kind', () => {
    expect([counted.length, whole.length, recordings.length].every((count) => count > 15)).toBe(true);
  });
});
