// Attacks through the catalog's admin routes: cases C2, C3, C6 and C7 (where an upstream points), D4 and F4 (its
// credential), and E12 (prices that are none, or that would change what was charged) of the attack catalogue.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { textField } from '../support/gateway.ts';
import { startWatchedGateway, type WatchedGateway } from './watched-gateway.ts';

const CREDENTIAL = 'canary-entered-credential-2718281828';

let watched: WatchedGateway;
beforeAll(async () => {
  watched = await startWatchedGateway();
});
afterAll(() => watched.stop());

let names = 0;
const create = (fields: Readonly<Record<string, unknown>>) => {
  names += 1;
  return watched.gateway.admin('POST', '/upstreams', {
    name: `upstream-${names}`,
    provider: 'openai-compatible',
    credential: CREDENTIAL,
    ...fields,
  });
};

describe('C2, C3, C6, C7: where an upstream may point', () => {
  test('no address of a private network is taken without `any`, in whichever spelling', async () => {
    for (const host of [
      '127.0.0.1',
      '10.0.0.1',
      '172.16.0.1',
      '192.168.0.1',
      '100.64.0.1',
      '0.0.0.0',
      '198.18.0.1',
      '224.0.0.1',
      '240.0.0.1',
      '[::1]',
      '[fc00::1]',
      '[fe80::1]',
      '[::ffff:127.0.0.1]',
      '[64:ff9b::7f00:1]',
      '[2002:7f00:1::1]',
      '0x7f.1',
      '2130706433',
      '017700000001',
      '127.1',
      '①②⑦.0.0.1',
      'localhost',
      'localhost.',
      'a.localhost',
      'user:pass@127.0.0.1',
    ]) {
      expect([host, (await create({ baseUrl: `https://${host}/v1` })).status]).toEqual([host, 400]);
    }
  });

  test('metadata services and user names are taken by no rule, nor any other scheme', async () => {
    for (const baseUrl of [
      'http://169.254.169.254/',
      'http://[fd00:ec2::254]/',
      'http://metadata.google.internal/',
      'https://u:p@api.example.com/v1',
      'https://api.example.com@127.0.0.1/',
      'file:///etc/passwd',
      'data:text/plain,x',
      'ftp://example.com/',
      'gopher://x/',
      'unix:/run/docker.sock',
      'javascript:1',
      'simulator:',
      '//example.com',
      'example.com',
      'https://',
      '',
      'https://example.com/v1?x=1',
      'https://example.com/v1#x',
      'https://exa mple.com/',
      'https://example.com\\@evil/',
    ]) {
      for (const addresses of ['public', 'any']) {
        expect([baseUrl, (await create({ baseUrl, addresses })).status]).toEqual([baseUrl, 400]);
      }
    }
  });

  test('neither can a good one be turned into such', async () => {
    const good = await create({ baseUrl: 'https://api.example.com/v1' });
    expect(good.status).toBe(201);
    const path = `/upstreams/${textField(good.body, 'name')}`;
    for (const patch of [
      { baseUrl: 'http://127.0.0.1/v1' },
      { baseUrl: 'http://169.254.169.254/', addresses: 'any' },
      { baseUrl: 'file:///etc/passwd' },
    ]) {
      expect((await watched.gateway.admin('PATCH', path, patch)).status).toBe(400);
    }
    // A credential goes to the place for which it was entered, and to no other.
    const moved = await watched.gateway.admin('PATCH', path, { baseUrl: 'https://evil.example.com/v1' });
    expect(moved.status >= 400 || moved.body['hasCredential'] === false).toBe(true);
  });
});

describe('D4, F4: a credential that was entered', () => {
  test('is in no answer, log line, audit event or file', async () => {
    const made = await create({ baseUrl: 'https://api.example.com/v1' });
    const path = `/upstreams/${textField(made.body, 'name')}`;
    const answers = [
      made,
      await create({ baseUrl: 'nonsense' }),
      await create({ name: 'Not A Name' }),
      await create({ credential: `${CREDENTIAL}\n` }),
      await watched.gateway.admin('PATCH', path, { credential: CREDENTIAL, weight: -1 }),
      await watched.gateway.admin('PATCH', path, { credential: CREDENTIAL }),
      await watched.gateway.admin('GET', path),
      await watched.gateway.admin('GET', '/upstreams'),
      await watched.gateway.admin('GET', '/audit-events'),
    ];
    const files = readdirSync(watched.gateway.dataFolder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
    const everything = [JSON.stringify(answers), ...watched.gateway.log, ...files].join('\n');
    for (const form of [CREDENTIAL, btoa(CREDENTIAL).slice(0, -4), Buffer.from(CREDENTIAL).toString('hex')]) {
      expect(everything.includes(form)).toBe(false);
    }
  });
});

describe('E12: prices', () => {
  test('no price is negative, fractional, endless or beyond 64 bits, and none is set back in time', async () => {
    const made = await create({ provider: 'simulator', baseUrl: 'https://api.example.com/v1' });
    const rates = { input: '100000', output: '400000', cacheRead: '10000' };
    const model = { name: 'priced/model', contextTokens: 1_000, outputTokensMax: 100 };
    const offers = [{ upstream: textField(made.body, 'name') }];
    expect((await watched.gateway.admin('POST', '/models', { ...model, offers })).status).toBe(201);
    const add = (price: unknown) => watched.gateway.admin('POST', '/models/priced%2Fmodel/prices', price);
    expect((await add({ currency: 'USD', rates })).status).toBe(201);
    for (const rate of [
      '-1',
      '1.5',
      '0.1',
      '1e-15',
      '1e9',
      '01',
      '',
      ' 1',
      '9223372036854775808',
      'NaN',
      'Infinity',
      1,
      -1,
      0.3,
      null,
    ]) {
      for (const price of [
        { currency: 'USD', rates: { ...rates, output: rate } },
        { currency: 'USD', rates, perCallNano: rate },
      ]) {
        expect([rate, (await add(price)).status]).toEqual([rate, 400]);
      }
    }
    const past = { currency: 'USD', rates, validFrom: '2020-01-01T00:00:00Z' };
    expect((await add(past)).status).toBe(400);
  });
});
