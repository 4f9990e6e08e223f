// Gemini's replies, read and written: the cases by which translations are known to break.

import { describe, expect, test } from 'bun:test';
import { chatCodec } from '../../../src/protocols/openai-chat/codec.ts';
import { isList, listOf, objectOf, parsedJson } from '../../../src/protocols/json-fields.ts';
import { geminiCodec } from '../../../src/protocols/gemini-generate/codec.ts';
import { sealSignature } from '../../../src/protocols/translation/signature-envelope.ts';
import type { JsonObject, JsonValue } from '../../../src/plugin/conversation.ts';
import type { ConversationReply, StopKind } from '../../../src/plugin/conversation-reply.ts';
import { field } from '../../support/gateway.ts';
import { eventsIn, readStream, readWhole, testContext, translated } from '../translation-kit.ts';

const event = (body: JsonValue): string => `data: ${JSON.stringify(body)}\r\n\r\n`;
const said = (parts: readonly JsonValue[], more: JsonObject = {}, beside: JsonObject = {}): string =>
  event({ candidates: [{ content: { parts, role: 'model' }, index: 0, ...more }], ...beside });
const call = (name: string, id?: string) => ({ functionCall: { name, args: { n: name }, id } });
const stop = { finishReason: 'STOP' };
const signature = { protocol: 'gemini-generate', form: 'signature', value: 'c2ln' } as const;

const choiceOf = (stream: string) => readStream(geminiCodec, stream).reply.choices[0];

describe('a Gemini stream is read', () => {
  test('parallel calls, one a chunk, with and without ids, and STOP means calls', () => {
    const choice = choiceOf(said([call('a')]) + said([call('b', 'own')]) + said([call('c'), call('d')], stop));
    expect(choice?.parts).toMatchObject([
      { kind: 'tool-call', id: 'call_made1', name: 'a', arguments: '{"n":"a"}' },
      { kind: 'tool-call', id: 'own', name: 'b' },
      { kind: 'tool-call', id: 'call_made2', name: 'c' },
      { kind: 'tool-call', id: 'call_made3', name: 'd' },
    ]);
    expect(choice?.stop).toEqual({ kind: 'tool-calls', native: 'STOP' });
  });

  test('a chat client gets parallel calls at indices of their own, with finish reason and ids', () => {
    const { body } = translated(geminiCodec, chatCodec, [Buffer.from(said([call('a')]) + said([call('b')], stop))]);
    const calls = eventsIn(body).flatMap(({ data }) =>
      listOf(objectOf(objectOf(listOf(objectOf(parsedJson(data))['choices'])[0])['delta'])['tool_calls']).map(objectOf),
    );
    const begun = calls.filter(({ id }) => id !== undefined);
    expect(begun.map(({ index }) => index)).toEqual([0, 1]);
    expect(new Set(begun.map(({ id }) => id)).size).toBe(2);
    expect(body).toContain('"finish_reason":"tool_calls"');
  });

  test('thoughts, their signatures, and signatures beside the answer', () => {
    const choice = choiceOf(
      said([{ text: 'Let ', thought: true }]) +
        said([{ text: 'me', thought: true, thoughtSignature: 'c2ln' }]) +
        said([{ text: 'Yes' }]) +
        said([{ text: '', thoughtSignature: 'c2ln' }], stop),
    );
    expect(choice?.parts).toEqual([
      { kind: 'thinking', text: 'Let me', signature },
      { kind: 'text', text: 'Yes' },
      { kind: 'thinking', text: '', signature },
    ]);
  });

  test('a signed call keeps its signature', () => {
    const choice = choiceOf(said([{ ...call('a'), thoughtSignature: 'c2ln' }, call('b')], stop));
    expect(choice?.parts).toMatchObject([{ name: 'a', signature }, { name: 'b' }]);
  });

  test.each([
    ['STOP', 'end'],
    ['MAX_TOKENS', 'length'],
    ['SAFETY', 'content-filter'],
    ['RECITATION', 'content-filter'],
    ['LANGUAGE', 'content-filter'],
    ['BLOCKLIST', 'content-filter'],
    ['PROHIBITED_CONTENT', 'content-filter'],
    ['SPII', 'content-filter'],
    ['IMAGE_SAFETY', 'content-filter'],
    ['MALFORMED_FUNCTION_CALL', 'error'],
    ['UNEXPECTED_TOOL_CALL', 'error'],
    ['OTHER', 'error'],
    ['SOMETHING_NEW', 'content-filter'],
  ] satisfies [string, StopKind][])('%s is %s', (finishReason, kind) => {
    expect(choiceOf(said([{ text: 'a' }], { finishReason }))?.stop).toEqual({ kind, native: finishReason });
  });

  test('a prompt that was blocked is a reply that was filtered', () => {
    const blocked = event({ promptFeedback: { blockReason: 'SAFETY' }, usageMetadata: { trafficType: 'ON_DEMAND' } });
    const read = readStream(geminiCodec, blocked);
    expect(read).toMatchObject({ complete: true, error: undefined });
    expect(read.reply.choices[0]).toMatchObject({ parts: [], stop: { kind: 'content-filter', native: 'SAFETY' } });
  });

  test('a stream without a finish reason is not complete, nor is one in which a candidate has none', () => {
    const cut = (stream: string) => translated(geminiCodec, chatCodec, [Buffer.from(stream)], undefined, 'done');
    expect(cut(said([{ text: 'a' }]))).toMatchObject({ complete: false, held: '' });
    expect(cut(said([{ text: 'a' }], stop) + said([{ text: 'b' }], { index: 1 })).complete).toBe(false);
    expect(cut(said([{ text: 'a' }], stop)).complete).toBe(true);
  });

  test('several candidates in one event', () => {
    const two = [0, 1].map((index) => ({ content: { parts: [{ text: `t${index}` }] }, index, ...stop }));
    const read = readStream(geminiCodec, event({ candidates: two }));
    expect(read.reply.choices.map(({ parts }) => parts)).toEqual([
      [{ kind: 'text', text: 't0' }],
      [{ kind: 'text', text: 't1' }],
    ]);
  });

  test('the last usage with counts is the usage, wherever it stands', () => {
    const counted = { promptTokenCount: 1, candidatesTokenCount: 2 };
    const stream =
      said([{ text: 'a' }], {}, { usageMetadata: { trafficType: 'ON_DEMAND' } }) +
      said([{ text: 'b' }], stop, { usageMetadata: { promptTokenCount: 1 } }) +
      event({ usageMetadata: counted }) +
      event({ usageMetadata: { trafficType: 'ON_DEMAND' } });
    expect(readStream(geminiCodec, stream)).toMatchObject({ usage: counted, complete: true });
  });

  test('an error inside the stream is one', () => {
    const error = event({ error: { code: 503, message: 'overloaded', status: 'UNAVAILABLE' } });
    expect(readStream(geminiCodec, said([{ text: 'a' }]) + error)).toMatchObject({
      error: 'overloaded',
      complete: false,
    });
  });

  test('pictures, code and probabilities', () => {
    const code = { executableCode: { language: 'PYTHON', code: '1' } };
    const chosen = { token: 'a', logProbability: -0.5, tokenId: 4 };
    const read = readWhole(geminiCodec, {
      candidates: [
        {
          content: { parts: [code, { inlineData: { mimeType: 'image/png', data: 'QUJD' } }, { text: 'a' }] },
          ...stop,
          logprobsResult: { chosenCandidates: [chosen], topCandidates: [{ candidates: [chosen] }] },
        },
      ],
    });
    expect(read.reply.choices[0]).toMatchObject({
      parts: [
        { kind: 'native', type: 'executableCode', value: code },
        { kind: 'image', source: { from: 'base64', mediaType: 'image/png', data: 'QUJD' } },
        { kind: 'text', text: 'a' },
      ],
      logprobs: [{ token: 'a', logprob: -0.5, top: [{ token: 'a', logprob: -0.5 }] }],
    });
  });

  test('sources are citations; their ranges only where bytes are characters', () => {
    const grounding = {
      groundingChunks: [{ web: { uri: 'https://a.test', title: 'A' } }, { web: { uri: 'https://b.test' } }],
      groundingSupports: [{ segment: { endIndex: 2 }, groundingChunkIndices: [0] }],
    };
    const cited = (text: string) => {
      const [part] = choiceOf(said([{ text }], { ...stop, groundingMetadata: grounding }))?.parts ?? [];
      return part?.kind === 'text' ? part.citations : undefined;
    };
    expect(cited('abc')).toEqual([
      { url: 'https://a.test', title: 'A', start: 0, end: 2 },
      { url: 'https://b.test', title: undefined },
    ]);
    expect(cited('äbc')?.[0]).toEqual({ url: 'https://a.test', title: 'A' });
  });

  test.each([
    'null',
    '[]',
    '"x"',
    '12',
    '{',
    '{"candidates":{}}',
    '{"candidates":[null]}',
    '{"candidates":[{"index":1e9}]}',
    '{"candidates":[{"content":{"parts":[7,{},{"text":1},{"functionCall":{}}]}}]}',
    '{"usageMetadata":[]}',
  ])('%s breaks nothing', (data) => {
    const stream = `data: ${data}\n\n${said([{ text: 'a' }], stop)}`;
    expect(choiceOf(stream)?.parts.filter(({ kind }) => kind === 'text')).toEqual([{ kind: 'text', text: 'a' }]);
    readWhole(geminiCodec, parsedJson(data) ?? null);
  });
});

const usageOf = () => ({ input: 5, cacheRead: 3, output: 7, reasoning: 2 });

function streamed(chunks: readonly JsonValue[]): readonly JsonObject[] {
  const stream = chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join('');
  const { body } = translated(chatCodec, geminiCodec, [Buffer.from(`${stream}data: [DONE]\n\n`)], testContext(usageOf));
  return eventsIn(body).map(({ data }) => objectOf(parsedJson(data)));
}

const delta = (said: JsonValue, finish: string | null = null, index = 0): JsonObject => ({
  id: 'c1',
  choices: [{ index, delta: said, finish_reason: finish }],
  usage: {},
});
const candidateOf = (body: JsonObject | undefined, at = 0): JsonObject => objectOf(listOf(body?.['candidates'])[at]);
const partsOf = (body: JsonObject): readonly JsonValue[] => listOf(objectOf(candidateOf(body)['content'])['parts']);

describe('a Gemini stream is written', () => {
  test('text as it comes, and reason and usage with the last event', () => {
    const events = streamed([delta({ content: 'a' }), delta({ content: 'b\n"' }), delta({}, 'stop')]);
    expect(events.map(partsOf)).toEqual([[{ text: 'a' }], [{ text: 'b\n"' }], [{ text: '' }]]);
    expect(events.map((each) => candidateOf(each)['finishReason'])).toEqual([undefined, undefined, 'STOP']);
    expect(events.at(-1)?.['usageMetadata']).toEqual({
      promptTokenCount: 8,
      candidatesTokenCount: 7,
      totalTokenCount: 17,
      cachedContentTokenCount: 3,
      thoughtsTokenCount: 2,
      promptTokensDetails: [{ modality: 'TEXT', tokenCount: 8 }],
      candidatesTokensDetails: [{ modality: 'TEXT', tokenCount: 7 }],
    });
    for (const each of events) expect(each).toMatchObject({ modelVersion: 'm', responseId: 'c1' });
  });

  test('calls go out whole, in their order, with their ids', () => {
    const piece = (index: number, text: string, id?: string) => ({
      tool_calls: [{ index, ...(id === undefined ? {} : { id }), function: { arguments: text, name: id } }],
    });
    const events = streamed([
      delta(piece(0, '{"x":', 'a')),
      delta(piece(1, '', 'b')),
      delta(piece(1, '{"y":2}')),
      delta(piece(0, '\n1}')),
      delta({}, 'tool_calls'),
    ]);
    const calls = events.flatMap(partsOf).filter((part) => 'functionCall' in objectOf(part));
    expect(calls).toEqual([
      { functionCall: { id: 'a', name: 'a', args: { x: 1 } } },
      { functionCall: { id: 'b', name: 'b', args: { y: 2 } } },
    ]);
    expect(candidateOf(events.at(-1))['finishReason']).toBe('STOP');
  });

  test('a call whose arguments were cut is not given out', () => {
    const cut = delta({ tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: '{"x":' } }] });
    const reasons = (finish: string) => {
      const events = streamed([cut, delta({}, finish)]);
      expect(events.flatMap(partsOf)).toEqual([{ text: '' }]);
      return candidateOf(events.at(-1))['finishReason'];
    };
    expect(reasons('length')).toBe('MAX_TOKENS');
    expect(reasons('tool_calls')).toBe('MALFORMED_FUNCTION_CALL');
  });

  test('numbers in arguments keep all their digits', () => {
    const text = '{"y":12345678901234567890}';
    const chunk = delta({ tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: text } }] });
    const stream = `data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`;
    expect(translated(chatCodec, geminiCodec, [Buffer.from(stream)]).body).toContain(`"args":${text}`);
  });

  test('of several candidates each stands in its place', () => {
    const events = streamed([
      delta({ content: 'a' }),
      delta({ content: 'b' }, null, 1),
      delta({}, 'stop'),
      delta({}, 'length', 1),
    ]);
    expect(candidateOf(events[1])).toMatchObject({ index: 0, content: { parts: [{ text: '' }] } });
    expect(candidateOf(events[1], 1)).toMatchObject({ index: 1, content: { parts: [{ text: 'b' }] } });
    expect(listOf(events.at(-1)?.['candidates']).map((each) => objectOf(each)['finishReason'])).toEqual([
      'STOP',
      'MAX_TOKENS',
    ]);
  });

  test("another vendor's signature goes in its envelope, and comes back", () => {
    const foreign = { protocol: 'anthropic-messages', form: 'signature', value: 'x' } as const;
    const detail = { type: 'reasoning.text', text: 'hm', signature: sealSignature(foreign) };
    const events = streamed([delta({ reasoning_details: [detail] }), delta({ content: 'a' }), delta({}, 'stop')]);
    const history = { role: 'model', parts: events.flatMap(partsOf) };
    const { turns } = geminiCodec.parseRequest({ contents: [history] }, { model: 'm', stream: false, framing: 'sse' });
    expect(turns[0]?.parts.slice(0, 2)).toEqual([
      { kind: 'thinking', text: 'hm', signature: foreign },
      { kind: 'text', text: 'a' },
    ]);
  });

  test('an error is an event of its own and no end', () => {
    const error = geminiCodec.openWriter(testContext()).error('upstream_failed', { message: 'broke off' }, 'req_1');
    const [only] = eventsIn(error);
    expect(field(parsedJson(only?.data ?? ''), 'error')).toMatchObject({ code: 502, status: 'UNAVAILABLE' });
    expect(error).not.toContain('finishReason');
  });
});

describe('a whole Gemini reply is written', () => {
  const rendered = (parts: ConversationReply['choices'][number]['parts'], kind: StopKind = 'end') => {
    const lost: string[] = [];
    const reply = { head: {}, choices: [{ parts, stop: { kind, native: '' }, logprobs: [] }] };
    const text = geminiCodec.renderReply(reply, { input: 1, imageOutput: 4, output: 2 }, testContext(), (loss) =>
      lost.push(loss),
    );
    return { body: objectOf(parsedJson(text)), lost };
  };

  test('with parts in their order', () => {
    const { body, lost } = rendered([
      { kind: 'thinking', text: 'hm', signature },
      { kind: 'text', text: 'a', citations: [{ url: 'https://a.test', title: 'A', start: 0, end: 1 }] },
      { kind: 'image', source: { from: 'base64', mediaType: 'image/png', data: 'QUJD' } },
      { kind: 'tool-call', id: 'i', name: 'f', arguments: '{}', signature },
      { kind: 'native', protocol: 'openai-responses', type: 'web_search_call', value: {} },
    ]);
    expect(partsOf(body)).toEqual([
      { text: 'hm', thought: true, thoughtSignature: 'c2ln' },
      { text: 'a' },
      { inlineData: { mimeType: 'image/png', data: 'QUJD' } },
      { functionCall: { id: 'i', name: 'f', args: {} }, thoughtSignature: 'c2ln' },
    ]);
    expect(candidateOf(body)).toMatchObject({
      finishReason: 'STOP',
      groundingMetadata: {
        groundingChunks: [{ web: { uri: 'https://a.test', title: 'A' } }],
        groundingSupports: [{ segment: { startIndex: 0, endIndex: 1 }, groundingChunkIndices: [0] }],
      },
    });
    expect(body['usageMetadata']).toMatchObject({
      candidatesTokenCount: 6,
      candidatesTokensDetails: [
        { modality: 'TEXT', tokenCount: 2 },
        { modality: 'IMAGE', tokenCount: 4 },
      ],
    });
    expect(lost).toEqual(['native-block']);
  });

  test.each([
    ['end', 'STOP'],
    ['stop-sequence', 'STOP'],
    ['tool-calls', 'STOP'],
    ['length', 'MAX_TOKENS'],
    ['context-window', 'MAX_TOKENS'],
    ['pause', 'MAX_TOKENS'],
    ['content-filter', 'SAFETY'],
    ['refusal', 'SAFETY'],
    ['error', 'OTHER'],
  ] satisfies [StopKind, string][])('%s is %s', (kind, reason) => {
    const { body } = rendered([], kind);
    expect(candidateOf(body)).toMatchObject({ finishReason: reason, content: { parts: [{ text: '' }] } });
    expect(isList(body['candidates'])).toBe(true);
  });
});
