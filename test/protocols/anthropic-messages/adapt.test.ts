// A conversation that goes on at Anthropic after another vendor answered in it: nothing is sent that would be refused,
// and every other byte is the client's.

import { expect, test } from 'bun:test';
import { anthropicMessages } from '../../../src/protocols/anthropic-messages/anthropic-messages.ts';
import { rewriteBody } from '../../../src/protocols/rewrite-body.ts';
import { sealSignature } from '../../../src/protocols/translation/signature-envelope.ts';
import type { JsonObject } from '../../../src/plugin/conversation.ts';
import { decode, encode } from '../recordings.ts';

function adapted(body: string): string {
  const bytes = encode(body);
  return decode(Buffer.concat(rewriteBody(bytes, anthropicMessages.adapt?.(bytes, {})?.edits ?? [])));
}

/** Undefined for a body that goes on as it came. */
const lossesOf = (body: string) => anthropicMessages.adapt?.(encode(body), {})?.losses;

const sealed = sealSignature({ protocol: 'gemini-generate', form: 'signature', value: 'gem', id: 'a' });
const thinking = (signature: string): JsonObject => ({ type: 'thinking', thinking: 'Hm', signature });
const page = (encrypted_index: string): JsonObject => ({
  type: 'web_search_result_location',
  url: 'u',
  encrypted_index,
});
const user = '{"role" : "user", "content": "Grüße, {\\"signature\\":\\"\\"}"}';
const body = (...blocks: readonly JsonObject[]): string => {
  const assistant = `{"content": [${blocks.map((each) => JSON.stringify(each)).join(' ,\n')}], "role": "assistant"}`;
  return `{"model":"m", "messages" : [${user}, ${assistant}, ${user}] , "max_tokens":9}`;
};
const text: JsonObject = { type: 'text', text: 'So "signature":""' };

test('a body without such is not touched', () => {
  for (const mine of [body(text), body(thinking('sig'), text), body({ ...text, citations: [page('E')] })]) {
    expect(lossesOf(mine)).toBeUndefined();
  }
  // It is the user's own words, or a field of another block.
  const call = { type: 'tool_use', id: 'a', name: 'f', input: { signature: '' } };
  expect(lossesOf(body(call))).toBeUndefined();
});

test("another's thinking and citations are taken out, and its own are kept", () => {
  for (const foreign of [thinking(sealed), thinking('')]) {
    const { messages }: { messages: readonly JsonObject[] } = JSON.parse(adapted(body(thinking('sig'), foreign, text)));
    expect(messages[1]).toEqual({ content: [thinking('sig'), text], role: 'assistant' });
    expect(adapted(body(foreign, text)).split('[{"role"')[0]).toBe('{"model":"m", "messages" : ');
    expect(adapted(body(foreign, text))).toEndWith(`${user}] , "max_tokens":9}`);
  }
  const { messages }: { messages: readonly JsonObject[] } = JSON.parse(
    adapted(body({ ...text, citations: [page(''), page('E')] }, { ...text, citations: [page('')] })),
  );
  expect(messages[1]?.['content']).toEqual([{ ...text, citations: [page('E')] }, text]);
});

test('what was taken out is named', () => {
  expect(lossesOf(body(thinking(sealed), text))).toEqual(['thinking-history']);
  expect(lossesOf(body(thinking(''), { ...text, citations: [page('')] }))).toEqual(['thinking-history', 'citations']);
});

test('a message that has nothing else goes, too', () => {
  expect(adapted(body(thinking(sealed)))).toBe(`{"model":"m", "messages" : [${user},${user}] , "max_tokens":9}`);
});

test('odd bodies are not touched', () => {
  for (const messages of [
    '"x"',
    '{}',
    '[]',
    '[null,3,"a"]',
    '[{"role":"assistant"}]',
    '[{"role":"assistant","content":"x"}]',
    '[{"role":"a","role":"b","content":[]}]',
  ]) {
    const odd = `{"model":"m","x":{"signature":""},"messages":${messages}}`;
    expect(adapted(odd)).toBe(odd);
  }
  expect(adapted('{"model":"m","x":{"signature":""}}')).toContain('signature');
});
