// Every recorded reply and request of Anthropic's messages, and what Claude Code and the SDKs really send: relayed as
// it came, read, written anew, and read again the same.

import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { anthropicMessages } from '../../../src/protocols/anthropic-messages/anthropic-messages.ts';
import { messagesCodec } from '../../../src/protocols/anthropic-messages/codec.ts';
import { isObject, listOf, objectOf, parsedJson, stringOf } from '../../../src/protocols/json-fields.ts';
import { plainLine } from '../../../src/plugin/protocol.ts';
import type { JsonObject, JsonValue } from '../../../src/plugin/conversation.ts';
import type { ConversationReply } from '../../../src/plugin/conversation-reply.ts';
import { seededChance } from '../../../src/simulator/replay.ts';
import { recordingsFolder } from '../../support/gateway.ts';
import { decode, everyByte, recordings, recordingsMissing } from '../recordings.ts';
import { relay } from '../relay-through-tap.ts';
import { cutAt, eventsIn, readStream, readWhole, testContext, translated } from '../translation-kit.ts';
import { at, parsed, written } from './messages-kit.ts';

const all = recordings('anthropic-messages').map((each) => ({ ...each, name: each.id }));
const answered = all.filter(({ status }) => status === 200);
const streams = answered.filter(({ stream }) => stream);

/** What the recording says, put together by the letter of the protocol and nothing else. */
function messageIn(body: string): JsonObject {
  const content: Record<string, JsonValue | undefined>[] = [];
  const inputs: string[] = [];
  let usage: JsonObject = {};
  let stop: JsonObject = {};
  for (const { data } of eventsIn(body)) {
    const event = objectOf(parsedJson(data));
    const index = Number(event['index']);
    const block = content[index];
    const delta = objectOf(event['delta']);
    if (event['type'] === 'message_start') usage = objectOf(objectOf(event['message'])['usage']);
    if (event['type'] === 'content_block_start') content[index] = { ...objectOf(event['content_block']) };
    if (event['type'] === 'message_delta') {
      stop = delta;
      usage = {
        ...usage,
        ...Object.fromEntries(Object.entries(objectOf(event['usage'])).filter(([, n]) => n !== null)),
      };
    }
    if (block === undefined || event['type'] !== 'content_block_delta') continue;
    for (const [name, value] of Object.entries(delta)) {
      if (name === 'partial_json') inputs[index] = (inputs[index] ?? '') + String(value);
      else if (name === 'citation') block['citations'] = [...listOf(block['citations']), value ?? null];
      else if (name !== 'type') block[name] = (stringOf(block[name]) ?? '') + String(value);
    }
  }
  for (const [index, text] of inputs.entries())
    if (text) Object.assign(content[index] ?? {}, { input: parsedJson(text) });
  return { content, usage, stop_reason: stop['stop_reason'], stop_sequence: stop['stop_sequence'] };
}

/** A reply as blocks of the protocol, without what was said otherwise and means the same. */
const plain = ({ content, stop_reason, stop_sequence }: JsonObject) => ({
  content: listOf(content)
    .map((each) => objectOf(each))
    .filter((block) => block['type'] !== 'text' || block['text'] !== '')
    .map((block) => {
      const { citations, caller: _caller, ...rest } = block;
      const own = ['text', 'thinking', 'tool_use', 'redacted_thinking'].includes(String(block['type']));
      return own ? { ...rest, ...(listOf(citations).length > 0 ? { citations } : {}) } : block;
    }),
  stop_reason,
  stop_sequence: stop_sequence ?? null,
});

const rewritten = (reply: ConversationReply): JsonObject =>
  objectOf(parsedJson(messagesCodec.renderReply(reply, undefined, testContext(), () => {})));

describe.skipIf(recordingsMissing !== undefined)('recorded messages (skipped without TOLLGATE_RECORDINGS)', () => {
  test('there are some', () => expect(streams.length).toBeGreaterThan(12));

  test.each(streams)('$name: is relayed as it came, and its usage is read', ({ response, usage, id }) => {
    const whole = relay([response], {}, anthropicMessages);
    expect(whole.whole).toBe(decode(response));
    expect(whole.tap.complete).toBe(true);
    expect(whole.reading.usage).toEqual(messageIn(decode(response))['usage']);
    expect(whole.reading.usage).toMatchObject(objectOf(parsedJson(JSON.stringify(usage))));
    expect(whole.reading.contentBytes).toBeGreaterThan(0);
    const chance = seededChance(Number(id.slice(2)));
    for (const chunks of [everyByte(response), cutAt(response, chance, 9), cutAt(response, chance, 900)]) {
      const cut = relay(chunks, {}, anthropicMessages);
      expect(cut.whole).toBe(whole.whole);
      expect(cut.held).toBe(whole.held);
      expect(cut.reading).toEqual(whole.reading);
    }
  });

  test.each(answered)('$name: is read as it says, written anew, and read the same', ({ response, stream, id }) => {
    const body = decode(response);
    const message = stream ? messageIn(body) : objectOf(parsedJson(body));
    const read = stream ? readStream(messagesCodec, body) : readWhole(messagesCodec, message);
    expect(read).toMatchObject({ complete: true, error: undefined, losses: [], usage: message['usage'] });
    expect(plain(rewritten(read.reply))).toEqual(plain(message));
    if (!stream) return;
    const context = testContext(() => ({ input: 3, output: 2 }));
    const anew = translated(messagesCodec, messagesCodec, [response], context);
    expect(anew.losses).toEqual([]);
    expect(plain(messageIn(anew.body))).toEqual(plain(message));
    const cut = cutAt(response, seededChance(Number(id.slice(2))), 50);
    expect(
      translated(
        messagesCodec,
        messagesCodec,
        cut,
        testContext(() => ({ input: 3, output: 2 })),
      ),
    ).toEqual(anew);
  });

  test.each(all.filter(({ request, status }) => request !== undefined && status === 200))(
    '$name: its request is read, and written the same',
    ({ request }) => {
      const body = objectOf(parsedJson(decode(request ?? new Uint8Array())));
      expect(anthropicMessages.readRequest(request ?? new Uint8Array(), plainLine)).toMatchObject({
        model: body['model'],
      });
      expectSame(body);
    },
  );

  test.each(all.filter(({ status }) => status !== 200))('$name: an error has its words', ({ response }) => {
    const body = parsedJson(decode(response)) ?? null;
    expect(messagesCodec.readError(body)?.message).toBe(String(at(body, 'error', 'message')));
    expect(anthropicMessages.readReply(response).failed).toBe(true);
  });
});

/** What the neutral form says otherwise on purpose, and what is compared apart. */
const normalized: ReadonlySet<string> = new Set(['model', 'stream', 'thinking', 'output_config', 'output_format']);

/** The same request comes out: blocks in lists, turns merged, empty text and what has no neutral place left out. */
function expectSame(body: JsonObject): void {
  const conversation = parsed(body);
  const { body: anew, losses } = written(conversation, {
    thinking: at(body, 'thinking', 'type') === 'enabled' ? 'budget' : 'effort',
    systemAmongTurns: true,
  });
  const left = new Set(conversation.unmapped.map(({ path }) => path));
  for (const [name, value] of Object.entries(body)) {
    if (normalized.has(name) || left.has(name) || value === null) continue;
    expect({ [name]: comparable(anew[name], left, name) }).toEqual({ [name]: comparable(value, left, name) });
  }
  const format = at(body, 'output_config', 'format') ?? body['output_format'];
  if (format !== undefined) expect(at(anew, 'output_config', 'format', 'type')).toBe('json_schema');
  if (at(body, 'thinking', 'type') !== undefined) expect(anew['thinking']).toEqual(body['thinking'] ?? null);
  // Sampling beside thinking, and a signature that a recording cut out, are all that is lost.
  const stated = ['temperature', 'top-p', 'top-k', 'thinking-history', 'strict'];
  expect(losses.filter((loss) => !stated.includes(loss))).toEqual([]);
}

function comparable(value: JsonValue | undefined, left: ReadonlySet<string>, path: string): unknown {
  if (path === 'system' || /^messages\[\d+\]\.content$/.test(path)) {
    const blocks = typeof value === 'string' ? [{ type: 'text', text: value }] : listOf(value);
    return blocks
      .filter((each) => !String(at(each, 'text')).startsWith('x-anthropic-billing-header'))
      .map((each, index) => comparable(each, left, `${path}[${index}]`));
  }
  if (/\.content\[\d+\]\.content$/.test(path) && typeof value === 'string') return [{ type: 'text', text: value }];
  if (Array.isArray(value)) return listOf(value).map((each, index) => comparable(each, left, `${path}[${index}]`));
  if (!isObject(value)) return value;
  const members = Object.entries(value).filter(
    ([name, member]) =>
      !left.has(`${path}.${name}`) &&
      member !== null &&
      !(name === 'is_error' && member === false) &&
      !(name === 'strict' && member !== true) &&
      !(name === 'output_config' && path.startsWith('messages')) &&
      !(name === 'caller' && path.startsWith('messages')) &&
      !(name === 'ttl' && member === '5m') &&
      !(name === 'citations' && listOf(member).length === 0 && !isObject(member)),
  );
  return Object.fromEntries(members.map(([name, member]) => [name, comparable(member, left, `${path}.${name}`)]));
}

const clientsFolder = join(recordingsFolder, '../client-requests');

interface Sent {
  readonly name: string;
  readonly body: JsonObject;
}

function clientRequests(): readonly Sent[] {
  return readdirSync(clientsFolder).flatMap((file): readonly Sent[] =>
    readFileSync(join(clientsFolder, file), 'utf8')
      .split('\n')
      .flatMap((line, index): readonly Sent[] => {
        const entry = objectOf(parsedJson(line));
        const { body } = entry;
        if (stringOf(entry['path'])?.endsWith('/v1/messages') !== true || !isObject(body)) return [];
        return [{ name: `${file} line ${index + 1}`, body }];
      }),
  );
}

const sent = recordingsMissing === undefined ? clientRequests() : [];

describe.skipIf(recordingsMissing !== undefined)('what clients send (skipped without TOLLGATE_RECORDINGS)', () => {
  test('is there', () => expect(sent.length).toBeGreaterThan(8));

  test.each([...sent])('$name is read, and written the same', ({ body }) => {
    expect(parsed(body).unmapped.filter(({ weight }) => weight === 'meaning')).toEqual([]);
    expectSame(body);
  });
});
