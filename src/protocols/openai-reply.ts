// Reads a complete reply that is not streamed, of any of OpenAI's three forms.

import type { ReplyReading } from '../plugin/protocol.ts';
import { ReplyScanner } from './openai-reply-scan.ts';
import type { ContentPlace } from './openai-reply-scan.ts';
import { usageOf } from './openai-usage.ts';
import { unreadable } from './reply-reading.ts';

/** A reader that is called again and again; it keeps one scanner. */
export function replyReader(place: ContentPlace): (body: Uint8Array) => ReplyReading {
  const scanner = new ReplyScanner(place);
  return (body) => {
    if (!scanner.scan(body, 0, body.length)) return unreadable;
    const { usageStart, usageEnd, finished, finishedInError, contentBytes, choicesWithContent } = scanner;
    const empty = scanner.choices <= 0 && !scanner.data;
    return {
      ...usageOf(body, usageStart, usageEnd),
      contentBytes,
      contentEvents: choicesWithContent,
      failed: (scanner.error && empty) || (finished > 0 && finished === finishedInError),
    };
  };
}
