// What may become of accounts, memberships, groups and keys: pure decisions over what is there. Their callers
// apply them.

import type { EpochMs } from '../../core/clock.ts';
import type { UserId } from '../../core/ids.ts';
import { formatNano } from '../../core/money.ts';
import type { Balance } from '../ledger/ledger.ts';
import { isLive } from './account-directory.ts';
import { conflict } from './accounts-context.ts';
import type { Account, ApiKey, Group } from './accounts.ts';
import type { Role } from './changes.ts';

export type Ruling = { readonly allowed: true } | { readonly allowed: false; readonly because: string };

const allowed: Ruling = { allowed: true };
const refused = (because: string): Ruling => ({ allowed: false, because });

/** Throws the refusal as a conflict. */
export function requireRuling(ruling: Ruling, field?: string): void {
  if (!ruling.allowed) throw conflict(ruling.because, field);
}

/**
 * An account is closed out of suspension, so that no request is under way that could still charge it, and
 * with nothing left on it: money must not be lost in a closed account, nor a debt forgotten. Closed is the
 * end.
 */
export function ruleStatus(account: Account, to: Account['status'], balance: Balance | undefined): Ruling {
  if (account.status === to) return allowed;
  if (account.status === 'closed') return refused('the account is closed for good; open another one');
  if (to !== 'closed') return allowed;
  if (account.status !== 'suspended')
    return refused('suspend the account first, so that no request can charge it while it is closed');
  if (balance === undefined) return allowed;
  if (balance.heldNano !== 0n)
    return refused('requests still hold money of the account; wait until they have ended');
  if (balance.postedNano !== 0n) {
    return refused(
      `its balance is ${formatNano(balance.postedNano, balance.currency)}; settle it to zero first`,
    );
  }
  return allowed;
}

/** Role of one user in an account after the change; undefined: no member any more. */
export function ruleMembership(owners: readonly string[], userId: UserId, role: Role | undefined): Ruling {
  const lastOwner = owners.length === 1 && owners[0] === userId;
  if (!lastOwner || role === 'owner') return allowed;
  return refused('the user is the last owner of the account; make somebody else an owner first');
}

export function ruleGroupChange(group: Group): Ruling {
  return group.source === 'admin'
    ? allowed
    : refused(`the group ${group.name} is declared in the config file, which alone can change it`);
}

export function ruleGroupRemoval(
  group: Group,
  use: { readonly accounts: bigint; readonly keys: bigint },
): Ruling {
  const change = ruleGroupChange(group);
  if (!change.allowed) return change;
  const { accounts, keys } = use;
  return accounts === 0n && keys === 0n
    ? allowed
    : refused(
        `the group is in use by ${accounts} accounts and ${keys} API keys; give them another group first`,
      );
}

export type Rotation =
  | { readonly allowed: true; /** From then on the old key is refused. */ readonly oldExpiresAt: EpochMs }
  | { readonly allowed: false; readonly because: string };

/** A key is replaced once; its own end, if it comes earlier, is not put off by the overlap. */
export function ruleRotation(
  key: ApiKey,
  successor: string | undefined,
  now: EpochMs,
  overlapSeconds: number,
): Rotation {
  if (!isLive(key, now))
    return { allowed: false, because: 'the key is deleted or expired; create another one' };
  if (successor !== undefined)
    return { allowed: false, because: `the key was replaced by ${successor} already; rotate that one` };
  const overlapEnd = now + overlapSeconds * 1_000;
  return { allowed: true, oldExpiresAt: Math.min(overlapEnd, key.expiresAt ?? overlapEnd) };
}
