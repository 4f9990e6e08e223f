// What two processes say to each other while one takes over from the other. They may be of different versions: what is
// here changes only together with PROTOCOL, and a closing travels in the form in which journals keep it.

import { isId, type RequestId } from '../../core/ids.ts';

export const PROTOCOL = 1;

/** From the process that takes over. */
export type FromSuccessor =
  | { readonly kind: 'hello'; readonly protocol: number; readonly version: string }
  /** The config and what else can be looked at is fine. */
  | { readonly kind: 'ready' }
  /** It owns the books, listens, and takes requests on at this loopback port. */
  | { readonly kind: 'serving'; readonly entrancePort: number }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'closed'; readonly call: number; readonly lossNano: string | null }
  | { readonly kind: 'extended'; readonly call: number; readonly carried: boolean }
  | { readonly kind: 'refused'; readonly call: number; readonly message: string }
  /** It was told to stop: whatever still runs here should end. */
  | { readonly kind: 'stop' };

/** From the process that goes. */
export type FromPredecessor =
  /** `port` is the one it listens on; `secret` is what its relayed requests show. */
  | { readonly kind: 'plan'; readonly port: number; readonly secret: string }
  /** The data folder is free; these requests' holds stay theirs. */
  | { readonly kind: 'yours'; readonly adopted: readonly RequestId[] }
  | { readonly kind: 'close'; readonly call: number; readonly record: string }
  | { readonly kind: 'extend'; readonly call: number; readonly requestId: RequestId; readonly byNano: string }
  | { readonly kind: 'port-free' };

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value);
const isAmount = (value: unknown): value is string => typeof value === 'string' && /^\d{1,20}$/.test(value);

/** Undefined for what is no such message: another version may say more than this one knows. */
export function readFromSuccessor(value: unknown): FromSuccessor | undefined {
  if (!isFields(value)) return undefined;
  const { kind, protocol, version, entrancePort, message, call, lossNano, carried } = value;
  if (kind === 'ready' || kind === 'stop') return { kind };
  if (kind === 'hello' && isCount(protocol) && typeof version === 'string') return { kind, protocol, version };
  if (kind === 'serving' && isCount(entrancePort)) return { kind, entrancePort };
  if (kind === 'failed' && typeof message === 'string') return { kind, message };
  if (!isCount(call)) return undefined;
  if (kind === 'closed' && (lossNano === null || isAmount(lossNano))) return { kind, call, lossNano };
  if (kind === 'extended' && typeof carried === 'boolean') return { kind, call, carried };
  if (kind === 'refused' && typeof message === 'string') return { kind, call, message };
  return undefined;
}

const isRequestId = (value: unknown): value is RequestId => typeof value === 'string' && isId('req', value);

export function readFromPredecessor(value: unknown): FromPredecessor | undefined {
  if (!isFields(value)) return undefined;
  const { kind, port, secret, adopted, call, record, requestId, byNano } = value;
  if (kind === 'port-free') return { kind };
  if (kind === 'plan' && isCount(port) && typeof secret === 'string') return { kind, port, secret };
  if (kind === 'yours' && Array.isArray(adopted) && adopted.every(isRequestId)) return { kind, adopted };
  if (!isCount(call)) return undefined;
  if (kind === 'close' && typeof record === 'string') return { kind, call, record };
  if (kind === 'extend' && isRequestId(requestId) && isAmount(byNano)) return { kind, call, requestId, byNano };
  return undefined;
}
