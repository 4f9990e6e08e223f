// Whether what an upstream sent with a 2xx is an answer at all.

import type { ReplyReading } from '../plugin/protocol.ts';
import type { UpstreamHeaders } from './transport/transport.ts';

/**
 * A reply whose reading says nothing must at least be a JSON object with something in it: cut and empty ones are not.
 */
export function isAnswer(reading: ReplyReading, body: Uint8Array): boolean {
  if (reading.failed) return false;
  if (reading.usage !== undefined || reading.contentEvents > 0) return true;
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(body));
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) && Object.keys(parsed).length > 0;
  } catch {
    return false;
  }
}

export function isEncoded(headers: Pick<UpstreamHeaders, 'get'>): boolean {
  const encoding = headers.get('content-encoding');
  return encoding !== undefined && encoding !== '' && encoding.toLowerCase() !== 'identity';
}
