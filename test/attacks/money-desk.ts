// What the money attacks share: a watched gateway with models that are priced by the call and models whose
// upstream lies, and the questions that are asked after each attack.

import { expect } from 'bun:test';
import { requestPrice, tokenPrice } from '../../plugins/index.ts';
import { simulatorModel, testConfig, textField } from '../support/gateway.ts';
import { startWatchedGateway, type WatchedGateway } from './watched-gateway.ts';

export const perCallNano = 1_000_000n;
/** Of the models that lie: small, so that a cap shows. */
export const contextTokens = 4_000;
export const outputTokensMax = 500;
export const hostileUsage = [
  'negative',
  'absent',
  'null',
  'null-counts',
  'string',
  'float',
  'huge',
  'beyond',
  'cached',
  'reasoning',
  'total',
  'zero',
  'under',
  'over',
  'list',
  'text',
  'doubles',
  'growing',
  'twice',
  'early',
  'forged',
] as const;

export interface MoneyDesk {
  readonly watched: WatchedGateway;
  send(apiKey: string, body: string, path?: string): Promise<Response>;
  /** Of an account, newest first. */
  records(accountId: string): Promise<readonly unknown[]>;
  detailOf(record: unknown): Promise<Readonly<Record<string, unknown>>>;
  /** Expects that the balance is what was topped up less all charges, and that nothing is held. */
  booksAreExact(accountId: string, toppedUpNano: bigint): Promise<void>;
}

export const chargeOf = (record: unknown): bigint => BigInt(textField(record, 'chargeNano'));

export async function openMoneyDesk(): Promise<MoneyDesk> {
  const perCall = simulatorModel('sim/per-call', {
    rule: 'request-price',
    price: { currency: 'USD', rates: {}, perCallNano },
    offers: [{ upstream: 'simulator', model: 'sim/fast' }],
  });
  const lying = hostileUsage.map((variant) =>
    simulatorModel(`sim/u23-${variant}`, { contextTokens, outputTokensMax }),
  );
  const watched = await startWatchedGateway({
    config: { models: [...testConfig().models, perCall, ...lying], billing: [tokenPrice(), requestPrice()] },
  });
  const { gateway } = watched;
  const records: MoneyDesk['records'] = async (accountId) => {
    const { body } = await gateway.admin('GET', `/usage?accountId=${accountId}&limit=200`);
    return Array.isArray(body['items']) ? body['items'] : [];
  };
  return {
    watched,
    records,
    send: (apiKey, body, path = '/chat/completions') =>
      gateway.client(path, body, { authorization: `Bearer ${apiKey}` }),
    detailOf: async (record) => (await gateway.admin('GET', `/usage/${textField(record, 'requestId')}`)).body,
    async booksAreExact(accountId, toppedUpNano) {
      const { body } = await gateway.admin('GET', `/accounts/${accountId}/balance`);
      let leftNano = toppedUpNano;
      for (const record of await records(accountId))
        leftNano += BigInt(textField(record, 'lossNano')) - chargeOf(record);
      expect([body['postedNano'], body['heldNano']]).toEqual([leftNano.toString(), '0']);
    },
  };
}
