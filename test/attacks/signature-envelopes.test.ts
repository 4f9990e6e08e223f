// A caller that forges envelopes of signatures: what is inside reaches no vendor but the one that it names, to whom the
// caller could have sent it anyway.

import { describe, expect, test } from 'bun:test';
import type { Codec } from '../../src/plugin/codec.ts';
import { protocolOf } from '../../src/protocols/protocols.ts';
import { dialectOf } from '../../src/protocols/translation/dialects.ts';
import { openSignature, sealSignature } from '../../src/protocols/translation/signature-envelope.ts';
import { conversationOf, translateRequest } from '../../src/protocols/translation/translate.ts';

const chatProtocols = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini-generate'] as const;
type ChatProtocol = (typeof chatProtocols)[number];

describe('an envelope of a signature', () => {
  const forged = (inside: unknown) => Buffer.from(`tollgate:1::${JSON.stringify(inside)}`).toString('base64');

  test('that was forged is opened to what its bearer could have sent anyway, or not at all', () => {
    for (const inside of [
      null,
      [],
      {},
      ['openai-chat'],
      ['nobody', 'signature', 'x'],
      ['__proto__', 'signature', 'x'],
      ['openai-chat', 'toString', 'x'],
      ['openai-chat', 'signature', { toString: 'x' }],
      ['openai-chat', 'signature', 7],
    ]) {
      expect(openSignature(forged(inside))).toBeUndefined();
    }
    expect(openSignature('dG9sbGdhdGU6MTo6')).toBeUndefined();
    const own = { protocol: 'gemini-generate', form: 'signature', value: 's' } as const;
    expect(openSignature(forged(['gemini-generate', 'signature', 's', { a: 1 }, 'more']))).toEqual(own);
    // One layer at a time: what is inside is a vendor's to judge.
    const nested = sealSignature({ ...own, value: sealSignature(own) });
    expect(openSignature(nested)?.value).toBe(sealSignature(own));
  });

  test('goes to no vendor but the one that it names, whatever its bearer says', () => {
    const line = { model: 'm', stream: false, framing: 'sse' } as const;
    for (const named of chatProtocols) {
      for (const target of ['openai-chat', 'openai-responses', 'gemini-generate'] as const) {
        const secret = 'c2VjcmV0LXNlY3JldA==';
        const sealed = forged([named, 'signature', secret, 'rs_1']);
        const body =
          '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[' +
          `{"type":"thinking","thinking":"t","signature":"${sealed}"},{"type":"text","text":"y"}]},` +
          '{"role":"user","content":"z"}]}';
        const conversation = conversationOf(codecOf('anthropic-messages'), Buffer.from(body), line);
        const sent = translateRequest(codecOf(target), target, conversation, {
          model: 'up',
          stream: false,
          outputTokensMax: 1_000,
          askUsage: false,
          dialect: dialectOf(target, undefined),
        }).body;
        if (named !== target) expect([named, target, sent.includes(secret)]).toEqual([named, target, false]);
        expect(sent).not.toContain(sealed);
      }
    }
  });
});

function codecOf(name: ChatProtocol): Codec {
  const { codec } = protocolOf(name);
  if (codec === undefined) throw new Error(`${name} has no codec`);
  return codec;
}
