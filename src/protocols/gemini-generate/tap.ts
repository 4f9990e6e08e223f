// Reads a stream of Gemini's beside its relay. Nothing says that it is over but a finish reason and the body's end: the
// first event with a finish reason is kept back, and all after it.

import { textBetween } from '../../core/byte-text.ts';
import type { ErrorCode, ErrorDetails } from '../../core/errors.ts';
import type { EventView } from '../../core/sse.ts';
import type { JsonObject } from '../../plugin/conversation.ts';
import type { ReplyReading } from '../../plugin/protocol.ts';
import { isObject, listOf, objectOf, parsedJson, stringOf } from '../json-fields.ts';
import { RelayTap } from '../relay-tap.ts';
import type { Verdict } from '../relay-tap.ts';
import { usageTextOf } from '../translation/usage-text.ts';
import { errorJson } from './error-body.ts';

const encoder = new TextEncoder();

export class GeminiTap extends RelayTap {
  private usage: JsonObject | undefined;
  /** Names of the stream's first event, for an end of ours. */
  private names: JsonObject = {};

  reading(): ReplyReading {
    const { contentBytes, contentEvents, usage } = this;
    return {
      usage,
      usageText: usage === undefined ? undefined : usageTextOf(usage),
      contentBytes,
      contentEvents,
      failed: this.fault === 'error-event' && contentEvents === 0,
    };
  }

  errorEvent(code: ErrorCode, details: ErrorDetails, requestId: string): Uint8Array {
    return encoder.encode(`data: ${errorJson(code, details, requestId)}\n\n`);
  }

  shortEnd(): Uint8Array {
    const candidates = [{ content: { parts: [{ text: '' }], role: 'model' }, finishReason: 'MAX_TOKENS', index: 0 }];
    return encoder.encode(`data: ${JSON.stringify({ candidates, ...this.names })}\n\n`);
  }

  /** Where a finish reason came, all from there on was held, and the end completes it. */
  protected completeAtEnd(): boolean {
    return false;
  }

  protected judge(view: EventView): Verdict {
    const body = parsedJson(textBetween(view.data, view.dataStart, view.dataEnd));
    if (!isObject(body)) return this.ending ? 'drop' : 'relay';
    if (isObject(body['error'])) {
      this.failWith();
      return 'relay';
    }
    if (this.names['responseId'] === undefined) {
      this.names = { modelVersion: body['modelVersion'], responseId: body['responseId'] };
    }
    const usage = body['usageMetadata'];
    if (isObject(usage) && usage['promptTokenCount'] !== undefined) this.usage = usage;
    this.count(producedBytes(body));
    return hasFinished(body) ? 'hold' : 'relay';
  }
}

function hasFinished(body: JsonObject): boolean {
  if (objectOf(body['promptFeedback'])['blockReason'] !== undefined) return true;
  return listOf(body['candidates']).some((each) => stringOf(objectOf(each)['finishReason']) !== undefined);
}

/** Bytes of text, thinking, names and arguments. */
export function producedBytes(body: JsonObject): number {
  let bytes = 0;
  for (const candidate of listOf(body['candidates'])) {
    for (const each of listOf(objectOf(objectOf(candidate)['content'])['parts'])) {
      const part = objectOf(each);
      bytes += Buffer.byteLength(stringOf(part['text']) ?? '');
      const call = part['functionCall'] ?? part['executableCode'];
      if (isObject(call)) bytes += Buffer.byteLength(JSON.stringify(call['args'] ?? call['code'] ?? {}));
      if (isObject(part['functionCall'])) bytes += Buffer.byteLength(stringOf(part['functionCall']['name']) ?? '');
    }
  }
  return bytes;
}
