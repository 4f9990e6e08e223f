// Users and their memberships. Invariant: an account that has an owner keeps at least one; whoever would take
// the last one away is refused, and the attempt is written down.

import type { AccountId, UserId } from '../../core/ids.ts';
import { changeText } from '../audit/audit.ts';
import { accountBounds } from './account-bounds.ts';
import { requireRuling, ruleMembership } from './account-rules.ts';
import type { User } from './accounts.ts';
import { conflict, notFound } from './accounts-context.ts';
import type { AccountsContext } from './accounts-context.ts';
import { isEmptyPatch } from './changes.ts';
import type { NewUser, Role, UserPatch } from './changes.ts';
import { checkEmail, checkName } from './input-rules.ts';
import type { UserQuery } from './users-store.ts';

export interface UsersService {
  create(actor: string, input: NewUser): Promise<User>;
  get(id: UserId): Promise<User | undefined>;
  /** Newest first. */
  list(query: UserQuery): Promise<readonly User[]>;
  update(actor: string, id: UserId, patch: UserPatch): Promise<User>;
  /** Makes the user a member of the account with that role, or changes the role. */
  setRole(actor: string, id: UserId, accountId: AccountId, role: Role): Promise<User>;
  /** Removing a user who is no member changes nothing. API keys stay: they belong to the account. */
  removeMember(actor: string, id: UserId, accountId: AccountId): Promise<User>;
}

const personalFields = ['name', 'email'];

export function createUsersService(context: AccountsContext): UsersService {
  const { turn, users } = context;
  return {
    create: (actor, input) => turn(() => createUser(context, actor, input)),
    get: (id) => users.get(id),
    list: (query) => users.list(query),
    update: (actor, id, patch) => turn(() => updateUser(context, actor, id, patch)),
    setRole: (actor, id, accountId, role) =>
      turn(() => changeMembership(context, actor, id, accountId, role)),
    removeMember: (actor, id, accountId) =>
      turn(() => changeMembership(context, actor, id, accountId, undefined)),
  };
}

async function createUser(context: AccountsContext, actor: string, input: NewUser): Promise<User> {
  checkName('name', input.name);
  const user: User = {
    id: context.newId('usr'),
    name: input.name,
    email: input.email ?? undefined,
    createdAt: context.clock.now(),
    memberships: [],
  };
  await requireFreeEmail(context, input.email, user.id);
  await context.users.insert(user, {
    at: user.createdAt,
    actor,
    action: 'user.create',
    target: `user/${user.id}`,
    change: changeText({ ...input }, personalFields),
  });
  return user;
}

async function updateUser(
  context: AccountsContext,
  actor: string,
  id: UserId,
  patch: UserPatch,
): Promise<User> {
  const current = await requireUser(context, id);
  checkName('name', patch.name);
  await requireFreeEmail(context, patch.email, id);
  if (isEmptyPatch(patch)) return current;
  await context.users.update(id, patch, {
    at: context.clock.now(),
    actor,
    action: 'user.update',
    target: `user/${id}`,
    change: changeText({ ...patch }, personalFields),
  });
  return requireUser(context, id);
}

async function changeMembership(
  context: AccountsContext,
  actor: string,
  id: UserId,
  accountId: AccountId,
  role: Role | undefined,
): Promise<User> {
  const { users, directory, clock } = context;
  const user = await requireUser(context, id);
  if (directory.account(accountId) === undefined) throw notFound('account');
  const current = user.memberships.find((membership) => membership.accountId === accountId)?.role;
  if (current === role) return user;
  if (current === undefined && user.memberships.length >= accountBounds.membershipsPerUserMax) {
    throw conflict(
      `a user can be a member of at most ${accountBounds.membershipsPerUserMax} accounts`,
      'accountId',
    );
  }
  const ruling = ruleMembership(await users.someOwners(accountId), id, role);
  const action = role === undefined ? 'membership.remove' : 'membership.set';
  const entry = {
    at: clock.now(),
    actor,
    action: ruling.allowed ? action : `${action}.refused`,
    target: `account/${accountId}`,
    change: changeText({ userId: id, role: role ?? null }),
  };
  if (ruling.allowed) await users.setRole(id, accountId, role, entry);
  else await users.note(entry);
  requireRuling(ruling, 'role');
  return requireUser(context, id);
}

async function requireUser(context: AccountsContext, id: UserId): Promise<User> {
  const user = await context.users.get(id);
  if (user === undefined) throw notFound('user');
  return user;
}

async function requireFreeEmail(
  context: AccountsContext,
  email: string | null | undefined,
  id: UserId,
): Promise<void> {
  checkEmail('email', email);
  if (email === undefined || email === null || !(await context.users.emailTaken(email, id))) return;
  throw conflict('belongs to another user; use that user or another address', 'email');
}
