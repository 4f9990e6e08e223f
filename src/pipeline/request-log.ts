// One line for each request, for operators who ask for it: who (by id), what, how it ended. Never what was said.

import type { Log } from '../core/log.ts';
import { inputTokensOf, outputTokensOf } from '../domain/measures/lanes.ts';
import type { RequestWatch } from './services.ts';

export function createRequestLog(log: Log): RequestWatch {
  return {
    settled(closing, durationMs) {
      log.info('request', {
        request: closing.requestId,
        account: closing.accountId,
        apiKey: closing.apiKeyId,
        protocol: closing.protocol,
        model: closing.model,
        upstream: closing.upstream,
        stream: closing.stream,
        status: closing.status,
        outcome: closing.outcome,
        attempts: closing.attempts.length,
        durationMs: Math.round(durationMs),
        firstByteMs: closing.firstByteMs === undefined ? undefined : Math.round(closing.firstByteMs),
        inputTokens: inputTokensOf(closing.usage),
        outputTokens: outputTokensOf(closing.usage),
        chargeNano: closing.chargeNano.toString(),
        currency: closing.terms.currency,
      });
    },
    refused({ requestId, protocol, code }) {
      log.info('request-refused', { request: requestId, protocol: protocol.name, code });
    },
  };
}
