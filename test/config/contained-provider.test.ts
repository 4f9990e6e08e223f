// What a provider from outside may leave out is taken over where it has it, and taken for left out where its answer is
// none: it cost such a provider its own counts and kept replies once, that only what it must have was.

import { expect, test } from 'bun:test';
import { contained } from '../../src/config/contain.ts';
import type { Provider } from '../../src/plugin/provider.ts';
import { anthropic, azureOpenAi } from '../../plugins/index.ts';

const outside = (more: object = {}): Provider => {
  const entry = anthropic();
  return contained('provider', Object.assign(entry.create(entry.options), more));
};
const call = { operation: 'chat', protocol: 'anthropic-messages', model: 'claude-opus-4-5', stream: false } as const;

test('a provider from outside keeps what it may leave out, and gains nothing', () => {
  const entry = anthropic();
  const inside = entry.create(entry.options);
  const provider = outside();
  expect(provider.countTokens?.(call, 'k')).toEqual(inside.countTokens?.(call, 'k'));
  expect(provider.countTokens?.({ ...call, protocol: 'openai-chat' }, 'k')).toBeUndefined();
  expect(provider.dialect?.(call.model, call.protocol)).toEqual({ thinking: 'budget' });
  expect(provider.storedReplyPath).toBeUndefined();
  expect(provider.explain).toBeUndefined();
  const azure = azureOpenAi({ apiVersion: '2025-03-01-preview' });
  expect(contained('provider', azure.create(azure.options)).storedReplyPath?.('a/b')).toBe('/responses/a%2Fb');
});

test.each([
  ['is no address', () => ({ path: 'https://elsewhere.example/', query: '', headers: [] })],
  ['climbs', () => ({ path: '/a/../b', query: '', headers: [] })],
  ['owns the host', () => ({ path: '/count', query: '', headers: [['host', 'elsewhere.example']] })],
  ['is nothing', () => null],
  [
    'is a throw',
    () => {
      throw new Error('down');
    },
  ],
])('a place to count that %s is none', (_what, countTokens) => {
  expect(outside({ countTokens }).countTokens?.(call, 'k')).toBeUndefined();
});

const noDialects = [{ thinking: 'hard' }, { sampling: 1 }, { efforts: [] }, { efforts: ['deep'] }, 7, undefined];
test.each(noDialects)('a dialect of %p does not differ', (answer) => {
  expect(outside({ dialect: () => answer }).dialect?.(call.model, call.protocol)).toEqual({});
});

test.each(['//elsewhere.example', '/responses/..', '/responses/a?b=c', 'responses', 7])(
  'a kept reply is not at %p',
  (path) => {
    expect(() => outside({ storedReplyPath: () => path }).storedReplyPath?.('a')).toThrow('storedReplyPath answered');
  },
);
