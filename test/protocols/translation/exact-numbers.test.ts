// Numbers that are too long for ours come through a translation with every digit, and nothing else is touched.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { JsonValue } from '../../../src/plugin/conversation.ts';
import type { ProtocolName } from '../../../src/plugin/operations.ts';
import { plainLine } from '../../../src/plugin/protocol.ts';
import { numberOf } from '../../../src/protocols/json-fields.ts';
import { protocolOf } from '../../../src/protocols/protocols.ts';
import { dialectOf } from '../../../src/protocols/translation/dialects.ts';
import { exactJson } from '../../../src/protocols/translation/exact-numbers.ts';
import { conversationOf, translateReply, translateRequest } from '../../../src/protocols/translation/translate.ts';
import { TranslatedTap } from '../../../src/protocols/translation/translated-tap.ts';
import { testContext } from '../translation-kit.ts';

/** JSON texts without blanks, as `JSON.stringify` writes them, but with whole numbers of any length. */
const leaf = fc.oneof(
  fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
  fc
    .string({ unit: fc.constantFrom('1', '"', '\\', ' ', ':', 'é', '9'.repeat(20)) })
    .map((text) => JSON.stringify(text)),
  fc.constantFrom('true', 'null', '{}', '[]'),
);
const { json } = fc.letrec<{ json: string }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('json'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
    fc
      .uniqueArray(fc.tuple(fc.stringMatching(/^[a-z]{1,3}$/), tie('json')), { maxLength: 4, selector: ([key]) => key })
      .map((members) => `{${members.map(([key, value]) => `"${key}":${value}`).join(',')}}`),
  ),
}));

describe('JSON with long numbers', () => {
  test('is written as it was read, also as text in JSON in text', () => {
    fc.assert(
      fc.property(json, (text) => {
        // What is short is written as ours are; `-0` loses its sign, as everywhere.
        const value = exactJson(text.replaceAll(/-0(?![\d.])/g, '0'));
        const plain = JSON.stringify(JSON.parse(text));
        const exact = JSON.stringify(value);
        expect(JSON.stringify(JSON.parse(exact))).toBe(plain.replaceAll(/-0(?![\d.])/g, '0'));
        for (const [long] of text.matchAll(/(?<![\d.e+-])-?\d{17,}(?![\d.e])/g)) expect(exact).toContain(long);
      }),
      { numRuns: 1_000 },
    );
  });

  test('is refused where plain JSON is', () => {
    for (const text of [
      '01234567890123456789',
      '[12345678901234567890',
      '12345678901234567890x',
      '-',
      '"123456789012345678',
    ])
      expect(exactJson(text)).toBeUndefined();
  });

  test('is read without its digits where it stands deeper than the engine keeps them', () => {
    const nested = (levels: number) => `${'['.repeat(levels)}${long}${']'.repeat(levels)}`;
    expect(JSON.stringify(exactJson(nested(1_000)))).toContain(long);
    const deep = exactJson(nested(9_000));
    expect(deep).toBeDefined();
    expect(exactJson(nested(10_001))).toBeUndefined();
  });

  test('is read as the nearest number where one is needed', () => {
    expect(numberOf(exactJson('12345678901234567890'))).toBe(12345678901234567000);
    expect(numberOf('12345678901234567890')).toBeUndefined();
  });
});

const long = '1234567890123456789';
const codecOf = (name: ProtocolName) => {
  const { codec } = protocolOf(name);
  if (codec === undefined) throw new Error(`${name} has no codec`);
  return codec;
};
const bytes = (text: string) => new TextEncoder().encode(text);

const requests: readonly (readonly [ProtocolName, string])[] = [
  [
    'openai-chat',
    `{"messages":[{"role":"user","content":"go"},{"role":"assistant","tool_calls":[{"id":"c","type":"function",` +
      `"function":{"name":"look","arguments":"{\\"id\\":${long}}"}}]},{"role":"tool","tool_call_id":"c","content":"x"}]}`,
  ],
  [
    'anthropic-messages',
    `{"max_tokens":99,"messages":[{"role":"user","content":"go"},{"role":"assistant","content":[{"type":"tool_use",` +
      `"id":"c","name":"look","input":{"id":${long}}}]},{"role":"user","content":[{"type":"tool_result",` +
      `"tool_use_id":"c","content":"x"}]}]}`,
  ],
  [
    'gemini-generate',
    `{"contents":[{"role":"user","parts":[{"text":"go"}]},{"role":"model","parts":[{"functionCall":{"id":"c",` +
      `"name":"look","args":{"id":${long}}}}]},{"role":"user","parts":[{"functionResponse":{"id":"c","name":"look",` +
      `"response":{"output":${long}}}}]}]}`,
  ],
];
const targets = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini-generate'] as const;

describe.each(requests)('%s', (client, text) => {
  test.each(targets.filter((each) => each !== client))(
    'a call in the history goes to %s with every digit',
    (target) => {
      const conversation = conversationOf(codecOf(client), bytes(text), { ...plainLine, model: 'm' });
      const dialect = dialectOf(target, undefined);
      const { body } = translateRequest(codecOf(target), target, conversation, {
        model: 'm',
        stream: false,
        dialect,
        outputTokensMax: 99,
        askUsage: false,
      });
      expect(() => JSON.parse(body)).not.toThrow();
      expect(body.replaceAll('\\', '')).toContain(`{"id":${long}}`);
      expect(body).not.toContain('\ue000');
    },
  );
});

const call = `{"id":${long}}`;
const asText = JSON.stringify(call);
const replies: readonly (readonly [ProtocolName, string, string])[] = [
  [
    'anthropic-messages',
    `{"type":"message","role":"assistant","content":[{"type":"tool_use","id":"c","name":"look","input":${call}}],` +
      '"stop_reason":"tool_use"}',
    `event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use",` +
      `"id":"c","name":"look","input":${call}}}\n\nevent: content_block_stop\ndata: {"type":"content_block_stop",` +
      '"index":0}\n\nevent: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"tool_use"}}\n\n' +
      'event: message_stop\ndata: {"type":"message_stop"}\n\n',
  ],
  [
    'gemini-generate',
    `{"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"look","args":${call}}}]},` +
      '"finishReason":"STOP"}]}',
    `data: {"candidates":[{"content":{"role":"model","parts":[{"functionCall":{"name":"look","args":${call}}}]},` +
      '"finishReason":"STOP"}]}\n\n',
  ],
  [
    'openai-chat',
    `{"choices":[{"index":0,"message":{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":` +
      `{"name":"look","arguments":${asText}}}]},"finish_reason":"tool_calls"}]}`,
    `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"look","arguments":` +
      `${asText}}}]},"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n`,
  ],
];

describe.each(replies)('%s', (upstream, whole, stream) => {
  test.each(targets.filter((each) => each !== upstream))(
    'a call in the reply comes to %s with every digit',
    (client) => {
      const reply = translateReply(codecOf(upstream), codecOf(client), bytes(whole), testContext());
      const tap = new TranslatedTap(codecOf(upstream), codecOf(client), testContext(), {
        hideUsage: false,
        end: 'done',
      });
      const streamed = [tap.push(bytes(stream)), tap.end(), tap.held()]
        .map((part) => new TextDecoder().decode(part))
        .join('');
      for (const text of [reply?.body ?? '', streamed]) {
        const plain: JsonValue = text.replaceAll('\\', '');
        expect(plain).toContain(`"id":${long}}`);
        expect(text).not.toContain('\ue000');
      }
    },
  );
});

describe('a number that is too long is no text, no object and no list', () => {
  const upstreams = ['openai-chat', 'openai-responses', 'anthropic-messages'] as const;
  test.each(upstreams)('as the result of a call it goes to %s as JSON text', (target) => {
    const text =
      `{"contents":[{"role":"model","parts":[{"functionCall":{"id":"c","name":"look","args":{}}}]},{"role":"user",` +
      `"parts":[{"functionResponse":{"id":"c","name":"look","response":{"result":${long}}}}]}]}`;
    const conversation = conversationOf(codecOf('gemini-generate'), bytes(text), { ...plainLine, model: 'm' });
    const dialect = dialectOf(target, undefined);
    const goal = { model: 'm', stream: false, dialect, outputTokensMax: 99, askUsage: false };
    const { body } = translateRequest(codecOf(target), target, conversation, goal);
    expect(body).toContain(`"{\\"result\\":${long}}"`);
  });

  test('where a text is needed it is refused, or nothing', () => {
    const body = `{"messages":[{"role":"user","content":${long}}]}`;
    const read = () => conversationOf(codecOf('openai-chat'), bytes(body), { ...plainLine, model: 'm' });
    expect(read).toThrow('messages[0].content');
  });

  test('in a schema it is a bound with every digit', () => {
    const schema = `{"type":"object","properties":{"id":{"type":"integer","maximum":9223372036854775807}}}`;
    const body = `{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f","parameters":${schema}}}]}`;
    const conversation = conversationOf(codecOf('openai-chat'), bytes(body), { ...plainLine, model: 'm' });
    for (const target of targets.filter((each) => each !== 'openai-chat')) {
      const dialect = dialectOf(target, undefined);
      const goal = { model: 'm', stream: false, dialect, outputTokensMax: 99, askUsage: false };
      expect(translateRequest(codecOf(target), target, conversation, goal).body).toContain(
        '"maximum":9223372036854775807',
      );
    }
  });
});
