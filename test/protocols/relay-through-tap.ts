// Runs chunks through a stream tap as the relay does, and gathers what a client would see.

import { openAiChat } from '../../src/protocols/openai-chat/openai-chat.ts';
import type { Protocol, ReplyReading, StreamOptions, StreamTap } from '../../src/plugin/protocol.ts';
import { decode, encode } from './recordings.ts';

export interface Relayed {
  readonly tap: StreamTap;
  readonly reading: ReplyReading;
  /** What went out before the end of the body; at the end; and what was held. */
  readonly forwarded: string;
  readonly atEnd: string;
  readonly held: string;
  /** All three. */
  readonly whole: string;
}

export function relay(
  chunks: readonly (Uint8Array | string)[],
  options: Partial<StreamOptions> = {},
  protocol: Protocol = openAiChat,
): Relayed {
  const tap = protocol.openTap({ hideUsage: false, end: 'done', ...options });
  const out: Uint8Array[] = [];
  for (const chunk of chunks) {
    // A copy that is spoilt afterwards shows whether the tap keeps what is not its own. A Buffer is a Uint8Array whose
    // methods differ: both come from transports.
    const source = typeof chunk === 'string' ? encode(chunk) : chunk;
    const bytes = source.length % 2 === 0 ? Uint8Array.from(source) : Buffer.from(source);
    const forward = tap.push(bytes);
    if (forward !== undefined) out.push(Uint8Array.from(forward));
    bytes.fill(0x21);
  }
  const forwarded = decode(Buffer.concat(out));
  const atEnd = decode(tap.end() ?? new Uint8Array());
  const held = decode(tap.held());
  return { tap, reading: tap.reading(), forwarded, atEnd, held, whole: forwarded + atEnd + held };
}

/** One chunk of a chat stream, with content if it is given. */
export const chatEvent = (
  content: string | undefined,
  more: Readonly<Record<string, unknown>> = {},
): string =>
  `data: ${JSON.stringify({
    id: 'c1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta: content === undefined ? {} : { content }, finish_reason: null }],
    ...more,
  })}\n\n`;

export const usageEvent = (usage: unknown): string => chatEvent(undefined, { choices: [], usage });

export const doneEvent = 'data: [DONE]\n\n';
