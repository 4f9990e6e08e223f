// Where a call goes and with which headers, asked of the provider once for each combination and kept; and what of the
// client's headers goes along.

import { bounds } from '../core/bounds.ts';
import type { Offer } from '../domain/catalog/catalog.ts';
import type { ProtocolName } from '../plugin/operations.ts';
import type { Protocol, RequestFacts } from '../plugin/protocol.ts';
import type { UpstreamAddressing, UpstreamCall } from '../plugin/provider.ts';
import { hopsHeader } from './receive.ts';

export interface CachedAddressing {
  readonly target: { readonly url: URL; readonly addresses: 'public' | 'any' };
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly headersWithoutHops: readonly (readonly [string, string])[];
}

/** Providers answer once for each combination; the catalog makes new offers when anything about an upstream changes. */
const addressings = new WeakMap<Offer, Map<string, CachedAddressing>>();

const streamed: Readonly<Record<ProtocolName, string>> = {
  'openai-chat': 'openai-chat stream',
  'openai-responses': 'openai-responses stream',
  'anthropic-messages': 'anthropic-messages stream',
  'gemini-generate': 'gemini-generate stream',
  'openai-completions': 'openai-completions stream',
  'openai-embeddings': 'openai-embeddings stream',
};

export function addressingOf(
  offer: Offer,
  { operation, name: protocol }: Pick<Protocol, 'operation' | 'name'>,
  { stream, framing }: Pick<RequestFacts, 'stream' | 'framing'>,
  credential: string | undefined,
): CachedAddressing {
  let known = addressings.get(offer);
  if (known === undefined) addressings.set(offer, (known = new Map()));
  const array = framing === 'json-array';
  const key = array ? `${protocol} array` : stream ? streamed[protocol] : protocol;
  let cached = known.get(key);
  if (cached === undefined) {
    const call: UpstreamCall = { operation, protocol, model: offer.model, stream };
    cached = resolveAddressing(
      offer,
      offer.upstream.provider.address(array ? { ...call, framing } : call, credential),
      stream && !array,
    );
    known.set(key, cached);
  }
  return cached;
}

export function resolveAddressing(offer: Offer, addressing: UpstreamAddressing, stream: boolean): CachedAddressing {
  const { baseUrl, addresses } = offer.upstream;
  const base = baseUrl.pathname.replace(/\/+$/, '');
  const headersWithoutHops = [
    ...addressing.headers,
    ['content-type', 'application/json'] as const,
    ['accept', stream ? 'text/event-stream' : 'application/json'] as const,
    ['accept-encoding', 'identity'] as const,
    ['user-agent', 'tollgate'] as const,
  ];
  return {
    target: { url: baseUrl, addresses },
    path: `${base}${addressing.path}${addressing.query === '' ? '' : `?${addressing.query}`}`,
    headers: [...headersWithoutHops, [hopsHeader, '1'] as const],
    headersWithoutHops,
  };
}

/**
 * Headers of the protocol itself that go on to an upstream of the same protocol. Credentials and all else stay here.
 */
export function relayedHeaders(
  headers: Headers,
  names: readonly string[],
): readonly (readonly [name: string, value: string])[] {
  let relayed: (readonly [string, string])[] | undefined;
  for (const name of names) {
    const value = headers.get(name);
    if (value !== null && value.length <= bounds.headerLength) (relayed ??= []).push([name, value]);
  }
  return relayed ?? noHeaders;
}

/** A call's headers with those that it has of its own, which replace what the provider says where it is not told. */
export function withOwnHeaders(
  { headersWithoutHops }: CachedAddressing,
  own: readonly (readonly [name: string, value: string])[],
  hops: number,
): readonly (readonly [name: string, value: string])[] {
  const kept =
    own.length === 0 ? headersWithoutHops : headersWithoutHops.filter(([name]) => !own.some(([each]) => each === name));
  return [...kept, ...own, [hopsHeader, String(hops + 1)]];
}

export const noHeaders: readonly (readonly [string, string])[] = [];

/** Seconds or a date, as RFC 9110 section 10.2.3 has it. Undefined when absent or unreadable. */
export function retryAfterOf(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text.trim())) return Number(text) * 1000;
  // Date.parse makes a date of almost anything, `-5` included: only what begins with a day's name is one here.
  const at = /^\s*[A-Z][a-z]{2,8}, /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}
