// Whether a reply is the right one, whole: a figure that counts broken replies measures nothing.

import type { Reply } from './connection.ts';
import { PROMPT_TOKENS, REPLY_END, REPLY_TOKENS } from './mock-replies.ts';

/** What a stream of this script must bring, in this order. The first chunk carries the nonce in their place. */
export function tokensOf(script: string): readonly string[] {
  const chunks = Number(/c(\d+)/.exec(script)?.[1] ?? 50);
  return Array.from({ length: chunks - 1 }, (_, at) => `"content":" tok${at + 1}"`);
}

/** What is wrong with a reply, if anything is. `tokens` are what a stream must bring; a plain reply has none. */
export function faultOf(
  reply: Pick<Reply, 'status' | 'body'>,
  nonce: string,
  tokens: readonly string[] | undefined,
): string | undefined {
  const { body } = reply;
  if (reply.status !== 200) return `status ${reply.status}`;
  if (!body.includes(nonce)) return 'nonce of another request';
  if (tokens === undefined) {
    if (!body.includes(REPLY_END)) return 'content cut';
    return body.includes(`"total_tokens":${PROMPT_TOKENS + REPLY_TOKENS}`) && body.endsWith('}')
      ? undefined
      : 'no usage';
  }
  let at = 0;
  for (const token of tokens) {
    const found = body.indexOf(token, at);
    if (found < 0) return `lost or out of order: ${token}`;
    at = found + token.length;
  }
  if (body.includes('"content":" tok', at)) return 'a token too many';
  if (!body.includes(`"total_tokens":${PROMPT_TOKENS + tokens.length + 1}`, at)) return 'no usage';
  return body.trimEnd().endsWith('data: [DONE]') ? undefined : 'no [DONE] at the end';
}
