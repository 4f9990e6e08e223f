// Every recorded response: relayed byte for byte, read into the neutral form, and written out of it as OpenAI's own
// description wants it. Every recorded request and client: read, and written as that description wants it.

import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { plainLine } from '../../../src/plugin/protocol.ts';
import type { JsonValue } from '../../../src/plugin/conversation.ts';
import type { UsageParts } from '../../../src/plugin/usage.ts';
import { parsedJson } from '../../../src/protocols/json-fields.ts';
import { responsesCodec } from '../../../src/protocols/openai-responses/codec.ts';
import { openAiResponses } from '../../../src/protocols/openai-responses/openai-responses.ts';
import { protocolOf } from '../../../src/protocols/protocols.ts';
import { carryUnmapped, LossList } from '../../../src/protocols/translation/carriage.ts';
import { dialectOf } from '../../../src/protocols/translation/dialects.ts';
import { seededChance } from '../../../src/simulator/replay.ts';
import { field, haveRecordings, recordingsFolder } from '../../support/gateway.ts';
import { relay } from '../relay-through-tap.ts';
import { cutAt, eventsIn, readStream, readWhole, testContext, translated } from '../translation-kit.ts';
import { haveDescription, openAiDescription } from './description.ts';

interface Recorded {
  readonly id: string;
  readonly stream: boolean;
  readonly response: Buffer;
  readonly usage: unknown;
  readonly request: JsonValue | undefined;
}

const read = (path: unknown): Buffer => readFileSync(join(recordingsFolder, String(path)));

function recorded(): readonly Recorded[] {
  const lines = read('index.jsonl').toString().trim().split('\n');
  return lines.flatMap((line): Recorded[] => {
    const entry: unknown = JSON.parse(line);
    if (field(entry, 'format') !== 'openai-responses' || field(entry, 'status') !== 200) return [];
    const request = field(entry, 'request');
    return [
      {
        id: String(field(entry, 'id')),
        stream: field(entry, 'stream') === true,
        response: read(field(entry, 'response')),
        usage: field(entry, 'usage'),
        request: typeof request === 'string' ? parsedJson(read(request).toString()) : undefined,
      },
    ];
  });
}

const recordings = haveRecordings ? recorded() : [];
const streams = recordings.filter(({ stream }) => stream);
const wholes = recordings.filter(({ stream }) => !stream);
const described = haveDescription ? openAiDescription() : undefined;

const usage: UsageParts = { input: 3, cacheRead: 1, output: 2, reasoning: 1 };
const said = ({ reply }: ReturnType<typeof readStream>) =>
  reply.choices.map(({ parts, stop, logprobs }) => ({ parts: parts.map(comparable), kind: stop?.kind, logprobs }));

/** Ids are given anew or mapped, and all thinking is written as what it shows of itself. */
const anew: ReadonlySet<string> = new Set(['itemId', 'id', 'callId', 'path', 'summary']);
const comparable = (part: object): unknown =>
  JSON.parse(JSON.stringify(part, (name, value) => (anew.has(name) ? undefined : value)));

describe.skipIf(!haveRecordings)('recorded responses (skipped without recordings)', () => {
  test('there are some', () => expect(streams.length * wholes.length).toBeGreaterThan(0));

  test.each([...streams])('$id: relayed byte for byte, however it is cut', ({ response, usage: stated }) => {
    const chance = seededChance(response.length);
    const cuts = [[response], cutAt(response, chance), cutAt(response, chance, 2_000)];
    if (response.length < 40_000) cuts.push(cutAt(response, undefined));
    const readings = cuts.map((chunks) => {
      const { whole, tap, reading } = relay(chunks, {}, openAiResponses);
      expect(whole).toBe(response.toString());
      expect(tap).toMatchObject({ complete: true, fault: undefined });
      expect(reading.usage ?? null).toEqual(stated ?? null);
      expect(reading.id).toBeString();
      return reading;
    });
    const [first, ...others] = readings;
    for (const reading of others) expect([reading]).toEqual(first === undefined ? [] : [first]);
  });

  test.each([...streams])('$id: its events say what its end says', ({ response }) => {
    const events = eventsIn(response.toString());
    const last = parsedJson(events.at(-1)?.data ?? '');
    const reading = readStream(responsesCodec, response.toString());
    expect(reading).toMatchObject({ complete: true, error: undefined });
    const whole = field(last, 'response');
    const before = readWhole(responsesCodec, JSON.parse(JSON.stringify(whole ?? null)));
    // The end has it sealed anew.
    const unsealed = (read: typeof reading) =>
      JSON.stringify(said(read)).replaceAll(/"(?:value|encrypted_content)":"[^"]*"/g, '');
    expect(unsealed(reading)).toEqual(unsealed(before));
  });

  test.each([...streams])('$id: written anew it says the same, in events as described', ({ response }) => {
    const before = readStream(responsesCodec, response.toString());
    const context = () => testContext(() => usage);
    const whole = translated(responsesCodec, responsesCodec, [response], context(), 'done');
    expect(whole).toMatchObject({ complete: true, fault: undefined });
    const after = readStream(responsesCodec, whole.body);
    expect(said(after)).toEqual(said(before));
    const chance = seededChance(response.length);
    expect(translated(responsesCodec, responsesCodec, cutAt(response, chance), context(), 'done')).toEqual(whole);
    const events = eventsIn(whole.body);
    expect(events.map(({ data }) => field(parsedJson(data), 'sequence_number'))).toEqual(events.map((_, at) => at));
    for (const { name, data } of events) {
      const event = parsedJson(data);
      expect(field(event, 'type')).toBe(name);
      // What ran at the vendor is handed on as it came.
      if (!isNative(data)) expect(described?.wrongIn('ResponseStreamEvent', event) ?? '').toBe('');
    }
  });

  test.each([...wholes])('$id: a whole reply says the same, as described', ({ response, usage: stated }) => {
    const body = parsedJson(response.toString()) ?? null;
    const reading = openAiResponses.readReply(response);
    expect(reading.usage ?? null).toEqual(stated ?? null);
    expect(reading.failed).toBe(false);
    const before = readWhole(responsesCodec, body);
    const text = responsesCodec.renderReply(before.reply, usage, testContext(), () => {});
    expect(said(readWhole(responsesCodec, parsedJson(text) ?? null))).toEqual(said(before));
    if (!isNative(text)) expect(described?.wrongIn('Response', parsedJson(text)) ?? '').toBe('');
  });
});

const ownTypes = /"type":"(?:x_search_call|mcp_\w+|image_generation_call|shell_\w+|tool_search_\w+|\w+_call|compaction)"/;
const isNative = (text: string): boolean => ownTypes.test(text.replaceAll(/"type":"(?:function|custom_tool)_call"/g, ''));

const clients = join(recordingsFolder, '../client-requests');

function clientRequests(): readonly (readonly [name: string, body: JsonValue])[] {
  return readdirSync(clients)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => {
      const lines = readFileSync(join(clients, name), 'utf8').trim().split('\n');
      return lines.flatMap((line, at): (readonly [string, JsonValue])[] => {
        const entry = parsedJson(line);
        const body = field(entry, 'body');
        if (field(entry, 'path') !== '/v1/responses' || typeof body !== 'object' || body === null) return [];
        return [[`${name}:${at + 1}`, JSON.parse(JSON.stringify(body))]];
      });
    });
}

function rendered(body: JsonValue) {
  const losses = new LossList('openai-responses');
  const conversation = responsesCodec.parseRequest(body, plainLine);
  const target = { model: 'gpt-5', stream: false, dialect: dialectOf('openai-responses', {}) };
  const text = responsesCodec.renderRequest(conversation, { ...target, outputTokensMax: 9, askUsage: false }, losses);
  return { conversation, body: parsedJson(text) ?? null, losses: losses.names };
}

/** What a reader's words come back to, whichever way they were put. */
const meaning = ({ conversation }: ReturnType<typeof rendered>) => {
  const { turns, tools, unmapped: _, stream: __, store: ___, model: ____, ...settings } = conversation;
  return comparable({ turns, tools: tools.map((tool) => ({ ...tool, namespace: undefined })), settings });
};

const requests: readonly (readonly [string, JsonValue])[] = haveRecordings
  ? [
      ...recordings.flatMap(({ id, request }): (readonly [string, JsonValue])[] =>
        request === undefined ? [] : [[id, request]],
      ),
      ...clientRequests(),
    ]
  : [];

describe.skipIf(!haveRecordings)('recorded requests (skipped without recordings)', () => {
  test.each(requests)('%s is read, and written with the same meaning', (_, request) => {
    const first = rendered(request);
    const again = rendered(first.body);
    expect(again.body).toEqual(first.body);
    // One of the clients sends a strict schema that OpenAI would refuse.
    expect(first.losses.filter((loss) => loss !== 'thinking-history' && loss !== 'strict')).toEqual([]);
    if (first.losses.length === 0) expect(meaning(again)).toEqual(meaning(first));
    const served = { ...Object(request), model: 'm', background: false, conversation: null };
    expect(openAiResponses.readRequest(Buffer.from(JSON.stringify(served)), plainLine).model).toBe('m');
    const text = JSON.stringify(first.body);
    // Sealed thinking without its id is taken, though the description demands one.
    if (isNative(text) || text.includes('{"type":"reasoning","summary"')) return;
    expect(described?.wrongIn('CreateResponse', first.body) ?? '').toBe('');
  });
});

const others = ['openai-chat', 'anthropic-messages', 'gemini-generate'] as const;

describe.skipIf(!haveRecordings)('recorded clients of responses (skipped without recordings)', () => {
  test.each(haveRecordings ? clientRequests() : [])('%s reaches every other protocol', (_, request) => {
    for (const name of others) {
      const losses = new LossList(name);
      const conversation = responsesCodec.parseRequest(request, plainLine);
      carryUnmapped(conversation, losses);
      const target = { model: 'm', stream: true, dialect: dialectOf(name, {}), outputTokensMax: 9, askUsage: true };
      expect(protocolOf(name).codec?.renderRequest(conversation, target, losses)).toBeString();
    }
  });
});
