// The audit: who changed what, as a chain in which each event carries the hash of the one before. Invariant:
// no event can be altered, removed from the middle or put in without breaking the chain; cutting off its end
// is seen by whoever keeps an earlier head. Neither secrets nor personal data enter the hashed text, so that
// erasure breaks nothing.

import type { EpochMs } from '../../core/clock.ts';
import { sha256Hex } from '../../core/secrets.ts';

/** What a domain writes about one of its own changes. */
export interface AuditEntry {
  readonly at: EpochMs;
  /** `operator:<key id>`, `user:<id>`, `system`; of a config also `signal` or `start`. */
  readonly actor: string;
  /** Noun and verb: `account.update`. One that was refused ends in `.refused`. */
  readonly action: string;
  /** The noun and its identifier: `account/acc_…`. */
  readonly target: string;
  /** The patch, as JSON, without secrets and personal data. */
  readonly change: string;
}

export interface AuditEvent extends AuditEntry {
  /** From 1, without gaps. */
  readonly seq: bigint;
  /** Hash of the event before; `auditRoot` for the first. */
  readonly prevHash: string;
  readonly hash: string;
}

/** What the first event stands on. */
export const auditRoot = '0'.repeat(64);

/**
 * Hash of an event: of all its members, in one fixed order, as a JSON list, so that no member can run into
 * the next.
 */
export function hashOf(event: Omit<AuditEvent, 'hash'>): string {
  return sha256Hex(
    JSON.stringify([
      event.prevHash,
      event.seq.toString(),
      event.at,
      event.actor,
      event.action,
      event.target,
      event.change,
    ]),
  );
}

export interface AuditHead {
  readonly seq: bigint;
  readonly hash: string;
}

/** The event that follows this head. Pure. */
export function chainAfter(head: AuditHead | undefined, entry: AuditEntry): AuditEvent {
  const event = {
    at: entry.at,
    actor: entry.actor,
    action: entry.action,
    target: entry.target,
    change: entry.change,
    seq: (head?.seq ?? 0n) + 1n,
    prevHash: head?.hash ?? auditRoot,
  };
  return { ...event, hash: hashOf(event) };
}

export type ChainCheck =
  | { readonly whole: true; readonly events: bigint; readonly head: AuditHead | undefined }
  | { readonly whole: false; readonly brokenAt: bigint; readonly because: 'gap' | 'link' | 'hash' };

/** What is wrong with an event that should follow this head, or undefined. Pure. */
export function faultOf(head: AuditHead | undefined, event: AuditEvent): 'gap' | 'link' | 'hash' | undefined {
  if (event.seq !== (head?.seq ?? 0n) + 1n) return 'gap';
  if (event.prevHash !== (head?.hash ?? auditRoot)) return 'link';
  return event.hash === hashOf(event) ? undefined : 'hash';
}

/** A patch as the audit keeps it: amounts as decimal strings, and `personal` in place of the fields named. */
export function changeText(
  patch: Readonly<Record<string, unknown>>,
  personalFields: readonly string[] = [],
): string {
  const shown = Object.entries(patch)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, personalFields.includes(name) && value !== null ? '(personal)' : value]);
  return JSON.stringify(Object.fromEntries(shown), (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
}
