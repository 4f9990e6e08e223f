// A chat request for a vendor of the same protocol that has a role or a limit under its older name.

import { expect, test } from 'bun:test';
import { openAiChat } from '../../../src/protocols/openai-chat/openai-chat.ts';
import { rewriteBody } from '../../../src/protocols/rewrite-body.ts';
import { decode, encode } from '../recordings.ts';

const older = { developerRole: false, tokenLimit: 'max_tokens' } as const;
const message = (role: string) => `{"content": "I am a \\"developer\\"", "role" : "${role}"}`;
const body = (roles: readonly string[], more = '') =>
  `{"model":"m" , "messages":[${roles.map(message).join(' , ')}]${more}}`;

function adapted(text: string, dialect: Parameters<NonNullable<typeof openAiChat.adapt>>[1] = older) {
  const bytes = encode(text);
  const adaptation = openAiChat.adapt?.(bytes, dialect);
  return { text: decode(Buffer.concat(rewriteBody(bytes, adaptation?.edits ?? []))), losses: adaptation?.losses };
}

test('the role has its older name; beside system text its authority is lost, and that is named', () => {
  expect(adapted(body(['developer', 'user']))).toEqual({ text: body(['system', 'user']), losses: [] });
  const both = { text: body(['system', 'system', 'user']), losses: ['developer-role'] };
  expect(adapted(body(['system', 'developer', 'user']))).toEqual(both);
  expect(adapted(body(['developer', 'system', 'user']))).toEqual(both);
});

test('the limit has its older name, and stands there once', () => {
  const limits = (text: string) => adapted(body(['user'], text)).text;
  expect(limits(', "max_completion_tokens" : 9')).toBe(body(['user'], ', "max_tokens" : 9'));
  expect(limits(',"max_completion_tokens":9,"max_tokens":8')).toBe(body(['user'], ',"max_tokens":8'));
  expect(limits(',"max_tokens":8 ,"max_completion_tokens":9')).toBe(body(['user'], ',"max_tokens":8 '));
});

test('what has neither, or goes to a vendor that knows both, is not touched', () => {
  for (const text of [body(['system', 'user']), body(['user'], ',"x":"max_completion_tokens"')])
    expect(adapted(text)).toEqual({ text, losses: undefined });
  const newer = body(['developer', 'user'], ',"max_completion_tokens":9');
  expect(adapted(newer, {})).toEqual({ text: newer, losses: undefined });
});

test('ids of calls are written in the alphabet of a vendor that has one, and call and result stay together', () => {
  const turns = (id: string, other: string) =>
    `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id" : "${id}","type":"function"},{"id":"${other}"}]},` +
    `{"role":"tool","tool_call_id": "${id}","content":"\\"tool_call_id\\": \\"${id}\\""}, null, {"tool_calls":null}]}`;
  const nine = { toolIds: 'nine-alphanumeric' } as const;
  const { text, losses } = adapted(turns('call_1', 'abcDEF123'), nine);
  const [mapped] = /(?<="id" : ")[a-zA-Z0-9]{9}(?=")/.exec(text) ?? [];
  expect(mapped).toBeString();
  expect(text).toBe(turns('call_1', 'abcDEF123').replaceAll(/(?<=id"? ?: ")call_1/g, String(mapped)));
  expect(losses).toEqual([]);
  expect(adapted(turns('call_1', 'call_2'), {}).losses).toBeUndefined();
  expect(adapted(turns('abcDEF123', 'abcDEF124'), nine).losses).toBeUndefined();
});
