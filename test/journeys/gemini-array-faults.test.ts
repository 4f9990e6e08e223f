// An upstream of Gemini's that is asked for an array and answers with one, as it should and as it should not: the bytes
// that the client gets, what becomes of the end, and what is charged.

import { afterAll, beforeAll, expect, test } from 'bun:test';
import { defineGateway, fromEnvironment } from '../../src/plugin/index.ts';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import { gemini, tokenPrice, weighted } from '../../plugins/index.ts';
import { startUpstream, type FakeUpstream, type UpstreamSocket } from '../pipeline/transport/fake-upstream.ts';
import { field, simulatorModel, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { heardOf, nanoOf, quickDeadlines } from './fault-stage.ts';

const element = (text: string, more: object = {}, beside: object = {}): string =>
  JSON.stringify({ candidates: [{ content: { parts: [{ text }] }, index: 0, ...more }], ...beside }, null, 2);
const first = `[${element('"]}, 漢字')}`;
const finish = element(
  '!',
  { finishReason: 'STOP' },
  { usageMetadata: { promptTokenCount: 600, candidatesTokenCount: 40 } },
);
const whole = `${first}\n,\r\n${finish}\n]`;
const error = (message: string) => `{"error":{"code":400,"message":"${message}","status":"INVALID_ARGUMENT"}}`;

type Ending = 'whole' | 'silent' | 'reset' | 'closed';
type Said = readonly [body: string, ending: Ending, status?: string, type?: string];

const replies: Readonly<Record<string, Said>> = {
  whole: [whole, 'whole'],
  spaced: [`\r\n ${whole}`, 'whole'],
  garbage: [`${whole}garbage`, 'whole'],
  twice: [whole + whole, 'whole'],
  silent: [first, 'silent'],
  reset: [first, 'reset'],
  closed: [first, 'closed'],
  torn: [`${first}\n,\r\n${finish.slice(0, -1)}`, 'whole'],
  unclosed: [whole.slice(0, -1), 'whole'],
  unfinished: [`${first}\n]`, 'whole'],
  empty: ['[]', 'whole'],
  fails: [`${first}\n,\r\n${error('overloaded')}\n]`, 'whole'],
  failed: [`[${error('overloaded')}]`, 'whole'],
  events: [`data: {"candidates":[]}\n\ndata: ${finish.replaceAll('\n', ' ')}\n\n`, 'whole', '200', 'text/event-stream'],
  object: [finish, 'whole'],
  page: ['<html>', 'whole', '200', 'text/html'],
  refused: [`[${error('contents is not specified')}\n]\n`, 'whole', '400'],
  dead: [`[${error('API key not valid')}\n]\n`, 'whole', '400'],
};

function say(socket: UpstreamSocket, [body, ending, status = '200', type = 'application/json; charset=UTF-8']: Said) {
  const framing = ending === 'closed' ? 'connection: close' : 'transfer-encoding: chunked';
  socket.write(`HTTP/1.1 ${status} X\r\ncontent-type: ${type}\r\n${framing}\r\n\r\n`);
  const bytes = Buffer.from(body);
  for (let at = 0; at < bytes.length; at += 7) {
    const piece = bytes.subarray(at, at + 7);
    socket.write(
      ending === 'closed' ? piece : Buffer.concat([Buffer.from(`${piece.length}\r\n`), piece, Buffer.from('\r\n')]),
    );
  }
  if (ending === 'whole') socket.write('0\r\n\r\n');
  else if (ending === 'closed') socket.end();
  else if (ending === 'reset') setTimeout(() => socket.terminate(), 100);
}

let upstream: FakeUpstream;
let simulator: Simulator;
let gateway: TestGateway;
beforeAll(async () => {
  upstream = startUpstream({
    onRequest: (socket, { head }) => say(socket, replies[/models\/(\w+):/.exec(head)?.[1] ?? ''] ?? ['', 'closed']),
  });
  simulator = startSimulator({ faults: true });
  const urls = { fake: `http://127.0.0.1:${upstream.port}/v1beta`, simulator: simulator.url };
  gateway = await startTestGateway({
    surroundings: { deadlines: quickDeadlines },
    environment: { KEY: 'no-key' },
    config: defineGateway({
      providers: [gemini()],
      routing: [weighted()],
      billing: [tokenPrice()],
      policies: [],
      upstreams: [
        ...Object.keys(replies).map((name) => ({ name, baseUrl: urls.fake })),
        { name: 'simulator', baseUrl: urls.simulator },
      ].map((each) => ({ ...each, provider: 'gemini', addresses: 'any', credential: fromEnvironment('KEY') })),
      models: [
        ...Object.keys(replies).map((name) => ({ name, offers: [{ upstream: name, model: name }] })),
        { name: 'echo', offers: [{ upstream: 'simulator', model: 'sim/echo' }] },
        { name: 'fault', offers: [{ upstream: 'simulator', model: 'sim/u06' }] },
      ].map(({ name, offers }) =>
        simulatorModel(name, {
          offers,
          operations: ['chat'],
          price: { currency: 'USD', rates: { input: 100_000n, cacheRead: 10_000n, output: 400_000n, reasoning: 1n } },
        }),
      ),
    }),
  });
});
afterAll(async () => {
  await gateway.stop();
  upstream.stop();
  simulator.close();
});

const body = JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'Hello [there], "你好"' }] }] });
const post = (url: string) =>
  fetch(`${url}:streamGenerateContent`, {
    method: 'POST',
    headers: { 'x-goog-api-key': gateway.apiKey, 'content-type': 'application/json' },
    body,
  });

async function heard(model: string) {
  const answer = await heardOf(gateway, await post(`${gateway.url}/v1beta/models/${model}`));
  return { ...answer, text: Buffer.from(answer.text, 'latin1').toString() };
}

test('an array comes through byte for byte, is charged by its usage, and was asked for as such', async () => {
  const { status, headers, text, record } = await heard('whole');
  expect([status, text]).toEqual([200, whole]);
  expect(headers.get('content-type')).toBe('application/json; charset=UTF-8');
  expect(record).toMatchObject({ outcome: 'finished', usageSource: 'upstream', chargeNano: String(nanoOf(600, 40)) });
  const asked = upstream.requests.find(({ head }) => head.includes('/models/whole:'));
  expect(asked?.head).toStartWith('POST /v1beta/models/whole:streamGenerateContent HTTP/1.1');
  expect(asked?.head.toLowerCase()).toContain('\r\naccept: application/json\r\n');
});

test("the simulator's array comes through byte for byte, in the pace of its elements", async () => {
  const answer = await post(`${gateway.url}/v1beta/models/echo`);
  const pieces: Uint8Array[] = [];
  for await (const piece of answer.body ?? []) pieces.push(piece);
  const direct = await post(`${simulator.url}/models/sim%2Fecho`);
  expect(Buffer.concat(pieces).toString()).toBe(await direct.text());
  expect(pieces.length).toBeGreaterThan(2);
});

test.each(['spaced', 'garbage', 'twice'])('%s: up to its end, and nothing behind it', async (model) => {
  const { text, record } = await heard(model);
  expect(text).toBe(model === 'spaced' ? `\r\n ${whole}` : whole);
  expect(record).toMatchObject({ outcome: 'finished', usageSource: 'upstream' });
});

test.each([
  ['silent', 'timed-out', 504, 1],
  ['reset', 'broken-off', 502, 1],
  ['closed', 'broken-off', 502, 1],
  ['torn', 'broken-off', 502, 1],
  ['unclosed', 'broken-off', 502, 2],
  ['unfinished', 'broken-off', 502, 1],
  ['fails', 'broken-off', 400, 1],
])('%s: an error is the last element, and the call is %s', async (model, outcome, code, elements) => {
  const { status, text, record, cut } = await heard(model);
  expect([status, cut, text.startsWith(first)]).toEqual([200, false, true]);
  const replied: unknown = JSON.parse(text);
  const before = Array.from({ length: elements }, () => ({ candidates: expect.anything() }));
  expect(replied).toMatchObject([...before, { error: { code } }]);
  expect(record).toMatchObject({ outcome, lossNano: '0' });
});

test.each(['empty', 'failed', 'object', 'page', 'dead'])('%s is no answer', async (model) => {
  const { status, text, record } = await heard(model);
  expect(status).toBeGreaterThanOrEqual(500);
  expect(field(JSON.parse(text), 'error', 'code')).toBe(status);
  expect(record).toMatchObject({ chargeNano: '0' });
});

test('a refusal goes on as it came', async () => {
  const { status, text } = await heard('refused');
  expect([status, text]).toEqual([400, replies['refused']?.[0] ?? '']);
});

test('events that come in its place are made an array', async () => {
  const { text, headers, record } = await heard('events');
  expect(JSON.parse(text)).toEqual([{ candidates: [] }, JSON.parse(finish)]);
  expect(headers.get('content-type')).toBe('application/json');
  expect(record).toMatchObject({ outcome: 'finished', chargeNano: String(nanoOf(600, 40)) });
  const replied: unknown = JSON.parse((await heard('fault')).text);
  expect(JSON.stringify(replied)).toContain('"UNAVAILABLE"');
});
