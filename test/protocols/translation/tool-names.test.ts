// Names of functions that the target of a translation does not take: fitted the same way wherever they stand, never two
// to one, and the client's own again in what comes back.

import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Codec } from '../../../src/plugin/codec.ts';
import type { Conversation, JsonObject, Tool, ToolChoice } from '../../../src/plugin/conversation.ts';
import { plainLine } from '../../../src/plugin/protocol.ts';
import { protocolOf } from '../../../src/protocols/protocols.ts';
import { LossList } from '../../../src/protocols/translation/carriage.ts';
import { dialectOf } from '../../../src/protocols/translation/dialects.ts';
import { fittedNames, fittingCodec } from '../../../src/protocols/translation/tool-names.ts';
import { translateRefusal, translateReply, translateRequest } from '../../../src/protocols/translation/translate.ts';
import { emptyConversation, readStream, readWhole, refusal, testContext, translated } from '../translation-kit.ts';

const protocols = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini-generate'] as const;
type ChatProtocol = (typeof protocols)[number];
const pairs = protocols.flatMap((client) =>
  protocols.filter((each) => each !== client).map((upstream) => ({ client, upstream })),
);

/** As the vendors' own refusals state them. */
const patterns: Readonly<Record<ChatProtocol, RegExp>> = {
  'openai-chat': /^[a-zA-Z0-9_-]{1,64}$/,
  'openai-responses': /^[a-zA-Z0-9_-]{1,64}$/,
  'anthropic-messages': /^[a-zA-Z0-9_-]{1,128}$/,
  'gemini-generate': /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$/,
};

function codecOf(name: ChatProtocol): Codec {
  const { codec } = protocolOf(name);
  if (codec === undefined) throw new Error(`${name} has no codec`);
  return codec;
}

const lineOf = (name: ChatProtocol) => (name === 'gemini-generate' ? { ...plainLine, model: 'm' } : plainLine);
const targetOf = (name: ChatProtocol) => ({
  model: 'm',
  stream: false,
  dialect: dialectOf(name, {}),
  outputTokensMax: 1_000,
  askUsage: false,
});

const functionOf = (name: string): Tool => ({ kind: 'function', name, parameters: { type: 'object', properties: {} } });
const toolsOf = (...names: readonly string[]): Conversation => ({ ...emptyConversation, tools: names.map(functionOf) });

/** What a client of that protocol sends for it, read as the gateway reads it. */
function clientsOwn(client: ChatProtocol, conversation: Conversation): Conversation {
  const codec = codecOf(client);
  const body: JsonObject = JSON.parse(codec.renderRequest(conversation, targetOf(client), new LossList(client)));
  return codec.parseRequest(body, lineOf(client));
}

/** What the upstream is sent, as text and read again by its own protocol. */
function sent(upstream: ChatProtocol, conversation: Conversation) {
  const codec = fittingCodec(codecOf(upstream), upstream, conversation);
  const { body, losses } = translateRequest(codec, upstream, conversation, targetOf(upstream));
  const parsed: JsonObject = JSON.parse(body);
  return { codec, body, losses, read: codecOf(upstream).parseRequest(parsed, lineOf(upstream)) };
}

const offered = ({ tools }: Conversation): readonly string[] =>
  tools.flatMap((tool) => (tool.kind === 'native' ? [] : [tool.name]));
const inHistory = ({ turns }: Conversation): readonly string[] =>
  turns.flatMap(({ parts }) =>
    parts.flatMap((part) => {
      if (part.kind === 'tool-call') return [part.name];
      return part.kind === 'tool-result' && part.name !== undefined ? [part.name] : [];
    }),
  );

const long = `mcp__the_calendar_of_the_whole_company__create_an_event_with_guests_and_a_room_${'x'.repeat(40)}`;
const longer = `${long}_later`;
const dotted = 'caldav.create-event';
const digits = '2fa-check';
/** What each target does not take. */
const unfit: Readonly<Record<ChatProtocol, readonly string[]>> = {
  'openai-chat': [long, longer, dotted],
  'openai-responses': [long, longer, dotted],
  'anthropic-messages': [dotted, 'calendar:find'],
  'gemini-generate': [digits, long, longer, '-dash'],
};

/** Calls of each name, and what came of them. */
const conversationOn = (names: readonly string[], toolChoice?: ToolChoice): Conversation => ({
  ...emptyConversation,
  stream: false,
  tools: [...names, 'find'].map(functionOf),
  toolChoice,
  turns: [
    { role: 'user', parts: [{ kind: 'text', text: 'Hello' }] },
    {
      role: 'assistant',
      parts: names.map((name, at) => ({ kind: 'tool-call', id: `call_${at}`, name, arguments: '{}' })),
    },
    {
      role: 'user',
      parts: names.map((name, at) => ({
        kind: 'tool-result',
        callId: `call_${at}`,
        name,
        parts: [{ kind: 'text', text: 'Done' }],
      })),
    },
    { role: 'user', parts: [{ kind: 'text', text: 'And now?' }] },
  ],
});

describe.each(protocols.map((target) => ({ target })))('for $target', ({ target }) => {
  const pattern = patterns[target];
  const legal = fc.stringMatching(pattern);
  const names = fc.uniqueArray(
    fc.oneof(legal, fc.string({ unit: 'binary', maxLength: 256 }), fc.stringMatching(/^[a-z.:/ -]{1,140}$/)),
    { maxLength: 12 },
  );

  test('a name that it takes stays, any other is fitted, and no two meet', () => {
    fc.assert(
      fc.property(names, (own) => {
        const fitted = fittedNames(toolsOf(...own), target);
        for (const name of own) expect(fitted?.has(name) ?? false).toBe(!pattern.test(name));
        const all = own.map((name) => fitted?.get(name) ?? name);
        for (const name of all) expect(name).toMatch(pattern);
        for (const name of fitted?.values() ?? []) expect(name.length).toBeLessThanOrEqual(64);
        expect(new Set(all).size).toBe(own.length);
      }),
    );
  });

  test('it is the same whatever stands beside it, and in any order', () => {
    fc.assert(
      fc.property(names, (own) => {
        const fitted = fittedNames(toolsOf(...own), target);
        expect(fittedNames(toolsOf(...own.toReversed()), target)).toEqual(fitted);
        for (const [name, fitting] of fitted ?? [])
          if (name.isWellFormed()) expect(fittedNames(toolsOf(name), target)?.get(name)).toBe(fitting);
      }),
    );
  });

  test('where every name fits, the codec is the very same', () => {
    const conversation = conversationOn(['find', 'a_b-c', 'n'.repeat(64)], { kind: 'tool', name: 'find' });
    expect(fittingCodec(codecOf(target), target, conversation)).toBe(codecOf(target));
  });

  test('two names without an encoding of their own are two all the same', () => {
    const fitted = fittedNames(toolsOf('a.\ud800', 'a.\ud801'), target);
    expect(new Set(fitted?.values()).size).toBe(2);
  });

  test('what is too long for a name is not made one', () => {
    expect(fittedNames(toolsOf('n'.repeat(257)), target)).toBeUndefined();
  });
});

test('a fitted name begins as the own one does, and stays the same from release to release', () => {
  expect(fittedNames(toolsOf(dotted), 'openai-chat')).toEqual(new Map([[dotted, 'caldav_create-event_CAfwFvuI']]));
  expect(fittedNames(toolsOf(digits), 'gemini-generate')).toEqual(new Map([[digits, '_2fa-check_SjUPgfFs']]));
  expect(fittedNames(toolsOf(long), 'openai-responses')).toEqual(
    new Map([[long, 'mcp__the_calendar_of_the_whole_company__create_an_event_g98J97bU']]),
  );
});

test('of a tool that is called as another would be fitted, both keep apart', () => {
  const fitting = fittedNames(toolsOf(dotted), 'openai-chat')?.get(dotted) ?? '';
  const both = fittedNames(toolsOf(dotted, fitting), 'openai-chat');
  expect([...(both?.keys() ?? [])]).toEqual([dotted]);
  expect(both?.get(dotted)).not.toBe(fitting);
  expect(both?.get(dotted)).toMatch(patterns['openai-chat']);
  // Wherever the other one stands.
  const past = { ...conversationOn([fitting]), tools: [functionOf(dotted)] };
  expect(fittedNames(past, 'openai-chat')).toEqual(both);
});

describe.each(pairs)('a client of $client at an upstream of $upstream', ({ client, upstream }) => {
  const own = unfit[upstream];
  const [first = ''] = own;

  test('tools and history name the same functions, and results find their calls', () => {
    const conversation = clientsOwn(client, conversationOn(own));
    expect(offered(conversation)).toEqual([...own, 'find']);
    const { body, losses, read } = sent(upstream, conversation);
    expect(losses).toEqual([]);
    for (const name of own) expect(body).not.toContain(JSON.stringify(name));
    const names = offered(read);
    for (const name of names) expect(name).toMatch(patterns[upstream]);
    expect(new Set(names).size).toBe(own.length + 1);
    expect(names.at(-1)).toBe('find');
    const past = names.slice(0, -1);
    // Gemini's results say whose they are.
    expect(inHistory(read)).toEqual(upstream === 'gemini-generate' ? [...past, ...past] : past);
    // The next request says it in the same words.
    expect(sent(upstream, conversation).body).toBe(body);
  });

  test('the tool that is chosen, and those that are allowed, are among those that are offered', () => {
    const chosen = sent(upstream, clientsOwn(client, conversationOn(own, { kind: 'tool', name: first }))).read;
    const fitting = offered(chosen)[0] ?? '';
    const { toolChoice } = chosen;
    const named = toolChoice?.kind === 'allowed' ? toolChoice.names : toolChoice?.kind === 'tool' && [toolChoice.name];
    expect(named).toEqual([fitting]);
    expect(fitting).toMatch(patterns[upstream]);

    const some: ToolChoice = { kind: 'allowed', mode: 'required', names: [first, 'find'] };
    const conversation = conversationOn(own, some);
    const { read } = sent(upstream, conversation);
    // Anthropic is offered those that are allowed, and no others.
    if (upstream === 'anthropic-messages') expect(offered(read)).toEqual([fitting, 'find']);
    else expect(read.toolChoice).toEqual({ ...some, names: [fitting, 'find'] });
  });

  test('the client sees its own names in the reply, whole and streamed', () => {
    const conversation = clientsOwn(client, conversationOn(own));
    const { codec, read } = sent(upstream, conversation);
    const context = { ...testContext(), request: { ...conversation, turns: [] } };
    const fitting = offered(read);

    const writer = codecOf(upstream).openWriter(testContext());
    let stream = writer.head({ id: 'up', model: 'm' });
    for (const [at, name] of fitting.entries()) {
      stream += writer.blockStart(0, { kind: 'tool-call', id: `call_${at}`, name });
      stream += writer.delta(0, '{}') + writer.blockEnd(0);
    }
    stream += writer.stop(0, { kind: 'tool-calls', native: '' }) + writer.end({ input: 3, output: 5 });
    const { body, fault } = translated(codec, codecOf(client), [Buffer.from(stream)], context);
    expect(fault).toBeUndefined();
    const called = (parts: ReturnType<typeof readWhole>['reply']['choices']) =>
      parts.flatMap((choice) => choice.parts.flatMap((part) => (part.kind === 'tool-call' ? [part.name] : [])));
    expect(called(readStream(codecOf(client), body).reply.choices)).toEqual([...own, 'find']);
    for (const name of fitting.slice(0, -1)) expect(body).not.toContain(name);

    const { reply } = readStream(codecOf(upstream), stream);
    const whole = codecOf(upstream).renderReply(reply, undefined, testContext(), () => {});
    const answer = translateReply(codec, codecOf(client), Buffer.from(whole), context);
    expect(called(readWhole(codecOf(client), JSON.parse(answer?.body ?? '')).reply.choices)).toEqual([...own, 'find']);
    for (const name of fitting.slice(0, -1)) expect(answer?.body).not.toContain(name);
  });

  test('a refusal that names a function names it as the client does', () => {
    const conversation = conversationOn(own);
    const { codec, read } = sent(upstream, conversation);
    const message = `Invalid schema for function '${offered(read)[0]}': $& of "find"`;
    const words = codecOf(upstream).renderRefusal(400, { message }, 'r');
    const told = translateRefusal(codec, codecOf(client), Buffer.from(words), 400, 'r') ?? '';
    expect(told).toContain(`Invalid schema for function '${first}': $& of \\"find\\"`);
  });
});

test('a function that was only called earlier, and is offered no more, is fitted and known again, too', () => {
  const past = { ...conversationOn([long]), tools: [functionOf('find')] };
  const { codec, read } = sent('openai-chat', past);
  const [name = ''] = inHistory(read);
  expect(name).toMatch(patterns['openai-chat']);
  const call = { id: 'c', type: 'function', function: { name, arguments: '{}' } };
  const reply = { choices: [{ index: 0, message: { tool_calls: [call] }, finish_reason: 'tool_calls' }] };
  expect(readWhole(codec, reply).reply.choices[0]?.parts).toMatchObject([{ name: long }]);
});

test('a function in a namespace whose joined name is too long comes back in both its words', () => {
  const namespace = 'the_customers_of_the_whole_company';
  const name = 'find_all_those_who_have_not_been_seen_for_long';
  const tools = [{ type: 'namespace', name: namespace, description: 'd', tools: [{ type: 'function', name }] }];
  const conversation = codecOf('openai-responses').parseRequest({ model: 'm', input: 'Hello', tools }, plainLine);
  const { codec, read } = sent('openai-chat', conversation);
  const [fitting = ''] = offered(read);
  expect(fitting).toMatch(patterns['openai-chat']);
  const call = { id: 'c', type: 'function', function: { name: fitting, arguments: '{}' } };
  const reply = { choices: [{ index: 0, message: { tool_calls: [call] }, finish_reason: 'tool_calls' }] };
  const context = { ...testContext(), request: conversation };
  const told = translateReply(codec, codecOf('openai-responses'), Buffer.from(JSON.stringify(reply)), context);
  expect(JSON.parse(told?.body ?? '')).toMatchObject({ output: [{ type: 'function_call', name, namespace }] });
});

describe('a tool of free text', () => {
  const custom = (name: string): Tool => ({ kind: 'custom', name });

  test("is fitted between OpenAI's two, and stays one", () => {
    const { read } = sent('openai-responses', { ...emptyConversation, tools: [custom('run.it'), custom('shell')] });
    expect(read.tools).toMatchObject([{ kind: 'custom' }, custom('shell')]);
    expect(offered(read)[0]).toMatch(/^run_it_[a-zA-Z0-9]{8}$/);
  });

  test.each(['anthropic-messages', 'gemini-generate'] as const)('is left out for %s by its own name', (target) => {
    const conversation = conversationOn(['find']);
    const { losses } = sent(target, { ...conversation, tools: [functionOf('a b'), custom('run.it')] });
    expect(losses).toEqual(['tool:run.it']);
    expect(refusal(() => sent(target, { ...conversation, tools: [custom('run it')] }))).toContain('"run it"');
  });
});

test('a tool of the vendor is left out as before, whatever it is called', () => {
  const native: Tool = { kind: 'native', protocol: 'gemini-generate', type: 'google.search', value: { name: 'a.b' } };
  expect(fittedNames({ ...emptyConversation, tools: [native] }, 'openai-chat')).toBeUndefined();
  const { losses, read } = sent('openai-chat', { ...emptyConversation, tools: [native, functionOf(dotted)] });
  expect(losses).toEqual(['tool:google.search']);
  expect(offered(read)).toHaveLength(1);
});

test('very many names that nobody takes cost no more than their bytes', () => {
  const names = Array.from({ length: 20_000 }, (_, at) => `tool.${at}`);
  const allowed = Array.from({ length: 400_000 }, (_, at) => `other.${at}`);
  const conversation: Conversation = {
    ...toolsOf(...names),
    toolChoice: { kind: 'allowed', mode: 'required', names: allowed },
  };
  const startedMs = performance.now();
  expect(fittedNames(conversation, 'openai-chat')?.size).toBe(20_000);
  expect(performance.now() - startedMs).toBeLessThan(1_500);
});
