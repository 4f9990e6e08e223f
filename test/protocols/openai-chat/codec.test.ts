// Chat completions in the neutral conversation and back: every recording and every recorded client, and the cases by
// which translations are known to break.

import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chatCodec } from '../../../src/protocols/openai-chat/codec.ts';
import { parsedJson } from '../../../src/protocols/json-fields.ts';
import { plainLine } from '../../../src/plugin/protocol.ts';
import type { Dialect } from '../../../src/plugin/codec.ts';
import type { JsonValue, Turn } from '../../../src/plugin/conversation.ts';
import { seededChance } from '../../../src/simulator/replay.ts';
import { field, haveRecordings, recordingsFolder } from '../../support/gateway.ts';
import { cutAt, eventsIn, readStream, readWhole, testContext, translated, writtenTo } from '../translation-kit.ts';
import type { Written } from '../translation-kit.ts';

const rendered = (body: JsonValue, dialect: Partial<Dialect> = {}): Written =>
  writtenTo('openai-chat', chatCodec.parseRequest(body, plainLine), dialect);

const chunk = (delta: JsonValue, finish: string | null = null, more: object = {}): string => {
  const choices = [{ index: 0, delta, finish_reason: finish }];
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'm', choices, ...more })}\n\n`;
};
const done = 'data: [DONE]\n\n';

const partsOf = (stream: string) => readStream(chatCodec, stream).reply.choices[0]?.parts;
const call = (id: string | undefined, name: string, text: string) => ({
  kind: 'tool-call' as const,
  ...(id === undefined ? {} : { id }),
  name,
  arguments: text,
});

describe('a chat stream is read', () => {
  test('parallel calls that are mixed keep their arguments', () => {
    const deltas = [
      { tool_calls: [{ index: 0, id: 'a', type: 'function', function: { name: 'one', arguments: '' } }] },
      { tool_calls: [{ index: 1, id: 'b', type: 'function', function: { name: 'two', arguments: '{"y"' } }] },
      { tool_calls: [{ index: 0, function: { arguments: '{"x":' } }] },
      { tool_calls: [{ index: 1, function: { arguments: ':2}' } }] },
      { tool_calls: [{ index: 0, function: { arguments: '1}' } }] },
    ];
    const stream = deltas.map((delta) => chunk(delta)).join('') + chunk({}, 'tool_calls') + done;
    expect(partsOf(stream)).toMatchObject([call('a', 'one', '{"x":1}'), call('b', 'two', '{"y":2}')]);
  });

  test('calls without an index are told apart by their ids', () => {
    const stream =
      chunk({ tool_calls: [{ id: 'a', function: { name: 'one', arguments: '{}' } }] }) +
      chunk({ tool_calls: [{ id: 'b', function: { name: 'two', arguments: '{"y"' } }] }) +
      chunk({ tool_calls: [{ function: { arguments: ':2}' } }] }) +
      chunk({}, 'tool_calls') +
      done;
    expect(partsOf(stream)).toMatchObject([call('a', 'one', '{}'), call('b', 'two', '{"y":2}')]);
  });

  test('two calls of one chunk without index or with index 0 both are two calls', () => {
    for (const index of [{}, { index: 0 }]) {
      const calls = ['a', 'b'].map((id) => ({ ...index, id, function: { name: `f${id}`, arguments: '{}' } }));
      const stream = chunk({ tool_calls: calls }) + chunk({}, 'tool_calls') + done;
      expect(partsOf(stream)).toMatchObject([call('a', 'fa', '{}'), call('b', 'fb', '{}')]);
    }
  });

  test('`stop` with calls means calls; the older function_call is one', () => {
    const stream = chunk({ function_call: { name: 'f', arguments: '{"a":1}' } }) + chunk({}, 'stop') + done;
    const [choice] = readStream(chatCodec, stream).reply.choices;
    expect(choice?.parts).toMatchObject([call(undefined, 'f', '{"a":1}')]);
    expect(choice?.stop).toEqual({ kind: 'tool-calls', native: 'stop', sequence: undefined });
  });

  test("Mistral's content in parts is thinking and text", () => {
    const stream =
      chunk({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] }] }) +
      chunk({ content: [{ type: 'text', text: 'Yes' }] }) +
      chunk({ content: '!' }, 'stop') +
      done;
    expect(partsOf(stream)).toEqual([
      { kind: 'thinking', text: 'Hm' },
      { kind: 'text', text: 'Yes!' },
    ]);
  });

  test("Azure's first chunk without choices, and usage wherever it stands", () => {
    const usage = { prompt_tokens: 1, completion_tokens: 2 };
    const azure = `data: ${JSON.stringify({ id: '', model: '', choices: [], prompt_filter_results: [] })}\n\n`;
    const streams = [
      chunk({ content: 'a' }, 'stop', { usage }),
      chunk({ content: 'a' }, 'stop') + `data: ${JSON.stringify({ choices: [], usage })}\n\n`,
      chunk({ content: 'a' }, 'stop', { x_groq: { usage } }),
      chunk({ content: 'a' }, null, { usage: null }) + chunk({}, 'stop', { usage }),
    ];
    for (const stream of streams) {
      const read = readStream(chatCodec, azure + stream + done);
      expect(read).toMatchObject({ usage, complete: true, error: undefined });
      expect(read.reply.choices[0]?.parts).toEqual([{ kind: 'text', text: 'a' }]);
    }
  });

  test('an error inside the stream is one, and the stream is not complete', () => {
    const stream = chunk({ content: 'a' }) + 'data: {"error":{"message":"overloaded","code":529}}\n\n';
    expect(readStream(chatCodec, stream)).toMatchObject({ error: 'overloaded', complete: false });
  });

  test.each(['null', '[]', '"x"', '12', '{', '{"choices":{}}', '{"choices":[{"delta":7}]}', '{"choices":[null]}'])(
    '%s says nothing and breaks nothing',
    (data) => {
      const read = readStream(chatCodec, `data: ${data}\n\n${chunk({ content: 'a' }, 'stop')}${done}`);
      expect(read.reply.choices[0]?.parts).toEqual([{ kind: 'text', text: 'a' }]);
    },
  );
});

describe('a chat request is written', () => {
  const messages = [{ role: 'user', content: 'Hi' }];

  test('as it was read, with what a vendor has under an older name', () => {
    const body = {
      model: 'm',
      messages: [{ role: 'developer', content: 'Be brief' }, ...messages],
      max_completion_tokens: 10,
    };
    expect(rendered(body).body).toEqual(body);
    const older = { developerRole: false, tokenLimit: 'max_tokens' } as const;
    expect(rendered(body, older).body).toEqual({
      model: 'm',
      messages: [{ role: 'system', content: 'Be brief' }, ...messages],
      max_tokens: 10,
    });
    const both = { ...body, messages: [{ role: 'system', content: 'Be kind' }, ...body.messages] };
    expect(rendered(both, older).losses).toEqual(['developer-role']);
    expect(rendered(both).losses).toEqual([]);
  });

  test('ids of calls are mapped both ways alike for Mistral', () => {
    const called = { id: 'toolu_01A09q90qw90lq917835lq9', type: 'function', function: { name: 'f', arguments: '{}' } };
    const { body } = rendered(
      {
        model: 'm',
        messages: [
          ...messages,
          { role: 'assistant', content: '', tool_calls: [called] },
          { role: 'tool', tool_call_id: called.id, content: 'ok' },
        ],
      },
      { toolIds: 'nine-alphanumeric' },
    );
    const ids = [...JSON.stringify(body).matchAll(/"(?:id|tool_call_id)":"([A-Za-z0-9]{9})"/g)].map(([, id]) => id);
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
  });

  test('empty text beside calls is null, and images of a result go behind it', () => {
    const image = { from: 'base64', mediaType: 'image/png', data: 'QUJD' } as const;
    const parts = [{ kind: 'text', text: 'done' } as const, { kind: 'image', source: image } as const];
    const turns: readonly Turn[] = [
      { role: 'assistant', parts: [{ kind: 'tool-call', id: 'a', name: 'shot', arguments: '{}' }] },
      { role: 'user', parts: [{ kind: 'tool-result', callId: 'a', parts }] },
    ];
    const { body, losses } = writtenTo('openai-chat', { turns });
    expect(field(body, 'messages')).toEqual([
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'shot', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 'a', content: 'done' },
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,QUJD' } }] },
    ]);
    expect(losses).toEqual(['tool-result-media-moved']);
  });

  test.each([
    ['none', 'none'],
    ['any', 'required'],
    [
      { type: 'function', function: { name: 'f' } },
      { type: 'function', function: { name: 'f' } },
    ],
  ] as const)('tool_choice %j', (choice, expected) => {
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const { body } = rendered({ model: 'm', messages, tools, tool_choice: choice });
    expect(field(body, 'tool_choice')).toEqual(expected);
    expect(field(rendered({ model: 'm', messages, tool_choice: choice }).body, 'tool_choice')).toBeUndefined();
  });

  test('what cannot be read is refused by its path', () => {
    const refused = (body: JsonValue) => {
      try {
        chatCodec.parseRequest(body, plainLine);
        return 'nothing';
      } catch (error) {
        return error instanceof Error ? error.message : '';
      }
    };
    expect(refused({ model: 'm' })).toStartWith('messages: ');
    expect(refused({ messages: [{ role: 'robot' }] })).toStartWith('messages[0].role: ');
    expect(refused({ messages: [{ role: 'tool', content: 'x' }] })).toStartWith('messages[0].tool_call_id: ');
    expect(refused({ messages, tools: [{ function: {} }] })).toStartWith('tools[0].type: ');
    expect(refused({ messages: [{ role: 'user', content: [{ type: 'hologram' }] }] })).toStartWith(
      'messages[0].content[0].type: ',
    );
  });
});

interface Recorded {
  readonly id: string;
  readonly stream: boolean;
  readonly response: Buffer;
  readonly request: JsonValue | undefined;
}

function recorded(): readonly Recorded[] {
  const lines = readFileSync(join(recordingsFolder, 'index.jsonl'), 'utf8').trim().split('\n');
  return lines.flatMap((line): Recorded[] => {
    const entry: unknown = JSON.parse(line);
    if (field(entry, 'format') !== 'openai-chat' || field(entry, 'status') !== 200) return [];
    const request = field(entry, 'request');
    return [
      {
        id: String(field(entry, 'id')),
        stream: field(entry, 'stream') === true,
        response: readFileSync(join(recordingsFolder, String(field(entry, 'response')))),
        request:
          typeof request === 'string' ? parsedJson(readFileSync(join(recordingsFolder, request), 'utf8')) : undefined,
      },
    ];
  });
}

const recordings = haveRecordings ? recorded() : [];

describe.skipIf(!haveRecordings)('recorded chat (skipped without recordings)', () => {
  const streams = recordings.filter(({ stream }) => stream);
  const usageOf = () => ({ input: 3, output: 2 });

  test.each([...streams])('$id: written anew it says the same, however it is cut', ({ response }) => {
    const before = readStream(chatCodec, response.toString());
    const whole = translated(chatCodec, chatCodec, [response], testContext(usageOf));
    if (before.error !== undefined) {
      expect(whole.fault).toBe('error-event');
      return;
    }
    expect(whole.complete).toBe(true);
    expect(whole.held).toEndWith('data: [DONE]\n\n');
    const after = readStream(chatCodec, whole.body);
    const said = ({ reply }: typeof before) => reply.choices.map(({ parts, stop }) => ({ parts, kind: stop?.kind }));
    expect(said(after)).toEqual(said(before));
    for (const { data } of eventsIn(whole.body)) if (data !== '[DONE]') expect(parsedJson(data)).toBeDefined();
    const chance = seededChance(response.length);
    expect(translated(chatCodec, chatCodec, cutAt(response, chance), testContext(usageOf))).toEqual(whole);
  });

  test.each(recordings.filter(({ stream }) => !stream))('$id: a whole reply says the same', ({ response }) => {
    const body = parsedJson(response.toString()) ?? null;
    const before = readWhole(chatCodec, body);
    const text = chatCodec.renderReply(before.reply, usageOf(), testContext(), () => {});
    const after = readWhole(chatCodec, parsedJson(text) ?? null);
    expect(after.reply.choices.map(({ parts }) => parts)).toEqual(before.reply.choices.map(({ parts }) => parts));
    expect(after.reply.choices.map(({ stop }) => stop?.kind)).toEqual(
      before.reply.choices.map(({ stop }) => stop?.kind),
    );
  });

  test.each(recordings.filter(({ request }) => request !== undefined))(
    '$id: its request is read and written',
    (each) => {
      const request = each.request ?? null;
      const { body } = rendered(request, { reasoningField: 'reasoning_content' });
      const again = rendered(body, { reasoningField: 'reasoning_content' });
      expect(again.body).toEqual(body);
    },
  );
});
