// Streams of responses relayed to a client of the same protocol: byte for byte, with its end kept back, and how one is
// cut short or ends in an error.

import { describe, expect, test } from 'bun:test';
import type { JsonObject, JsonValue } from '../../../src/plugin/conversation.ts';
import { isObject, objectOf, parsedJson } from '../../../src/protocols/json-fields.ts';
import { responsesCodec } from '../../../src/protocols/openai-responses/codec.ts';
import { openAiResponses } from '../../../src/protocols/openai-responses/openai-responses.ts';
import { relay } from '../relay-through-tap.ts';
import { eventsIn, readStream } from '../translation-kit.ts';
import {
  at,
  begun,
  completed,
  countAnew,
  created,
  delta,
  describedEvents,
  event,
  message,
  response,
  text,
  typesOf,
  usage,
} from './events.ts';

const added = (item: JsonObject): string =>
  event('response.output_item.added', { output_index: 0, item: { id: 'i_0', ...item } });

describe('a stream is relayed', () => {
  const upstream = () => [created(), begun(), delta('One "☃"'), delta(' two'), completed([message([text('One')])])];

  test('what ends it is kept back, and nothing behind it goes out', () => {
    const events = upstream();
    const more = [delta('forged'), 'data: [DONE]\n\n'];
    const { forwarded, held, reading, tap } = relay([...events, ...more], {}, openAiResponses);
    expect(forwarded).toBe(events.slice(0, 4).join(''));
    expect(held).toBe(events[4] ?? '');
    expect(tap).toMatchObject({ complete: true, fault: undefined });
    expect(reading).toMatchObject({ usage, contentEvents: 2, contentBytes: 13, id: 'resp_1', failed: false });
  });

  test.each([
    ['', undefined],
    [event('response.failed', response('failed', [], { error: { message: 'x' } })), 'error-event'],
    [event('error', { message: 'x' }), 'error-event'],
  ])('cut, or ended by %s, it is not complete', (end, fault) => {
    const { tap, reading } = relay([...upstream().slice(0, 4), end], {}, openAiResponses);
    expect(tap).toMatchObject({ complete: false, fault });
    if (end.includes('response.failed')) expect(reading.usage).toEqual(usage);
  });

  test('a large last event in small pieces is read all the same', () => {
    const large = event('response.completed', response('completed', [message([text('x'.repeat(200_000))])]));
    const pieces = Array.from({ length: 100 }, (_, index) => large.slice(index * 2_048, (index + 1) * 2_048));
    const { held, reading, tap } = relay([created(), ...pieces], {}, openAiResponses);
    expect(tap.complete).toBe(true);
    expect(held).toBe(large);
    expect(reading).toMatchObject({ usage, contentBytes: 200_000 });
  });

  const open: readonly (readonly [string, () => string, JsonObject | undefined])[] = [
    ['before it began', () => '', undefined],
    ['before an item', () => created(), undefined],
    ['in a text', () => created() + begun() + delta('Half "\\') + delta('☃'), { content: [{ text: 'Half "\\☃' }] }],
    ['before a part', () => created() + added(message()), { content: [] }],
    [
      'between parts',
      () =>
        created() +
        begun() +
        delta('One') +
        event('response.content_part.done', { ...at(0), content_index: 0, part: text('One') }),
      { content: [{ text: 'One' }] },
    ],
    [
      'in a refusal',
      () =>
        created() +
        added(message()) +
        event('response.content_part.added', { ...at(0), content_index: 0, part: { type: 'refusal', refusal: '' } }) +
        event('response.refusal.delta', { ...at(0), content_index: 0, delta: 'No' }),
      { content: [{ refusal: 'No' }] },
    ],
    [
      'in arguments',
      () =>
        created() +
        added({ type: 'function_call', call_id: 'c', name: 'f', arguments: '', status: 'in_progress' }) +
        event('response.function_call_arguments.delta', { ...at(0), delta: '{"a' }),
      { arguments: '{"a', status: 'incomplete' },
    ],
    [
      'in a summary',
      () =>
        created() +
        added({ type: 'reasoning', summary: [] }) +
        event('response.reasoning_summary_part.added', {
          ...at(0),
          summary_index: 0,
          part: { type: 'summary_text', text: '' },
        }) +
        event('response.reasoning_summary_text.delta', { ...at(0), summary_index: 0, delta: 'Hm' }),
      { summary: [{ type: 'summary_text', text: 'Hm' }] },
    ],
  ];

  test.each(open)('cut short %s it ends as one that met its limit', (_, stream, item) => {
    countAnew();
    const sent = stream();
    const { tap } = relay([sent], {}, openAiResponses);
    const ours = Buffer.from(tap.shortEnd()).toString();
    const events = describedEvents(ours);
    const last = objectOf(events.at(-1)?.['response']);
    expect(last).toMatchObject({ status: 'incomplete', output: item === undefined ? [] : [item] });
    expect(isObject(last['incomplete_details'])).toBe(true);
    const all = eventsIn(sent + ours).map(({ data }) => objectOf(parsedJson(data))['sequence_number']);
    expect(all).toEqual(all.map((__, index) => index));
    const read = readStream(responsesCodec, sent + ours);
    expect(read).toMatchObject({ complete: true, error: undefined });
    expect(read.reply.choices[0]?.stop?.kind).toBe('length');
  });

  test('an error goes out in the own form, and the response has failed', () => {
    const { tap } = relay(upstream().slice(0, 4), {}, openAiResponses);
    const ours = Buffer.from(tap.errorEvent('upstream_timeout', { message: 'Too slow.' }, 'r')).toString();
    expect(typesOf(describedEvents(ours))).toEqual(['error', 'failed']);
    expect(readStream(responsesCodec, ours)).toMatchObject({ error: 'Too slow.', complete: false });
  });

  test('no event stream is none', () => {
    expect(relay(['<html>'], {}, openAiResponses).tap.fault).toBe('not-a-stream');
  });
});

describe('a whole reply is looked at', () => {
  const look = (body: JsonValue) => openAiResponses.readReply(Buffer.from(JSON.stringify(body)));

  test('its usage, what it holds, and its id', () => {
    const call = { type: 'function_call', name: 'f', arguments: '{}' };
    const whole = objectOf(response('completed', [message([text('☃')]), call])['response']);
    expect(look(whole)).toMatchObject({ usage, contentBytes: 6, contentEvents: 1, failed: false, id: 'resp_1' });
  });

  test('one that failed, with its usage', () => {
    const failed = objectOf(response('failed', [], { error: { message: 'x' } })['response']);
    expect(look(failed)).toMatchObject({ usage, failed: true });
    expect(look({ error: { message: 'x' } })).toMatchObject({ usage: undefined, failed: true });
  });

  const odd: readonly (readonly [JsonValue])[] = [
    [null],
    [[]],
    [7],
    ['x'],
    [{}],
    [{ output: [null, { content: 7 }], usage: [] }],
  ];
  test.each(odd)('%j says nothing', (body) => {
    expect(look(body)).toMatchObject({ usage: undefined, contentBytes: 0, failed: false });
  });
});
