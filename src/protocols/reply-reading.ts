// What the pipeline is told of a reply by a protocol that parses its usage block.

import type { JsonValue } from '../plugin/conversation.ts';
import type { ReplyReading } from '../plugin/protocol.ts';

/** Of the usage record's text, where the block was not kept as the upstream wrote it. */
const usageTextLength = 4 * 1024;

/** Of a body that is none of the protocol's. */
export const unreadable: ReplyReading = {
  usage: undefined,
  usageText: undefined,
  contentBytes: 0,
  contentEvents: 0,
  failed: false,
};

export function readingOf(
  usage: JsonValue | undefined,
  contentBytes: number,
  contentEvents: number,
  failed: boolean,
): ReplyReading {
  const usageText = usage === undefined ? undefined : JSON.stringify(usage).slice(0, usageTextLength);
  return { usage, usageText, contentBytes, contentEvents, failed };
}
