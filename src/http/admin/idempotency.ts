// Repeating a POST with the same `Idempotency-Key` gives the first answer again and does nothing twice. Secrets
// that were shown once are not in the stored answer. Movements of money do not pass here: the ledger keeps
// their keys durably.

import type { Clock } from '../../core/clock.ts';
import { TollgateError } from '../../core/errors.ts';
import { checkKeyFormat, sha256Hex } from '../../core/secrets.ts';

export const idempotencyHeader = 'idempotency-key';

export interface StoredReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

export type IdempotencyClaim =
  /** This request is the first with its key: it must be finished or abandoned. */
  | { readonly state: 'claimed' }
  | { readonly state: 'done'; readonly reply: StoredReply }
  | { readonly state: 'in-flight' }
  | { readonly state: 'mismatch' };

/** Keys are shared by all operator keys, so that a repetition after a key was rotated does nothing twice either. */
export interface IdempotencyStore {
  claim(key: string, inputSha256: string): Promise<IdempotencyClaim>;
  finish(key: string, reply: StoredReply): Promise<void>;
  /** Nothing was done: the key may be used again. */
  abandon(key: string): Promise<void>;
}

/** How long an answer can be asked for again. */
const KEPT_MS = 24 * 3_600_000;
/** Answers that are kept at a time; the oldest is forgotten first. */
const KEPT_MAX = 10_000;

/** Kept in this process: a restart forgets the keys of everything that is not money. */
export function memoryIdempotencyStore(clock: Clock): IdempotencyStore {
  const entries = new Map<
    string,
    { readonly inputSha256: string; readonly since: number; reply: StoredReply | undefined }
  >();
  return {
    claim: async (key, inputSha256) => {
      const known = entries.get(key);
      if (known !== undefined && (known.reply === undefined || clock.monotonicMs() - known.since < KEPT_MS)) {
        if (known.inputSha256 !== inputSha256) return { state: 'mismatch' };
        return known.reply === undefined ? { state: 'in-flight' } : { state: 'done', reply: known.reply };
      }
      entries.delete(key);
      entries.set(key, { inputSha256, since: clock.monotonicMs(), reply: undefined });
      if (entries.size > KEPT_MAX) forgetOldest(entries);
      return { state: 'claimed' };
    },
    finish: async (key, reply) => {
      const entry = entries.get(key);
      if (entry !== undefined) entry.reply = reply;
    },
    abandon: async (key) => {
      entries.delete(key);
    },
  };
}

/** Only what is answered: a request that still runs keeps its key. */
function forgetOldest(entries: Map<string, { readonly reply: StoredReply | undefined }>): void {
  for (const [key, entry] of entries) {
    if (entry.reply === undefined) continue;
    entries.delete(key);
    return;
  }
}

/** Reads the key; undefined without one. Printable, short, sent once. */
export function idempotencyKeyOf(headers: Headers): string | undefined {
  const key = headers.get(idempotencyHeader);
  if (key === null) return undefined;
  if (/^[\x21-\x2b\x2d-\x7e]{1,200}$/.test(key)) return key;
  throw new TollgateError('invalid_request', {
    message: 'idempotency-key: must be 1 to 200 printable ASCII characters without spaces and commas, sent once.',
    field: idempotencyHeader,
  });
}

const inputs = new WeakMap<Request, string>();

/** SHA-256 of method, path, query and body: what has to be equal for a repetition to be one. */
export function rememberInput(request: Request, body: Uint8Array): void {
  const head = `${request.method} ${request.url.slice(request.url.indexOf('/', 8))}\n`;
  inputs.set(request, sha256Hex(Buffer.concat([Buffer.from(head), body])));
}

export function inputSha256Of(request: Request): string {
  const known = inputs.get(request);
  if (known !== undefined) return known;
  rememberInput(request, new Uint8Array(0));
  return inputs.get(request) ?? '';
}

/** The answer as it may be kept: keys that were shown in it once become null. */
export function withoutSecrets(value: unknown): unknown {
  if (typeof value === 'string') return checkKeyFormat(value) === undefined ? value : null;
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withoutSecrets(member)]));
}

/** Refuses a key that cannot be used now. Returns the stored answer of one that was, undefined for a new one. */
export async function claimKey(
  store: IdempotencyStore,
  key: string,
  inputSha256: string,
): Promise<StoredReply | undefined> {
  const claim = await store.claim(key, inputSha256);
  switch (claim.state) {
    case 'claimed':
      return undefined;
    case 'done':
      return claim.reply;
    case 'in-flight':
      throw new TollgateError('conflict', {
        message: 'idempotency-key: a request with this key is still running; ask again when it has ended.',
        field: idempotencyHeader,
      });
    case 'mismatch':
      throw mismatch();
  }
}

export const mismatch = () =>
  new TollgateError('idempotency_mismatch', {
    message: 'idempotency-key: was used for another request; use a new key for a new request.',
    field: idempotencyHeader,
  });
