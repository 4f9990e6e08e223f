// Requests of Anthropic's messages: system text, thinking and its signatures, both ways.

import { describe, expect, test } from 'bun:test';
import { openSignature, sealSignature } from '../../../src/protocols/translation/signature-envelope.ts';
import type { Conversation, JsonValue, Turn } from '../../../src/plugin/conversation.ts';
import {
  assistant,
  at,
  call,
  hello,
  parsedTurns,
  parsedWith,
  result,
  said,
  user,
  written,
  tool,
} from './messages-kit.ts';
import { listOf } from '../../../src/protocols/json-fields.ts';
import { refusal } from '../translation-kit.ts';

const own = { protocol: 'anthropic-messages', form: 'signature', value: 'sig' } as const;
const foreign = { protocol: 'gemini-generate', form: 'signature', value: 'gem' } as const;

describe('system text', () => {
  test('is a string or blocks with marks, and the billing line of Claude Code goes to nobody else', () => {
    expect(parsedWith({ system: 'Be brief' }).turns[0]).toMatchObject({ role: 'system', parts: [said('Be brief')] });
    const { turns, unmapped } = parsedWith({
      system: [
        { type: 'text', text: 'x-anthropic-billing-header: cc_version=2.1.330' },
        { type: 'text', text: 'You code.', cache_control: { type: 'ephemeral', ttl: '1h' } },
      ],
    });
    expect(turns[0]).toMatchObject({ parts: [{ ...said('You code.'), cache: { lifetime: '1h' } }] });
    expect(turns[0]?.parts).toHaveLength(1);
    expect(unmapped).toEqual([]);
    expect(parsedWith({ system: 'x-anthropic-billing-header: a' }).turns).toHaveLength(1);
  });

  test('stays where it stands among messages, or is moved to the front and listed', () => {
    const turns = parsedTurns(
      { role: 'user', content: 'Hi' },
      { role: 'system', content: [{ type: 'text', text: 'Now hurry' }], output_config: { effort: 'low' } },
    );
    expect(turns.map(({ role }) => role)).toEqual(['user', 'system']);
    const kept = written({ turns }, { systemAmongTurns: true });
    expect(at(kept.body, 'messages', 1)).toEqual({ role: 'system', content: [{ type: 'text', text: 'Now hurry' }] });
    expect(kept.losses).toEqual([]);
    const moved = written({ turns });
    expect(moved.body['system']).toEqual([{ type: 'text', text: 'Now hurry' }]);
    expect(moved.body['messages']).toHaveLength(1);
    expect(moved.losses).toEqual(['system-position']);
  });

  test('among messages stands only behind the user and before the model; elsewhere it is moved, and listed', () => {
    const system: Turn = { role: 'system', authority: 'system', parts: [said('s')] };
    const user: Turn = { role: 'user', parts: [said('u')] };
    const model: Turn = { role: 'assistant', parts: [said('a')] };
    const order = (...turns: readonly Turn[]) => {
      const { body, losses } = written({ turns }, { systemAmongTurns: true });
      const roles = listOf(body['messages']).map((message) => at(message, 'role'));
      return [roles.join(' '), at(body, 'system', 0, 'text'), losses];
    };
    const lost = ['system-position'];
    expect(order(user, system, model, user)).toEqual(['user system assistant user', undefined, []]);
    expect(order(user, model, system, user)).toEqual(['user assistant user system', undefined, lost]);
    expect(order(user, system, user, model)).toEqual(['user system assistant', undefined, lost]);
    expect(order(user, model, system)).toEqual(['user assistant', 's', lost]);
    expect(order(user, system, { role: 'assistant', parts: [] }, user)).toEqual(['user system', undefined, lost]);
  });

  test('alone is said by the user in the end, and listed; nothing at all is refused', () => {
    const system = (...words: readonly string[]): Turn => ({
      role: 'system',
      authority: 'system',
      parts: words.map(said),
    });
    const block = (text: string) => ({ type: 'text', text });
    const { body, losses } = written({ turns: [system('a'), system('b', 'c'), system('')] });
    expect(body['system']).toEqual([block('a')]);
    expect(body['messages']).toEqual([{ role: 'user', content: [block('b'), block('c')] }]);
    expect(losses).toEqual(['system-position']);
    expect(refusal(() => written({ turns: [system(' ')] }))).toStartWith('messages: ');
    expect(refusal(() => written({ turns: [] }))).toStartWith('messages: ');
  });
});

describe('effort and thinking are read', () => {
  test.each<readonly [JsonValue, JsonValue, JsonValue]>([
    [
      { type: 'adaptive', display: 'omitted' },
      { effort: 'medium' },
      { mode: 'adaptive', effort: 'medium', shown: false },
    ],
    [{ type: 'enabled', budget_tokens: 2000 }, null, { mode: 'on', budgetTokens: 2000 }],
    [
      { type: 'enabled', budget_tokens: 2000, display: 'summarized' },
      {},
      { mode: 'on', budgetTokens: 2000, shown: true },
    ],
    [{ type: 'disabled' }, {}, { mode: 'off' }],
    [null, { effort: 'xhigh' }, { effort: 'xhigh' }],
    [null, { effort: 'max' }, { effort: 'max' }],
  ])('%j with %j', (thinking, output_config, expected) => {
    const given = parsedWith({ thinking, output_config }).thinking;
    expect(JSON.parse(JSON.stringify(given))).toEqual(expected);
  });

  test('a message sets the effort from there on', () => {
    const { thinking, unmapped } = parsedWith({
      output_config: { effort: 'low' },
      messages: [
        { role: 'user', content: 'a' },
        { role: 'system', content: 'b', output_config: { effort: 'high' } },
      ],
    });
    expect(thinking?.effort).toBe('high');
    expect(unmapped).toEqual([]);
  });
});

describe('thinking is asked for', () => {
  const thinkingOf = (conversation: Partial<Conversation>, dialect = {}) => {
    const { body, losses } = written(conversation, dialect);
    return [body['thinking'], body['output_config'], losses];
  };
  test('by an effort, or by a budget within the limit', () => {
    const adaptive = { type: 'adaptive' };
    expect(thinkingOf({ thinking: { effort: 'high' } })).toEqual([adaptive, { effort: 'high' }, []]);
    expect(thinkingOf({ thinking: { effort: 'minimal', shown: true } })).toEqual([
      { type: 'adaptive', display: 'summarized' },
      { effort: 'low' },
      ['thinking-settings'],
    ]);
    for (const effort of ['low', 'medium', 'high', 'xhigh', 'max'] as const)
      expect(thinkingOf({ thinking: { effort } })).toEqual([adaptive, { effort }, []]);
    expect(thinkingOf({ thinking: { mode: 'off' } })).toEqual([{ type: 'disabled' }, undefined, []]);
    const between = { notThinking: 'between_tools' };
    expect(thinkingOf({ thinking: { mode: 'off' } }, between)).toEqual([{ type: 'between_tools' }, undefined, []]);
    expect(thinkingOf({ thinking: { mode: 'off', effort: 'max' } }, between)).toEqual([
      { type: 'between_tools' },
      { effort: 'high' },
      ['thinking-settings'],
    ]);
    expect(thinkingOf({ thinking: { mode: 'on', budgetTokens: 5000 } })[2]).toEqual(['thinking-settings']);
    const budget = { thinking: 'budget' } as const;
    const enabled = (budget_tokens: number) => ({ type: 'enabled', budget_tokens });
    expect(thinkingOf({ thinking: { effort: 'medium' } }, budget)).toEqual([enabled(12_288), undefined, []]);
    expect(thinkingOf({ thinking: { budgetTokens: 2000 } }, budget)).toEqual([enabled(2000), undefined, []]);
    const cut = { thinking: { budgetTokens: 9000 }, outputLimit: 5000 };
    expect(thinkingOf(cut, budget)).toEqual([enabled(4999), undefined, ['thinking-settings']]);
    const none = [undefined, undefined, ['thinking-settings']];
    expect(thinkingOf({ ...cut, outputLimit: 100 }, budget)).toEqual(none);
    expect(thinkingOf({ thinking: { effort: 'low' } }, { thinking: 'none' })).toEqual(none);
  });

  test('not where a tool must be called, which a budget forbids and an effort does not', () => {
    const forced = { thinking: { effort: 'low' }, tools: [tool], toolChoice: { kind: 'required' } } as const;
    const budgeted = written(forced, { thinking: 'budget' });
    expect(budgeted.body).toMatchObject({ tool_choice: { type: 'any' } });
    expect(budgeted.body['thinking']).toBeUndefined();
    expect(budgeted.losses).toEqual(['thinking-settings']);
    expect(written(forced).body).toMatchObject({ thinking: { type: 'adaptive' }, tool_choice: { type: 'any' } });
  });

  test('not in the middle of a turn whose thinking is another vendor’s, which is left out', () => {
    const middle = (signature: typeof own | typeof foreign): readonly Turn[] => [
      hello,
      assistant({ kind: 'thinking', text: 'Hm', signature }, call('a')),
      user(result('a')),
    ];
    const budget = { thinking: 'budget' } as const;
    const thinking = { mode: 'on', budgetTokens: 2000 } as const;
    const lost = written({ turns: middle(foreign), thinking }, budget);
    expect(lost.losses).toEqual(['thinking-settings', 'thinking-history']);
    expect(lost.body['thinking']).toBeUndefined();
    expect(JSON.stringify(lost.body)).not.toContain('Hm');
    const kept = written({ turns: middle(own), thinking }, budget);
    expect(kept.losses).toEqual([]);
    expect(kept.body).toMatchObject({ thinking: { type: 'enabled', budget_tokens: 2000 } });
    // A turn that is over does not count.
    const over = written({ turns: [...middle(foreign), assistant(said('Done')), hello], thinking }, budget);
    expect(over.losses).toEqual(['thinking-history']);
    expect(over.body).toMatchObject({ thinking: { type: 'enabled' } });
  });
});

describe('signatures', () => {
  test('a signed empty block is kept, redacted thinking too, and unsigned thinking is dropped', () => {
    const blocks = [
      { type: 'thinking', thinking: '', signature: 'sig' },
      { type: 'redacted_thinking', data: 'xyz' },
      { type: 'thinking', thinking: 'unsigned', signature: '' },
      { type: 'text', text: 'So' },
    ];
    const turns = parsedTurns({ role: 'user', content: 'Hi' }, { role: 'assistant', content: blocks });
    const { body, losses } = written({ turns });
    expect(at(body, 'messages', 1, 'content')).toEqual(blocks.filter(({ thinking }) => thinking !== 'unsigned'));
    expect(losses).toEqual(['thinking-history']);
  });

  test('envelopes open to whom they belong; that of a signed call goes to the call, wherever its block stands', () => {
    const sealed = (id: string) => ({ type: 'thinking', thinking: '', signature: sealSignature({ ...foreign, id }) });
    const called = (id: string) => ({ type: 'tool_use', id, name: 'f', input: {} });
    for (const content of [
      [sealed('a'), called('a'), called('b')],
      [called('a'), sealed('a'), called('b')],
    ]) {
      const [, turn] = parsedTurns({ role: 'user', content: 'Hi' }, { role: 'assistant', content });
      expect(turn?.parts).toEqual([
        { ...call('a'), signature: foreign, cache: undefined },
        { ...call('b'), cache: undefined },
      ]);
    }
    const openai = { protocol: 'openai-responses', form: 'encrypted', value: 'e', id: 'rs_1' } as const;
    const content = [{ type: 'thinking', thinking: 'Sum', signature: sealSignature(openai) }];
    const [, turn] = parsedTurns({ role: 'user', content: 'Hi' }, { role: 'assistant', content });
    expect(turn?.parts).toEqual([{ kind: 'thinking', text: 'Sum', signature: openai }]);
    expect(openSignature(sealSignature(openai))).toEqual(openai);
  });
});
