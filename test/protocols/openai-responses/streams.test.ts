// Streams of responses as another protocol's side sees them: what is read out of odd ones, and what is written.

import { describe, expect, test } from 'bun:test';
import type { Conversation, JsonObject } from '../../../src/plugin/conversation.ts';
import type { StreamWriter } from '../../../src/plugin/codec.ts';
import { plainLine } from '../../../src/plugin/protocol.ts';
import { listOf, objectOf } from '../../../src/protocols/json-fields.ts';
import { responsesCodec } from '../../../src/protocols/openai-responses/codec.ts';
import { TranslatedTap } from '../../../src/protocols/translation/translated-tap.ts';
import { readStream, readWhole, testContext } from '../translation-kit.ts';
import {
  at,
  begun,
  completed,
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

const partsOf = (stream: string) => readStream(responsesCodec, stream).reply.choices[0]?.parts;

describe('a stream is read', () => {
  test('calls that are mixed keep their arguments, and have their own ids', () => {
    const call = (index: number): JsonObject => {
      const names = { id: `i_${index}`, call_id: `c${index}`, name: `f${index}` };
      return { type: 'function_call', ...names };
    };
    const piece = (index: number, value: string) =>
      event('response.function_call_arguments.delta', { ...at(index), delta: value });
    const stream =
      created() +
      event('response.output_item.added', { output_index: 0, item: call(0) }) +
      event('response.output_item.added', { output_index: 1, item: call(1) }) +
      piece(0, '{"x"') +
      piece(1, '{"y":2}') +
      piece(0, ':1}') +
      event('response.output_item.done', { output_index: 1, item: call(1) }) +
      event('response.output_item.done', { output_index: 0, item: call(0) }) +
      completed([call(0), call(1)]);
    const read = readStream(responsesCodec, stream);
    expect(read.reply.choices[0]).toMatchObject({
      parts: [
        { kind: 'tool-call', id: 'c0', name: 'f0', arguments: '{"x":1}', itemId: 'i_0' },
        { kind: 'tool-call', id: 'c1', name: 'f1', arguments: '{"y":2}' },
      ],
      stop: { kind: 'tool-calls', native: 'completed' },
    });
  });

  test('arguments that come only with the end of their item, or of all', () => {
    const item = { id: 'i_0', type: 'function_call', call_id: 'c', name: 'f', arguments: '{"a":1}' };
    const added = event('response.output_item.added', { output_index: 0, item: { ...item, arguments: '' } });
    const done = event('response.output_item.done', { output_index: 0, item });
    const expected = [{ kind: 'tool-call', id: 'c', name: 'f', arguments: '{"a":1}' }];
    for (const stream of [added + done + completed([item]), done + completed([item]), completed([item])])
      expect(partsOf(created() + stream)).toMatchObject(expected);
  });

  test('a summary in parts is paragraphs, and its item brings the seal', () => {
    const item = { id: 'i_0', type: 'reasoning', summary: [], encrypted_content: 'gAAA' };
    const piece = (index: number, value: string) =>
      event('response.reasoning_summary_text.delta', { ...at(0), summary_index: index, delta: value });
    const stream =
      created() +
      event('response.output_item.added', { output_index: 0, item }) +
      piece(0, 'One') +
      piece(0, ' a') +
      piece(1, 'Two') +
      event('response.output_item.done', { output_index: 0, item }) +
      completed();
    expect(partsOf(stream)).toMatchObject([
      { kind: 'thinking', text: 'One a\n\nTwo', signature: { value: 'gAAA', id: 'i_0', form: 'encrypted' } },
    ]);
  });

  test('citations and probabilities that only the whole part has', () => {
    const cited = { type: 'url_citation', url: 'https://example.com/', title: 't', start_index: 0, end_index: 1 };
    const logprobs = [{ token: 'a', logprob: -1, bytes: [97], top_logprobs: [] }];
    const part = text('a', { annotations: [cited], logprobs });
    const stream =
      created() +
      begun() +
      delta('a') +
      event('response.output_item.done', { output_index: 0, item: message([part]) }) +
      completed();
    const [choice] = readStream(responsesCodec, stream).reply.choices;
    expect(choice?.parts).toMatchObject([{ kind: 'text', text: 'a', citations: [{ url: 'https://example.com/' }] }]);
    expect(choice?.logprobs).toEqual([{ token: 'a', logprob: -1, bytes: [97], top: [] }]);
  });

  test('what met its limit, was filtered, or failed, with its usage', () => {
    const ended = (status: string, more: JsonObject) => {
      const end = event(`response.${status}`, response(status, [], more));
      return readStream(responsesCodec, created() + begun() + delta('a') + end);
    };
    const incomplete = (reason: string) => ended('incomplete', { incomplete_details: { reason } });
    expect(incomplete('max_output_tokens')).toMatchObject({ usage, complete: true });
    expect(incomplete('max_output_tokens').reply.choices[0]?.stop?.kind).toBe('length');
    expect(incomplete('content_filter').reply.choices[0]?.stop?.kind).toBe('content-filter');
    const error = { code: 'server_error', message: 'it broke' };
    expect(ended('failed', { error })).toMatchObject({ usage, complete: false, error: 'it broke' });
    const whole = objectOf(response('failed', [], { error })['response']);
    expect(readWhole(responsesCodec, whole)).toMatchObject({ usage, error: 'it broke' });
  });

  test.each([
    [{ message: 'overloaded', code: 'x', param: null }],
    [{ error: { message: 'overloaded', type: 'server_error' } }],
  ])('the event error, as %j', (more) => {
    const stream = created() + begun() + delta('a') + event('error', more);
    expect(readStream(responsesCodec, stream)).toMatchObject({ error: 'overloaded', complete: false });
  });

  test.each(['null', '[]', '7', '{', '{"type":7}', '{"type":"response.output_item.added","item":null,"output_index":"x"}'])(
    '%s says nothing and breaks nothing',
    (data) => {
      const stream = `${created()}data: ${data}\n\n${begun()}${delta('a')}${completed()}data: [DONE]\n\n`;
      expect(readStream(responsesCodec, stream)).toMatchObject({ complete: true, error: undefined });
      expect(partsOf(stream)).toEqual([{ kind: 'text', text: 'a' }]);
    },
  );
});

describe('a stream is written', () => {
  const request: Partial<Conversation> = {
    tools: [{ kind: 'function', name: 'crm__find', namespace: 'crm' }],
    thinking: { effort: 'max', mode: 'on' },
  };
  const opened = (): StreamWriter => {
    const context = testContext();
    return responsesCodec.openWriter({ ...context, request: { ...context.request, ...request } });
  };
  const call = (writer: StreamWriter, name: string, value: string) =>
    writer.blockStart(0, { kind: 'tool-call', id: 'c', name }) + writer.delta(0, value) + writer.blockEnd(0);

  test('events are whole and in order', () => {
    const writer = opened();
    const signature = { protocol: 'anthropic-messages', form: 'signature', value: 'EqQB' } as const;
    const stream =
      writer.head({ model: 'x', serviceTier: 'standard' }) +
      writer.blockStart(0, { kind: 'thinking' }) +
      writer.delta(0, 'Hm') +
      writer.annotate(0, { kind: 'signature', signature }) +
      writer.blockEnd(0) +
      writer.blockStart(0, { kind: 'text' }) +
      writer.delta(0, 'Yes "☃"') +
      writer.annotate(0, { kind: 'citation', citation: { url: 'https://example.com/' } }) +
      writer.annotate(0, { kind: 'logprobs', tokens: [{ token: 'Yes', logprob: -1, top: [] }] }) +
      writer.blockEnd(0) +
      call(writer, 'crm__find', '{"a":1}') +
      writer.blockStart(0, { kind: 'refusal' }) +
      writer.delta(0, 'No') +
      writer.blockEnd(0) +
      writer.blockStart(0, { kind: 'tool-call', id: 'd', name: 'sh', custom: true }) +
      writer.delta(0, 'ls') +
      writer.blockEnd(0) +
      writer.stop(0, { kind: 'tool-calls', native: 'tool_use' }) +
      writer.end({ input: 1, output: 2 });
    const events = describedEvents(stream);
    expect(typesOf(events)).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'reasoning_summary_part.added',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.done',
      'reasoning_summary_part.done',
      'output_item.done',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.annotation.added',
      'output_text.delta',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'output_item.added',
      'function_call_arguments.delta',
      'function_call_arguments.done',
      'output_item.done',
      'output_item.added',
      'content_part.added',
      'refusal.delta',
      'refusal.done',
      'content_part.done',
      'output_item.done',
      'output_item.added',
      'custom_tool_call_input.delta',
      'custom_tool_call_input.done',
      'output_item.done',
      'completed',
    ]);
    expect(events.map((each) => each['sequence_number'])).toEqual(events.map((_, index) => index));
    const done = events.filter(({ type }) => type === 'response.output_item.done').map(({ item }) => item);
    const output = objectOf(events.at(-1)?.['response'])['output'];
    expect(output).toEqual(JSON.parse(JSON.stringify(done)));
    expect(listOf(output)[2]).toMatchObject({ name: 'find', namespace: 'crm', call_id: 'c', status: 'completed' });
    expect(readStream(responsesCodec, stream).reply.choices[0]?.parts).toMatchObject([
      { kind: 'thinking', text: 'Hm', signature },
      { kind: 'text', text: 'Yes "☃"' },
      { kind: 'tool-call', name: 'find' },
      { kind: 'refusal', text: 'No' },
      { kind: 'tool-call', name: 'sh', custom: true, arguments: 'ls' },
    ]);
  });

  test('a call that broke off is not said to be complete', () => {
    const writer = opened();
    const stream = writer.head({}) + call(writer, 'f', '{"a":') + writer.stop(0, { kind: 'length', native: 'x' });
    const events = describedEvents(stream + writer.end(undefined));
    expect(events.at(-1)).toMatchObject({
      type: 'response.incomplete',
      response: {
        incomplete_details: { reason: 'max_output_tokens' },
        output: [{ status: 'incomplete' }],
        usage: null,
      },
    });
  });

  test("a call's signature comes behind it, and comes back", () => {
    const writer = opened();
    const signature = { protocol: 'gemini-generate', form: 'signature', value: 'Cg==' } as const;
    const stream =
      writer.head({}) +
      writer.blockStart(0, { kind: 'tool-call', id: 'c', name: 'f' }) +
      writer.delta(0, '{}') +
      writer.annotate(0, { kind: 'signature', signature }) +
      writer.blockEnd(0) +
      writer.end(undefined);
    const output = objectOf(describedEvents(stream).at(-1)?.['response'])['output'];
    const { turns } = responsesCodec.parseRequest({ model: 'm', input: output ?? null }, plainLine);
    expect(turns[0]?.parts).toMatchObject([{ kind: 'tool-call' }, { kind: 'thinking', text: '', signature }]);
  });

  test('an error is one for every client, and never an end', () => {
    const writer = opened();
    const stream = writer.head({}) + writer.blockStart(0, { kind: 'text' }) + writer.delta(0, 'a');
    const details = { message: 'The upstream failed.', field: 'model' };
    const events = describedEvents(stream + writer.error('upstream_failed', details, ''));
    const words = { code: 'upstream_failed', message: 'The upstream failed.', param: 'model' };
    expect(events.at(-2)).toMatchObject({ type: 'error', ...words, error: words });
    expect(events.at(-1)).toMatchObject({
      type: 'response.failed',
      response: { status: 'failed', error: { code: 'server_error', message: 'The upstream failed.' } },
    });
    expect(readStream(responsesCodec, stream + writer.error('upstream_failed', details, '')).complete).toBe(false);
    expect(typesOf(describedEvents(opened().error('internal_error', { message: 'x' }, '')))).toEqual(['error']);
  });

  test('cut short through the tap of a translation it is well formed', () => {
    const tap = new TranslatedTap(responsesCodec, responsesCodec, testContext(), { hideUsage: false, end: 'done' });
    const sent = tap.push(Buffer.from(created() + begun() + delta('Half a')));
    const whole = Buffer.concat([sent ?? new Uint8Array(), tap.shortEnd()]).toString();
    expect(describedEvents(whole).at(-1)).toMatchObject({
      type: 'response.incomplete',
      response: { output: [{ content: [{ text: 'Half a' }] }] },
    });
  });
});
