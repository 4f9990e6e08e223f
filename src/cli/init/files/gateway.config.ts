// The config of a gateway: who serves which model, at what price, to whom, under which terms. It is data. Secrets are
// named by their environment variable and never written here; what is misspelt or in the wrong list does not compile.
//
//   tollgate check --config gateway.config.ts                     what it means, and what is wrong with it
//   tollgate serve --config gateway.config.ts                     serve with it
//   tollgate build --config gateway.config.ts --out my-gateway    make it a part of an executable of your own

import { defineGateway, fromEnvironment, named, simulatorAddress } from 'tollgate/plugin';
import {
  openAiCompatible,
  priority,
  requestPrice,
  simulator,
  termsAcceptance,
  tokenPrice,
  weighted,
} from 'tollgate/plugins';
import serviceTerms from './service-terms.md' with { type: 'text' };

export default defineGateway({
  // Providers know vendors: their protocols, addresses, usage blocks and faults. A file of your own that begins with
  // `export const acme = defineProvider({ ... })` is imported above and listed here like the built-in ones.
  providers: [
    simulator(),
    openAiCompatible(),
    // The same plugin again for another vendor, under a name of its own.
    named('acme', openAiCompatible({ baseUrl: 'https://api.acme.example/v1', end: 'finish-reason' })),
  ],

  // Routing strategies rank the upstreams that may serve a request. The first is the one of models that name none.
  routing: [weighted(), priority()],

  // Billing rules turn usage into charge lines. The first is the one of models that name none.
  billing: [tokenPrice(), requestPrice()],

  // Compliance policies judge requests; any refusal wins. `region` needs a source of countries, see `country` below:
  //   region({ denied: ['XX'], clauses: ['S2'], document: 'service-terms' }),
  policies: [termsAcceptance({ clauses: ['S1'] })],

  // Upstreams are endpoints with a credential. Their names stand in records: do not use one again for something else.
  upstreams: [
    // The simulator answers without any vendor; `serve` starts it on a port of its own.
    { name: 'simulator', provider: 'simulator', baseUrl: simulatorAddress, addresses: 'any' },
    {
      name: 'acme',
      provider: 'acme',
      credential: fromEnvironment('ACME_API_KEY'),
      // Left out, with a line in the log, while ACME_API_KEY is not in the environment.
      whenCredentialPresent: true,
      // Relative share for `weighted`; `priority` prefers the smaller number.
      weight: 100,
      priority: 0,
      // `drain` where the vendor bills the whole answer although the client has left.
      onClientLeaving: 'cancel',
    },
  ],

  // Models are the names that clients send. Rates are micro-units of currency per million tokens: 2.50 USD per million
  // is 2_500_000n. What a model may report and has no rate for refuses the model, so that nothing is free by mistake.
  models: [
    {
      name: 'sim/echo',
      operations: ['chat', 'completions'],
      contextTokens: 128_000,
      outputTokensMax: 16_384,
      price: { currency: 'USD', rates: { input: 100_000n, cacheRead: 10_000n, output: 400_000n } },
      offers: [{ upstream: 'simulator' }],
    },
    {
      name: 'acme-large',
      contextTokens: 200_000,
      outputTokensMax: 32_000,
      // Dated prices, earliest first: each holds from its time on, and what was charged before keeps its price.
      price: [
        { currency: 'USD', rates: { input: 2_500_000n, cacheRead: 250_000n, output: 10_000_000n } },
        {
          from: '2099-01-01T00:00:00Z',
          currency: 'USD',
          rates: { input: 2_000_000n, cacheRead: 200_000n, output: 8_000_000n },
        },
      ],
      // The upstream's own name for the model, and what it charges you for it.
      offers: [
        {
          upstream: 'acme',
          model: 'acme-large-2',
          cost: { currency: 'USD', rates: { input: 2_000_000n, cacheRead: 200_000n, output: 8_000_000n } },
        },
      ],
      strategy: 'priority',
      // Only these groups may use it. Everybody, if left out.
      groups: ['staff'],
    },
    {
      // A price for each call instead of for tokens: nano-units, here 0.02 USD.
      name: 'acme-small',
      contextTokens: 32_000,
      outputTokensMax: 4_096,
      rule: 'request-price',
      price: { currency: 'USD', rates: {}, perCallNano: 20_000_000n },
      offers: [
        {
          upstream: 'acme',
          cost: { currency: 'USD', rates: { input: 100_000n, cacheRead: 100_000n, output: 400_000n } },
        },
      ],
      // A factor on all lines, in parts per million.
      multiplierPpm: 1_000_000,
    },
  ],

  // Sets of accounts and keys that share a factor and limits. Zero would be free; a limit that is left out is none.
  groups: [
    { name: 'default', limits: { requestsPerMinute: 600, tokensPerMinute: 1_000_000, concurrency: 50 } },
    { name: 'staff', multiplierPpm: 500_000 },
  ],

  // For each client address, whatever its key.
  addressLimits: { requestsPerMinute: 3_000, concurrency: 200 },

  // Where a client's country is known from: a header of a trusted proxy, or an MMDB file of yours.
  //   country: { kind: 'header', name: 'cf-ipcountry' },
  //   country: { kind: 'mmdb', file: '/var/lib/tollgate/country.mmdb' },
  country: { kind: 'none' },

  // Whose word on the client's address is taken. With nobody trusted the peer of the connection is the client.
  proxy: { trusted: [], header: 'x-forwarded-for' },

  // Terms documents in force. A clause that promises something is bound to what keeps it; `check` shows the matrix.
  terms: [{ file: 'service-terms.md', text: serviceTerms }],

  // Other sets of terms and policies, for `--preset strict`.
  presets: {
    strict: {
      summary: 'The same terms, asked for at every gate.',
      terms: [{ file: 'service-terms.md', text: serviceTerms }],
      policies: [termsAcceptance({ gates: ['access', 'register', 'top-up', 'use'], clauses: ['S1'] })],
    },
  },

  // Of new accounts.
  currency: 'USD',
});
