// Every recorded reply of an OpenAI-shaped vendor, replayed as the upstream: the client gets its bytes, the record's
// parts sum to what the reply says, the charge is the price times them. OpenAI's own go through the executable too.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { classifyOpenAi } from '../../plugins/providers/openai-faults.ts';
import { startExecutable } from '../support/executable.ts';
import { field, haveRecordings, startTestGateway, type GatewayCalls } from '../support/gateway.ts';
import { configText, paths, rates, recordedReplies, type RecordedReply } from './recorded-replies.ts';

setDefaultTimeout(60_000);

const replies = haveRecordings ? recordedReplies() : [];
const own = replies.filter(({ provider }) => provider === 'openai');

test.skipIf(!haveRecordings)('OpenAI and others have recordings (skipped without recordings)', () => {
  expect([own.length > 0, replies.length > own.length]).toEqual([true, true]);
});

type Part = keyof typeof rates;
const number = (value: unknown): number => (typeof value === 'number' ? value : 0);

/** The client never asked for it: an event with usage and without choices, which we had asked the upstream for. */
const usageOnly =
  /data: \{[^\n]*"choices":\s*\[\][^\n]*"usage":\s*\{[^\n]*\n\n|data: \{[^\n]*"usage":\s*\{[^\n]*"choices":\s*\[\][^\n]*\n\n/g;

function expectedBytes({ response, stream, request }: RecordedReply): string {
  const asked = field(request, 'stream_options', 'include_usage') === true;
  return !stream || asked ? response.toString('latin1') : response.toString('latin1').replace(usageOnly, '');
}

interface Served {
  readonly status: number;
  readonly bytes: Buffer;
  readonly headers: Headers;
  /** Undefined where the gateway refused the request itself, before it held money for it. */
  readonly record: Record<string, unknown> | undefined;
}

async function serve(gateway: GatewayCalls, reply: RecordedReply): Promise<Served> {
  const answer = await gateway.client(paths[reply.operation], { ...reply.request, model: `replay-${reply.id}` });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const stored = await gateway.admin('GET', `/usage/${answer.headers.get('x-request-id') ?? 'none'}`);
  if (stored.status === 404) return { status: answer.status, bytes, headers: answer.headers, record: undefined };
  expect([reply.id, stored.status]).toEqual([reply.id, 200]);
  return { status: answer.status, bytes, headers: answer.headers, record: stored.body };
}

function partsOf(record: Record<string, unknown>): Record<Part, number> {
  const usage = field(record, 'usage');
  const part = (name: Part) => number(field(usage, name));
  expect(Object.keys(rates)).toEqual(
    expect.arrayContaining(Object.keys(typeof usage === 'object' && usage !== null ? usage : {})),
  );
  return { input: part('input'), cacheRead: part('cacheRead'), output: part('output'), reasoning: part('reasoning') };
}

/** Price times parts, rounded up once. */
function chargeOf(parts: Record<Part, number>): string {
  const pico =
    BigInt(parts.input) * rates.input +
    BigInt(parts.cacheRead) * rates.cacheRead +
    BigInt(parts.output) * rates.output +
    BigInt(parts.reasoning) * rates.reasoning;
  return ((pico + 999n) / 1000n).toString();
}

/** OpenAI's own: the parts sum to the expected usage, or to the reply's. */
function sumsUp({ id, expected, usage }: RecordedReply, parts: Record<Part, number>): void {
  const total = { input: parts.input + parts.cacheRead, output: parts.output + parts.reasoning };
  if (expected !== undefined) {
    expect([id, total.input, total.output, parts.cacheRead, parts.reasoning]).toEqual([
      id,
      ...['input_total', 'output_total', 'cached_read', 'reasoning'].map((name) => number(field(expected, name))),
    ]);
  }
  expect([id, total.input, total.output]).toEqual([
    id,
    number(field(usage, 'prompt_tokens')),
    number(field(usage, 'completion_tokens')),
  ]);
}

function answeredAsRecorded(reply: RecordedReply, served: Served): void {
  expect([reply.id, served.status]).toEqual([reply.id, 200]);
  expect([reply.id, served.bytes.toString('latin1')]).toEqual([reply.id, expectedBytes(reply)]);
  const { record } = served;
  if (record === undefined) throw new Error(`${reply.id} left no record`);
  const failed = reply.stream && /^event: error$|^data: \{[^\n]*"error":\s*\{/m.test(reply.response.toString());
  const parts = partsOf(record);
  const reported = reply.usage !== undefined;
  const free = !reported && failed;
  expect(record).toMatchObject({
    outcome: failed ? 'broken-off' : 'finished',
    usageSource: reported ? 'upstream' : 'estimated',
    status: 200,
    chargeNano: free ? '0' : chargeOf(parts),
    lossNano: '0',
  });
  if (reply.provider === 'openai') sumsUp(reply, parts);
}

/** What an upstream's error becomes: the request's own fault is relayed, all else is ours to answer for. */
function refusedByClass(reply: RecordedReply, served: Served): void {
  const { status, response } = reply;
  if (served.record === undefined) {
    // Both say that the request is wrong: we before an upstream was asked, naming the field.
    const error = field(JSON.parse(served.bytes.toString()), 'error');
    expect([reply.id, served.status, status, field(error, 'code')]).toEqual([reply.id, 400, 400, 'invalid_request']);
    expect(Object.keys(reply.request)).toContain(String(field(error, 'param')));
    return;
  }
  const fault = classifyOpenAi({ status, headers: new Map(), body: response.toString() });
  expect(served.record).toMatchObject({
    outcome: fault === 'request' ? 'upstream-refused' : 'upstream-failed',
    chargeNano: '0',
    usage: {},
    usageSource: 'none',
    status: served.status,
  });
  if (fault === 'request') {
    expect([reply.id, served.status, served.bytes.toString()]).toEqual([reply.id, status, response.toString()]);
    expect(served.headers.get('content-type')).toBe('application/json');
    return;
  }
  const ours: unknown = JSON.parse(served.bytes.toString());
  const expected = fault === 'unavailable' ? [502, 'upstream_failed'] : [503, 'no_upstream'];
  expect([reply.id, served.status, field(ours, 'error', 'code')]).toEqual([reply.id, ...expected]);
  expect(served.bytes.toString()).not.toContain(
    String(field(JSON.parse(response.toString()), 'error', 'message') ?? 'no message'),
  );
}

function suite(
  title: string,
  chosen: readonly RecordedReply[],
  start: (config: string) => Promise<GatewayCalls & { stop(): Promise<unknown> }>,
): void {
  describe.skipIf(!haveRecordings)(`${title} (skipped without recordings)`, () => {
    let gateway: Awaited<ReturnType<typeof start>>;
    let folder: string;
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'tollgate-config-'));
      const file = join(folder, 'replays.config.ts');
      writeFileSync(file, configText(chosen));
      gateway = await start(file);
    });
    afterAll(async () => {
      await gateway.stop();
      rmSync(folder, { recursive: true, force: true });
    });
    test.each(
      chosen.map(
        (reply) =>
          [
            `${reply.id}: ${reply.provider} ${reply.operation} ${reply.status}${reply.stream ? ', streamed' : ''}`,
            reply,
          ] as const,
      ),
    )('%s', async (_name, reply) => {
      const served = await serve(gateway, reply);
      if (reply.status === 200) answeredAsRecorded(reply, served);
      else refusedByClass(reply, served);
    });
    test('nothing is held afterwards', async () => {
      const accounts = await gateway.admin('GET', '/accounts');
      const first = Array.isArray(accounts.body['items']) ? field(accounts.body['items'][0], 'id') : undefined;
      const balance = await gateway.admin('GET', `/accounts/${String(first)}/balance`);
      expect(balance.body['heldNano']).toBe('0');
    });
  });
}

suite('recorded replies, in process', replies, (file) =>
  startTestGateway({
    argv: ['--config', file],
    modules: {
      'tollgate/plugin': () => import('../../src/plugin/index.ts'),
      'tollgate/plugins': () => import('../../plugins/index.ts'),
    },
  }),
);
suite("OpenAI's own recorded replies, executable", own, (file) => startExecutable({ argv: ['--config', file] }));
