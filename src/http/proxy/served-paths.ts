// The calls that the pipeline serves, by path. The routes are made from this, and so is the short way that the server
// takes for them without the router: a test holds that both answer alike.

import type { Protocol } from '../../plugin/protocol.ts';
import { protocolOf } from '../../protocols/protocols.ts';

/** Some clients put their own prefix before /v1: groq-sdk asks /openai/v1. */
export const prefixes = ['/v1', '/openai/v1'] as const;

export const servedPaths: ReadonlyMap<string, Protocol> = new Map(
  prefixes.flatMap((prefix): [string, Protocol][] => [
    [`${prefix}/chat/completions`, protocolOf('openai-chat')],
    [`${prefix}/completions`, protocolOf('openai-completions')],
    [`${prefix}/embeddings`, protocolOf('openai-embeddings')],
  ]),
);
