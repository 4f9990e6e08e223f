// authenticate: whose key it is, by the SHA-256 of the whole key in the directory in memory. Every refusal looks alike.

import { TollgateError } from '../core/errors.ts';
import { checkKeyFormat, sha256Hex } from '../core/secrets.ts';
import type { Group } from '../domain/accounts/accounts.ts';
import type { Authenticated, Received } from './exchange.ts';
import type { PipelineServices } from './services.ts';

export function authenticate(services: PipelineServices, received: Received): Authenticated {
  const { credential } = received;
  if (credential === undefined) {
    throw new TollgateError('unauthenticated', {
      message: 'No API key was sent. Send one as `Authorization: Bearer <API key>`.',
      field: 'authorization',
    });
  }
  const apiKey =
    checkKeyFormat(credential) === 'api-key' ? services.accounts.keyBySha256(sha256Hex(credential)) : undefined;
  if (apiKey === undefined || apiKey.revokedAt !== undefined) throw refusal();
  if (apiKey.expiresAt !== undefined && apiKey.expiresAt <= received.admittedAt) throw refusal();
  const account = services.accounts.account(apiKey.accountId);
  if (account === undefined) throw refusal();
  if (account.status !== 'active') {
    throw new TollgateError('account_restricted', {
      message: `This account is ${account.status}; its API keys do not work. Ask the operator of this gateway.`,
    });
  }
  if (apiKey.addresses !== undefined && !services.addressIn(apiKey.addresses, received.address)) {
    throw new TollgateError('forbidden', {
      message: 'This API key may not be used from your address; its address list says from where.',
    });
  }
  return { ...received, apiKey, account, group: groupNow(services, apiKey.group ?? account.group) };
}

/** The group of that name as it is now. */
export function groupNow({ accounts }: PipelineServices, name: string | undefined): Group | undefined {
  const group = name === undefined ? undefined : accounts.group(name);
  // Its multiplier and limits are not known: serving it would charge a price that nobody set.
  if (name !== undefined && group === undefined) {
    throw new TollgateError('account_restricted', {
      message: 'The group of this API key does not exist any more. Ask the operator of this gateway.',
    });
  }
  return group;
}

const refusal = () =>
  new TollgateError('unauthenticated', {
    message: 'This API key is not valid. Check it, or create another one.',
    field: 'authorization',
  });
