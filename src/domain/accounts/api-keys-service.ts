// API keys: made, changed, rotated, deleted. Invariant: the key itself leaves this file once, in the answer
// to its making; what is stored is its hash. A deleted key is gone from the directory before the deletion is
// acknowledged.

import type { ApiKeyId } from '../../core/ids.ts';
import { generateKey, hintOf, sha256Hex } from '../../core/secrets.ts';
import { changeText } from '../audit/audit.ts';
import { accountBounds } from './account-bounds.ts';
import { ruleRotation } from './account-rules.ts';
import type { ApiKey } from './accounts.ts';
import { conflict, notFound } from './accounts-context.ts';
import type { AccountsContext } from './accounts-context.ts';
import type { ApiKeyQuery } from './api-keys-store.ts';
import { budgetsOfPatch, isEmptyPatch, limitsOfPatch } from './changes.ts';
import type { ApiKeyPatch, IssuedApiKey, NewApiKey } from './changes.ts';
import {
  checkBudgets,
  checkedRanges,
  checkExpiry,
  checkGroup,
  checkLimits,
  checkModels,
  checkName,
  checkWhole,
} from './input-rules.ts';

export interface ApiKeysService {
  create(actor: string, input: NewApiKey): Promise<IssuedApiKey>;
  get(id: ApiKeyId): Promise<ApiKey | undefined>;
  /** Newest first; deleted ones too. */
  list(query: ApiKeyQuery): Promise<readonly ApiKey[]>;
  update(actor: string, id: ApiKeyId, patch: ApiKeyPatch): Promise<ApiKey>;
  /** A new key with the same settings. The old one works on for `overlapSeconds`; zero ends it at once. */
  rotate(actor: string, id: ApiKeyId, overlapSeconds?: number): Promise<IssuedApiKey>;
  /** Deletes the key: it is refused from the moment this resolves. Deleting it again changes nothing. */
  revoke(actor: string, id: ApiKeyId): Promise<ApiKey>;
}

export function createApiKeysService(context: AccountsContext): ApiKeysService {
  const { turn, apiKeys } = context;
  return {
    create: (actor, input) => turn(() => createKey(context, actor, input)),
    get: (id) => apiKeys.get(id),
    list: (query) => apiKeys.list(query),
    update: (actor, id, patch) => turn(() => updateKey(context, actor, id, patch)),
    rotate: (actor, id, overlapSeconds = accountBounds.overlapSecondsDefault) =>
      turn(() => rotateKey(context, actor, id, overlapSeconds)),
    revoke: (actor, id) => turn(() => revokeKey(context, actor, id)),
  };
}

async function createKey(context: AccountsContext, actor: string, input: NewApiKey): Promise<IssuedApiKey> {
  const { directory, apiKeys, users, clock } = context;
  const at = clock.now();
  const addresses = checkedPatch(context, input, at).addresses;
  const account = directory.account(input.accountId);
  if (account === undefined) throw notFound('account', 'accountId');
  if (account.status === 'closed') throw conflict('the account is closed', 'accountId');
  const userId = input.userId ?? undefined;
  if (userId !== undefined) {
    const user = await users.get(userId);
    const member = user?.memberships.some((membership) => membership.accountId === account.id) ?? false;
    if (!member) throw notFound('user in this account', 'userId');
  }
  if ((await apiKeys.liveCount(account.id, at)) >= BigInt(accountBounds.liveKeysPerAccountMax)) {
    throw conflict(
      `the account has ${accountBounds.liveKeysPerAccountMax} keys, the most there may be; delete one first`,
    );
  }
  const key = generateKey('api-key', context.randomBytes);
  const apiKey: ApiKey = {
    id: context.newId('key'),
    accountId: account.id,
    userId,
    name: input.name,
    sha256: sha256Hex(key),
    hint: hintOf(key),
    group: input.group ?? undefined,
    models: input.models ?? undefined,
    addresses: addresses ?? undefined,
    limits: limitsOfPatch(input.limits),
    budgets: budgetsOfPatch(input.budgets),
    createdAt: at,
    expiresAt: input.expiresAt ?? undefined,
    revokedAt: undefined,
    rotatedFrom: undefined,
  };
  await apiKeys.insert(apiKey, {
    at,
    actor,
    action: 'api-key.create',
    target: `api-key/${apiKey.id}`,
    change: changeText({ ...input, addresses }, ['name']),
  });
  directory.putKey(apiKey, at);
  return { apiKey, key };
}

async function updateKey(
  context: AccountsContext,
  actor: string,
  id: ApiKeyId,
  input: ApiKeyPatch,
): Promise<ApiKey> {
  const { directory, apiKeys, clock } = context;
  const at = clock.now();
  const current = await apiKeys.get(id);
  if (current === undefined) throw notFound('API key');
  if (current.revokedAt !== undefined) throw conflict('the key is deleted; create another one');
  const patch = checkedPatch(context, input, at);
  if (isEmptyPatch(patch)) return current;
  const updated = await apiKeys.update(id, patch, {
    at,
    actor,
    action: 'api-key.update',
    target: `api-key/${id}`,
    change: changeText({ ...patch }, ['name']),
  });
  if (updated === undefined) throw conflict('the key was deleted meanwhile');
  directory.putKey(updated, at);
  return updated;
}

async function rotateKey(
  context: AccountsContext,
  actor: string,
  id: ApiKeyId,
  overlapSeconds: number,
): Promise<IssuedApiKey> {
  const { directory, apiKeys, clock } = context;
  checkWhole('overlapSeconds', overlapSeconds, accountBounds.overlapSecondsMax);
  const at = clock.now();
  const old = await apiKeys.get(id);
  if (old === undefined) throw notFound('API key');
  if (directory.account(old.accountId)?.status === 'closed') throw conflict('the account is closed');
  const rotation = ruleRotation(old, await apiKeys.successorOf(id), at, overlapSeconds);
  if (!rotation.allowed) throw conflict(rotation.because);
  const key = generateKey('api-key', context.randomBytes);
  const successor: ApiKey = {
    ...old,
    id: context.newId('key'),
    sha256: sha256Hex(key),
    hint: hintOf(key),
    createdAt: at,
    rotatedFrom: old.id,
  };
  const { oldExpiresAt } = rotation;
  const ended = await apiKeys.replace(successor, id, oldExpiresAt, [
    {
      at,
      actor,
      action: 'api-key.rotate',
      target: `api-key/${id}`,
      change: changeText({ successor: successor.id, expiresAt: oldExpiresAt }),
    },
    {
      at,
      actor,
      action: 'api-key.create',
      target: `api-key/${successor.id}`,
      change: changeText({ accountId: old.accountId, rotatedFrom: id }),
    },
  ]);
  if (ended === undefined) throw conflict('the key was deleted meanwhile');
  directory.putKey(ended, at);
  directory.putKey(successor, at);
  return { apiKey: successor, key };
}

async function revokeKey(context: AccountsContext, actor: string, id: ApiKeyId): Promise<ApiKey> {
  const { directory, apiKeys, clock } = context;
  const at = clock.now();
  const revoked = await apiKeys.revoke(id, at, {
    at,
    actor,
    action: 'api-key.delete',
    target: `api-key/${id}`,
    change: '{}',
  });
  if (revoked !== undefined) {
    directory.putKey(revoked, at);
    return revoked;
  }
  const known = await apiKeys.get(id);
  if (known === undefined) throw notFound('API key');
  return known;
}

/** The patch with its address ranges in canonical form. */
function checkedPatch(context: AccountsContext, patch: ApiKeyPatch, at: number): ApiKeyPatch {
  checkName('name', patch.name);
  checkModels('models', patch.models);
  checkLimits('limits', patch.limits);
  checkBudgets('budgets', patch.budgets);
  checkExpiry('expiresAt', patch.expiresAt, at);
  checkGroup('group', patch.group, context.directory);
  return { ...patch, addresses: checkedRanges('addresses', patch.addresses) };
}
