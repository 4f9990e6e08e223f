// Ids of tool calls in the alphabet that a target takes. The same id always becomes the same, so that a call and its
// result meet again, in this request and in the next, without anything being remembered.

import type { Dialect } from '../../plugin/codec.ts';

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** `[a-zA-Z0-9]{9}`, as Mistral demands. */
const nine = /^[a-zA-Z0-9]{9}$/;
/** OpenAI's chat: "string too long" beyond. */
const chatIdMax = 40;
/** What Anthropic takes; OpenAI's clients send nothing else. */
const plain = /^[a-zA-Z0-9_-]{1,64}$/;

export function mappedCallId(id: string, alphabet: Dialect['toolIds'] | 'plain'): string {
  switch (alphabet) {
    case 'any':
      return id.length <= chatIdMax ? id : `call_${digest(id, 24)}`;
    case 'plain':
      return plain.test(id) ? id : `call_${digest(id, 24)}`;
    case 'nine-alphanumeric':
      return nine.test(id) ? id : digest(id, 9);
  }
}

/** Letters out of a SHA-256: two ids of one request meet by chance once in 10^16 for nine letters. */
export function digest(id: string, length: number): string {
  const hash = new Bun.CryptoHasher('sha256').update(id).digest();
  let text = '';
  for (let i = 0; i < length; i++) text += letters[(hash[i] ?? 0) % letters.length];
  return text;
}
