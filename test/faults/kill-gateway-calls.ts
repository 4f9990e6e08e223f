// One call of a client, and what the client saw of it. The usage that each call will cause is known before it is sent,
// so that a charge can be computed here from the price alone, and told from every other call of its round.

import builtIn from '../../plugins/gateway.config.ts';
import type { Chance } from '../../src/core/clock.ts';

export interface Tokens {
  readonly input: number;
  /** Part of the input. */
  readonly cached: number;
  readonly output: number;
}

/** `whole`: answered to the end. `refused`: the upstream says 400. `cut`: the upstream breaks off in the middle. */
export type UpstreamEnding = 'whole' | 'refused' | 'cut';

export interface Call {
  readonly accountId: string;
  readonly apiKeyId: string;
  readonly apiKey: string;
  readonly path: string;
  readonly model: string;
  readonly stream: boolean;
  readonly body: string;
  readonly tokens: Tokens;
  readonly ending: UpstreamEnding;
  /** The client leaves: so many milliseconds after it sent, or at the first byte of the body. */
  readonly leaves: number | 'at-first-byte' | undefined;
  /** What the client saw; filled in as it happens. */
  status: number | undefined;
  requestId: string | undefined;
  complete: boolean;
  text: string;
}

const configured = new Map(builtIn.models.map((model) => [model.name, model.price]));

/** The price times the tokens in nano-units, rounded up once. Written anew here: the gateway's own must agree. */
export function chargeOf(model: string, tokens: Tokens): bigint {
  const price = configured.get(model);
  if (price === undefined || !('rates' in price)) throw new Error(`${model} has no one price in the default config`);
  const { input = 0n, cacheRead = 0n, output = 0n } = price.rates;
  const pico = BigInt(tokens.input - tokens.cached) * input + BigInt(tokens.cached) * cacheRead
    + BigInt(tokens.output) * output;
  return (pico + 999n) / 1000n + (price.perCallNano ?? 0n);
}

export interface KnownKey {
  readonly accountId: string;
  readonly apiKeyId: string;
  readonly apiKey: string;
  /** Its account has little money: its calls say how long the reply may be. */
  readonly tight: boolean;
}

interface Draft {
  readonly path: string;
  readonly model: string;
  readonly stream: boolean;
  readonly text: string;
  readonly output: number;
  readonly cached: number;
  readonly limit: number | undefined;
  readonly ending: UpstreamEnding;
}

const within = (chance: Chance, from: number, to: number): number => from + Math.floor(chance() * (to - from + 1));

/** `serial` makes the input of each call of a round another one: four bytes of text are a token. */
function draftCall(chance: Chance, serial: number, tight: boolean): Draft {
  const filler = 'abcd'.repeat(serial);
  const output = within(chance, 1, 12);
  const limit = tight || chance() < 0.7 ? output : undefined;
  const dice = chance();
  const stream = chance() < 0.5;
  const base = { path: 'chat/completions', stream, output, limit, ending: 'whole', cached: 0 } as const;
  if (dice < 0.4) {
    const cached = chance() < 0.3 ? 5 : 0;
    return { ...base, model: 'sim/fast', text: `[[sim: chunks=${output} cached=${cached}]]${filler}`, cached };
  }
  if (dice < 0.5) return { ...base, stream: true, model: 'sim/echo', text: `[[sim: chunks=${output}]]${filler}` };
  if (dice < 0.58) {
    return { ...base, path: 'completions', model: 'sim/fast', text: `[[sim: chunks=${output} delay=4]]${filler}` };
  }
  if (dice < 0.65) return { ...base, path: 'embeddings', model: 'sim/embed', stream: false, text: filler, output: 0 };
  if (dice < 0.655 && !tight) {
    // Long enough for the hold to be extended on the way.
    const long = { stream: true, output: 3_600, limit: undefined };
    return { ...base, ...long, model: 'sim/fast', text: `[[sim: chunks=3600]]${filler}` };
  }
  if (dice < 0.69) return { ...base, model: 'gpt-4o-mini', text: `refuse ${filler}`, output: 0, ending: 'refused' };
  if (dice < 0.72) {
    const eight = { stream: true, output: 8, limit: 8 };
    return { ...base, ...eight, model: 'gpt-4o-mini', text: `cut 8 gap 3 ${filler}`, ending: 'cut' };
  }
  return { ...base, model: 'gpt-4o-mini', text: `give ${output} gap ${within(chance, 0, 6)} ${filler}` };
}

function bodyOf(draft: Draft, wantsUsage: boolean): string {
  const { model, stream, text, limit } = draft;
  const given = draft.path === 'embeddings' ? { input: text }
    : draft.path === 'completions' ? { prompt: text } : { messages: [{ role: 'user', content: text }] };
  return JSON.stringify({
    model, ...given,
    ...(limit === undefined || draft.path === 'embeddings' ? {} : { max_tokens: limit }),
    ...(stream ? { stream, ...(wantsUsage ? { stream_options: { include_usage: true } } : {}) } : {}),
  });
}

export function makeCall(chance: Chance, serial: number, key: KnownKey): Call {
  const draft = draftCall(chance, serial, key.tight);
  const leaves = chance() < 0.08 ? (chance() < 0.5 ? 'at-first-byte' : within(chance, 0, 8)) : undefined;
  const input = Math.ceil(draft.text.length / 4);
  return {
    accountId: key.accountId, apiKeyId: key.apiKeyId, apiKey: key.apiKey,
    path: draft.path, model: draft.model, stream: draft.stream, body: bodyOf(draft, chance() < 0.6),
    tokens: { input, cached: Math.min(draft.cached, input), output: draft.output },
    ending: draft.ending, leaves, status: undefined, requestId: undefined, complete: false, text: '',
  };
}

export interface CallEvents {
  /** The first byte of a stream's body. */
  firstByte(): void;
  /** A reply that is complete to the client. */
  complete(): void;
}

/** Sends the call and notes what comes, until its end, until the client leaves or until the gateway is dead. */
export async function sendCall(origin: string, call: Call, events: CallEvents): Promise<void> {
  const leaving = new AbortController();
  const timer = typeof call.leaves === 'number' ? setTimeout(() => leaving.abort(), call.leaves) : undefined;
  try {
    const response = await fetch(`${origin}/v1/${call.path}`, {
      method: 'POST', body: call.body, signal: leaving.signal,
      headers: { authorization: `Bearer ${call.apiKey}`, 'content-type': 'application/json' },
    });
    call.status = response.status;
    call.requestId = response.headers.get('x-request-id') ?? undefined;
    if (call.stream && response.status === 200) await readStream(response, call, leaving, events);
    else {
      call.text = await response.text();
      call.complete = response.status === 200;
    }
    if (call.complete) events.complete();
  } catch {
    // The gateway is dead, or the client has left: what had been seen by then is noted.
  } finally {
    clearTimeout(timer);
  }
}

async function readStream(
  response: Response, call: Call, leaving: AbortController, events: CallEvents,
): Promise<void> {
  if (response.body === null) return;
  for await (const chunk of response.body) {
    if (call.text === '') events.firstByte();
    call.text += Buffer.from(chunk).toString();
    if (/^data: \[DONE\]$/m.test(call.text.slice(-64))) call.complete = true;
    else if (call.leaves === 'at-first-byte') return leaving.abort();
  }
}

const countOf = (text: string, name: string): number => Number(new RegExp(`"${name}":(\\d+)`).exec(text)?.[1] ?? 0);

/** The usage that a complete reply stated; undefined for a stream that was not asked for it. */
export function statedTokens(call: Call): Tokens | undefined {
  const at = call.text.lastIndexOf('"usage":{');
  if (at < 0) return undefined;
  const usage = call.text.slice(at);
  return {
    input: countOf(usage, 'prompt_tokens'),
    cached: countOf(usage, 'cached_tokens'),
    output: countOf(usage, 'completion_tokens'),
  };
}
