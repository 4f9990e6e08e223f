// What the compiler refuses in a config. Each line that it must refuse is marked as expected to fail: should it ever
// compile, the check of types fails here.

import { expect, test } from 'bun:test';
import { defineGateway, fromEnvironment, type GatewayConfig } from '../../src/plugin/index.ts';
import { openAiCompatible, priority, region, simulator, termsAcceptance, tokenPrice } from '../../plugins/index.ts';

const whole = {
  providers: [simulator()],
  routing: [priority()],
  billing: [tokenPrice()],
  policies: [termsAcceptance()],
  upstreams: [{ name: 'simulator', provider: 'simulator' }],
  models: [],
} satisfies GatewayConfig;

const price = { currency: 'USD', rates: { input: 1n } };
const model = { name: 'm', contextTokens: 1, outputTokensMax: 1, price, offers: [{ upstream: 'simulator' }] };

/** Never called: it is there for the compiler. */
const refused = () => [
  // @ts-expect-error a policy is no provider
  defineGateway({ ...whole, providers: [termsAcceptance()] }),
  // @ts-expect-error a provider is no policy
  defineGateway({ ...whole, policies: [simulator()] }),
  // @ts-expect-error a billing rule is no routing strategy
  defineGateway({ ...whole, routing: [tokenPrice()] }),
  // @ts-expect-error a routing strategy is no billing rule
  defineGateway({ ...whole, billing: [priority()] }),
  // @ts-expect-error a list is missing
  defineGateway({ providers: [], routing: [], billing: [], policies: [], upstreams: [] }),
  // @ts-expect-error a misspelt list
  defineGateway({ ...whole, polices: [] }),
  // @ts-expect-error a misspelt option of a provider
  openAiCompatible({ baseURL: 'https://api.example.com/v1' }),
  // @ts-expect-error an option of another type
  simulator({ faults: 'yes' }),
  // @ts-expect-error an option that a policy does not have
  region({ denied: ['XX'], misspelt: true }),
  // @ts-expect-error a misspelt field of an upstream
  defineGateway({ ...whole, upstreams: [{ name: 'x', provider: 'simulator', wieght: 1 }] }),
  // @ts-expect-error a secret is named, never written
  defineGateway({ ...whole, upstreams: [{ name: 'x', provider: 'simulator', credential: 'sk-secret' }] }),
  // @ts-expect-error a price is a whole number, not a fraction
  defineGateway({ ...whole, models: [{ ...model, price: { currency: 'USD', rates: { input: 2.5 } } }] }),
  // @ts-expect-error a part of the usage that does not exist
  defineGateway({ ...whole, models: [{ ...model, price: { currency: 'USD', rates: { inputs: 1n } } }] }),
  // @ts-expect-error a date is text
  defineGateway({ ...whole, models: [{ ...model, price: [{ ...price, from: new Date() }] }] }),
  // @ts-expect-error an operation that does not exist
  defineGateway({ ...whole, models: [{ ...model, operations: ['chats'] }] }),
  // @ts-expect-error a model has a price
  defineGateway({ ...whole, models: [{ name: 'm', contextTokens: 1, outputTokensMax: 1, offers: [] }] }),
];

test('what is right compiles', () => {
  expect(typeof refused).toBe('function');
  const config = defineGateway({
    ...whole,
    upstreams: [{ name: 'x', provider: 'simulator', credential: fromEnvironment('KEY'), whenCredentialPresent: true }],
    models: [model, { ...model, name: 'n', price: [price, { ...price, from: '2026-12-01T00:00:00Z' }] }],
  });
  expect(config.models).toHaveLength(2);
});
