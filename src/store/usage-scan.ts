// The facts of a usage record from its beginning alone, as its one writer puts it down: parsing the whole kilobyte
// costs several times as much. What does not match is left to the parser: an escape in a text, a second attempt, a
// number beyond fifteen digits, a record of an older writer. No text with a quote can match, so none passes for a key.

import { isInputPart, isOutputPart, type UpstreamCost, type UsageFacts } from './usage-facts.ts';

/** Where the facts of all but the oddest records end, in bytes. */
export const factsWithin = 768;

const TEXT = '([^"\\\\]*)';
const WHOLE = '(\\d{1,15})';
const anyText = '"[^"\\\\]*"';
const anyNumber = '[-+.\\de]+';

const attempt = `\\{"upstream":"${TEXT}","provider":${anyText},"model":${anyText},"startedAt":${anyNumber}`
  + `,"durationMs":${anyNumber}(?:,"status":${anyNumber})?(?:,"fault":${anyText})?(?:,"costNano":"${WHOLE}")?`
  + `(?:,"costCurrency":"${TEXT}")?\\}`;

const FACTS = new RegExp(
  `^\\{"requestId":"${TEXT}","accountId":"${TEXT}","apiKeyId":"${TEXT}","admittedAt":${WHOLE},"endedAt":${WHOLE}`
    + `,"model":"${TEXT}","stream":(true|false),"status":${WHOLE},"outcome":"${TEXT}","heldNano":"${WHOLE}"`
    + `,"chargeNano":"${WHOLE}","lossNano":"${WHOLE}"(?:,"upstream":"${TEXT}")?,"attempts":\\[(?:${attempt})?\\]`
    + `,"usage":\\{((?:"[A-Za-z0-9]+":\\d{1,15},?)*)\\},"terms":\\{"currency":"${TEXT}"`,
);

const noCosts: readonly UpstreamCost[] = [];

/** `text`: a record, or its first `factsWithin` bytes. Undefined: the parser must look at all of it. */
export function scanUsageFacts(text: string): UsageFacts | undefined {
  const found = FACTS.exec(text);
  if (found === null) return undefined;
  const [
    , requestId = '', accountId = '', apiKeyId = '', admittedAt, endedAt, model = '', stream, status, outcome = '',
    heldNano, chargeNano, lossNano, upstream, attemptUpstream, costNano, costCurrency, usage = '', currency = '',
  ] = found;
  let costs = noCosts;
  if (attemptUpstream !== undefined && costNano !== undefined && costCurrency !== undefined && Number(costNano) > 0) {
    costs = [{ upstream: attemptUpstream, currency: costCurrency, costNano: Number(costNano) }];
  }
  const { inputTokens, outputTokens } = tokensOf(usage);
  return {
    requestId, accountId, apiKeyId, admittedAt: Number(admittedAt), endedAt: Number(endedAt), model, upstream,
    stream: stream === 'true', status: Number(status), outcome, inputTokens, outputTokens, currency,
    heldNano: Number(heldNano), chargeNano: Number(chargeNano), lossNano: Number(lossNano), costs,
  };
}

/** Of what stands between the braces of `usage`. Six parts of fifteen digits are exact together. */
function tokensOf(usage: string): { readonly inputTokens: number; readonly outputTokens: number } {
  let inputTokens = 0;
  let outputTokens = 0;
  for (let at = 0; at < usage.length;) {
    const colon = usage.indexOf(':', at);
    const comma = usage.indexOf(',', colon);
    const end = comma < 0 ? usage.length : comma;
    const part = usage.slice(at + 1, colon - 1);
    const count = Number(usage.slice(colon + 1, end));
    if (isInputPart(part)) inputTokens += count;
    else if (isOutputPart(part)) outputTokens += count;
    at = end + 1;
  }
  return { inputTokens, outputTokens };
}
