// Compliance as the request path sees it: one object over the engine, the country source and the terms, so
// that a step asks one thing. It decides nothing itself.

import type { EpochMs } from '../../core/clock.ts';
import type { AccountId, ApiKeyId, UserId } from '../../core/ids.ts';
import type { Obligation, TermsStanding } from '../../plugin/policy.ts';
import type { HeaderReader } from './client-address.ts';
import type { CountrySource } from './country.ts';
import type { Judge } from './judge.ts';

/** The part of the terms domain that is needed here. */
export interface TermsPort {
  standing(accountId: AccountId, at: EpochMs): readonly TermsStanding[];
  recordAcceptance(
    obligation: Obligation,
    who: {
      readonly accountId: AccountId;
      readonly userId: UserId | undefined;
      readonly apiKeyId: ApiKeyId | undefined;
    },
    from: {
      readonly address: string;
      readonly country: string;
      readonly userAgent: string | undefined;
      readonly locale: string | undefined;
    },
  ): Promise<void>;
}

/** Whoever was let in: what evidence needs to know of a request. */
export interface Authenticated {
  readonly account: { readonly id: AccountId };
  readonly apiKey: { readonly id: ApiKeyId; readonly userId: UserId | undefined };
  readonly address: string;
  readonly request: { readonly headers: HeaderReader };
}

export interface Compliance {
  readonly asks: Judge['asks'];
  readonly judge: Judge['judge'];
  standing(accountId: AccountId, at: EpochMs): readonly TermsStanding[];
  /** Resolves when what the obligation demands is durable. */
  fulfil(obligation: Obligation, authenticated: Authenticated, country: string): Promise<void>;
  countryOf(address: string, peer: string, headers: HeaderReader): string;
}

/** Whom to ask now: another config replaces both at once. */
export interface Deciders {
  readonly judge: Judge;
  readonly country: CountrySource;
}

/** `deciders` is read at every question. */
export function createCompliance(deciders: Deciders, terms: TermsPort): Compliance {
  return {
    asks: (gate, about) => deciders.judge.asks(gate, about),
    judge: (about, facts) => deciders.judge.judge(about, facts),
    standing: (accountId, at) => terms.standing(accountId, at),
    countryOf: (address, peer, headers) => deciders.country.countryOf(address, peer, headers),
    fulfil(obligation, { account, apiKey, address, request }, from) {
      switch (obligation.kind) {
        case 'record-acceptance':
          return terms.recordAcceptance(
            obligation,
            { accountId: account.id, userId: apiKey.userId, apiKeyId: apiKey.id },
            {
              address,
              country: from,
              userAgent: request.headers.get('user-agent') ?? undefined,
              locale: request.headers.get('accept-language') ?? undefined,
            },
          );
      }
    },
  };
}
