// The config is resolved whole or refused whole, and then with every error at once, each with its path.

import { describe, expect, test } from 'bun:test';
import { resolveConfig, type ConfigResult } from '../../src/config/resolve.ts';
import {
  Type,
  defineProvider,
  fromEnvironment,
  named,
  type GatewayConfig,
  type ModelConfig,
} from '../../src/plugin/index.ts';
import builtIn from '../../plugins/gateway.config.ts';
import {
  openAiCompatible,
  priority,
  requestPrice,
  simulator,
  termsAcceptance,
  tokenPrice,
  weighted,
} from '../../plugins/index.ts';

const rates = { input: 100n, cacheRead: 10n, output: 400n };
const price = { currency: 'USD', rates };
const model = (more: Partial<ModelConfig> = {}): ModelConfig => ({
  name: 'm',
  contextTokens: 1_000,
  outputTokensMax: 100,
  price,
  offers: [{ upstream: 'sim' }],
  ...more,
});
const upstream = { name: 'sim', provider: 'simulator', baseUrl: 'http://127.0.0.1:9/v1', addresses: 'any' } as const;
const base: GatewayConfig = {
  providers: [openAiCompatible(), simulator()],
  routing: [priority(), weighted()],
  billing: [tokenPrice(), requestPrice()],
  policies: [],
  upstreams: [upstream],
  models: [model()],
};

const resolve = (config: unknown, environment: Readonly<Record<string, string>> = {}, preset?: string): ConfigResult =>
  // What a config file exports is checked like anything from outside; its type is only a promise.
  resolveConfig(config as GatewayConfig, { secret: (name) => environment[name], preset });
const pathsOf = (result: ConfigResult) => (result.ok ? [] : result.problems.map(({ path }) => path));
const messageAt = (result: ConfigResult, path: string) =>
  result.ok ? undefined : result.problems.find((problem) => problem.path === path)?.message;

test('the built-in config is right, with every preset', () => {
  for (const preset of [undefined, 'personal', 'platform']) {
    const upstreams = builtIn.upstreams.map((one) =>
      one.baseUrl === 'simulator:' ? { ...one, baseUrl: 'http://127.0.0.1:9' } : one,
    );
    expect(pathsOf(resolve({ ...builtIn, upstreams }, {}, preset))).toEqual([]);
  }
});

describe('every error at once', () => {
  test('of the form', () => {
    const broken = {
      ...base,
      currency: 'dollars',
      surprise: 1,
      upstreams: [{ ...upstream, name: 'Not A Name', weight: -1, addresses: 'none' }],
      models: [
        model({ contextTokens: 0, multiplierPpm: -1 }),
        { ...model(), name: '', offers: [], price: { currency: 'US', rates: { input: -1n, output: 2.5, soul: 1n } } },
        {
          ...model(),
          price: [
            { ...price, from: 'tomorrow' },
            { ...price, from: '2026-12-01' },
          ],
        },
        { ...model(), price: undefined },
      ],
    };
    expect(pathsOf(resolve(broken)).toSorted()).toEqual([
      'currency',
      'models[0].contextTokens',
      'models[0].multiplierPpm',
      'models[1].name',
      'models[1].offers',
      'models[1].price.currency',
      'models[1].price.rates.input',
      'models[1].price.rates.output',
      'models[1].price.rates.soul',
      'models[2].price[0].from',
      'models[2].price[1].from',
      'models[3].price',
      'surprise',
      'upstreams[0].addresses',
      'upstreams[0].name',
      'upstreams[0].weight',
    ]);
  });

  test('of the meaning', () => {
    const faulty = defineProvider({
      name: 'faulty',
      version: '1.0.0',
      summary: 'Cannot be made',
      options: Type.Object({}),
      create: () => {
        throw new Error('no such vendor');
      },
    });
    const broken: GatewayConfig = {
      ...base,
      providers: [...base.providers, simulator(), faulty()],
      groups: [{ name: 'friends' }, { name: 'friends' }],
      upstreams: [
        upstream,
        upstream,
        { name: 'gone', provider: 'nobody' },
        { name: 'inside', provider: 'simulator', baseUrl: 'http://10.0.0.1/v1' },
        { name: 'nowhere', provider: 'simulator' },
        { name: 'keyless', provider: 'openai-compatible', baseUrl: 'https://api.example.com' },
        {
          name: 'unset',
          provider: 'openai-compatible',
          baseUrl: 'https://api.example.com',
          credential: fromEnvironment('UNSET'),
        },
        {
          name: 'blank',
          provider: 'openai-compatible',
          baseUrl: 'https://api.example.com',
          credential: fromEnvironment('BLANK'),
        },
      ],
      models: [
        model(),
        model(),
        model({ name: 'a', rule: 'nobody', strategy: 'nobody', groups: ['friends', 'strangers'] }),
        model({ name: 'b', offers: [{ upstream: 'nobody' }] }),
        model({ name: 'c', offers: [{ upstream: 'sim' }, { upstream: 'sim', model: 'other' }] }),
        model({ name: 'd', price: { currency: 'USD', rates: { input: 1n } } }),
        model({ name: 'e', rule: 'request-price' }),
      ],
    };
    const result = resolve(broken, { BLANK: 'a secret with blanks' }, 'nowhere');
    expect(pathsOf(result).toSorted()).toEqual([
      'groups[1].name',
      'models[1].name',
      'models[2].groups[1]',
      'models[2].rule',
      'models[2].strategy',
      'models[3].offers[0].upstream',
      'models[4].offers[1].upstream',
      'models[5].price.rates.cacheRead',
      'models[5].price.rates.output',
      'models[5].price.rates.reasoning',
      'models[6].price.rates.cacheRead',
      'models[6].price.rates.input',
      'models[6].price.rates.output',
      'models[6].price.rates.reasoning',
      'preset',
      'providers[2].name',
      'providers[3]',
      'upstreams[1].name',
      'upstreams[2].provider',
      'upstreams[3].baseUrl',
      'upstreams[4].baseUrl',
      'upstreams[5].credential',
      'upstreams[6].credential',
      'upstreams[7].credential',
    ]);
    expect(messageAt(result, 'providers[3]')).toContain('no such vendor');
    expect(JSON.stringify(result)).not.toContain('a secret with blanks');
  });

  test('of what is no config at all', () => {
    for (const config of [
      undefined,
      null,
      5,
      'text',
      [],
      {},
      { models: 5 },
      { models: [null, 5, { price: [null] }] },
    ]) {
      expect(pathsOf(resolve(config)).length).toBeGreaterThan(0);
    }
  });
});

describe('plugins', () => {
  test('stand in the list of their kind, with options that they know', () => {
    const mixed = { ...base, providers: [...base.providers, termsAcceptance()], policies: [simulator()] };
    const result = resolve(mixed);
    expect(pathsOf(result)).toEqual(['providers[2]', 'policies[0]']);
    expect(messageAt(result, 'providers[2]')).toContain('is a policy plugin; this list takes provider plugins');
    const misspelt = {
      ...openAiCompatible(),
      options: { baseURL: 'https://api.example.com/v1', headers: { 'x-y': 5 } },
    };
    expect(
      pathsOf(resolve({ ...base, providers: [misspelt, simulator()] })).every((path) =>
        path.startsWith('providers[0].options.'),
      ),
    ).toBe(true);
    expect(pathsOf(resolve({ ...base, providers: [misspelt, simulator()] }))).toContain('providers[0].options.baseURL');
  });

  test('may stand there twice under names of their own', () => {
    const config = {
      ...base,
      providers: [...base.providers, named('second', simulator())],
      upstreams: [{ ...upstream, provider: 'second' }],
    };
    const result = resolve(config);
    expect(result.ok && result.resolved.upstreams[0]?.provider).toBe('second');
  });
});

describe('what the environment holds', () => {
  const vendor = {
    name: 'vendor',
    provider: 'openai-compatible',
    baseUrl: fromEnvironment('VENDOR_URL'),
    credential: fromEnvironment('VENDOR_KEY'),
    whenCredentialPresent: true,
  };
  const config: GatewayConfig = {
    ...base,
    upstreams: [upstream, vendor],
    models: [
      model(),
      model({ name: 'v', offers: [{ upstream: 'vendor' }] }),
      model({ name: 'both', offers: [{ upstream: 'sim' }, { upstream: 'vendor' }] }),
    ],
  };

  test('leaves out an upstream whose credential is absent, and the models that only it serves', () => {
    const result = resolve(config);
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    expect(result.resolved.upstreams.map(({ name }) => name)).toEqual(['sim']);
    expect(result.resolved.models.map(({ name }) => name)).toEqual(['m', 'both']);
    expect(result.resolved.remarks).toEqual([
      { path: 'upstreams[1].credential', message: expect.stringContaining('VENDOR_KEY') },
    ]);
  });

  test('gives credential and base URL; a base URL from there may be of this machine', () => {
    const result = resolve(config, { VENDOR_KEY: 'sk-1', VENDOR_URL: 'http://127.0.0.1:1234/v1' });
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    const resolved = result.resolved.upstreams.find(({ name }) => name === 'vendor');
    expect(resolved).toMatchObject({ secret: 'sk-1', addresses: 'any' });
    expect(resolved?.url.href).toBe('http://127.0.0.1:1234/v1');
    expect(pathsOf(resolve(config, { VENDOR_KEY: 'sk-1', VENDOR_URL: 'ftp://x' }))).toEqual(['upstreams[1].baseUrl']);
    expect(pathsOf(resolve(config, { VENDOR_KEY: 'sk-1', VENDOR_URL: 'http://169.254.169.254/' }))).toEqual([
      'upstreams[1].baseUrl',
    ]);
  });
});

describe('dated prices', () => {
  const dated = (list: readonly unknown[]) => resolve({ ...base, models: [{ ...model(), price: list }] });

  test('are resolved in their order; a single price is one without a date', () => {
    const result = dated([
      price,
      { ...price, from: '2026-12-01T00:00:00Z' },
      { ...price, from: '2026-12-01T00:00:00.5Z', perCallNano: 7n },
    ]);
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    expect(result.resolved.models[0]?.prices).toEqual([
      { from: undefined, ...price, perCallNano: 0n },
      { from: Date.UTC(2026, 11, 1), ...price, perCallNano: 0n },
      { from: Date.UTC(2026, 11, 1) + 500, ...price, perCallNano: 7n },
    ]);
    const single = resolve(base);
    expect(single.ok && single.resolved.models[0]?.prices).toEqual([{ from: undefined, ...price, perCallNano: 0n }]);
  });

  test.each<[string, unknown[]]>([
    ['models[0].price', []],
    ['models[0].price[1].from', [price, price]],
    [
      'models[0].price[1].from',
      [
        { ...price, from: '2026-12-01T00:00:00Z' },
        { ...price, from: '2026-12-01T00:00:00Z' },
      ],
    ],
    [
      'models[0].price[1].from',
      [
        { ...price, from: '2026-12-02T00:00:00Z' },
        { ...price, from: '2026-12-01T00:00:00Z' },
      ],
    ],
    ['models[0].price[0].from', [{ ...price, from: '2026-02-31T00:00:00Z' }]],
    ['models[0].price[0].from', [{ ...price, from: '2026-12-01T00:00:00+02:00' }]],
    ['models[0].price[1].form', [price, { ...price, form: '2026-12-01T00:00:00Z' }]],
    [
      'models[0].price[1].rates.cacheRead',
      [price, { currency: 'USD', rates: { input: 1n, output: 1n }, from: '2026-12-01T00:00:00Z' }],
    ],
  ])('are refused at %s', (path, list) => {
    expect(pathsOf(dated(list))).toEqual([path]);
  });
});

describe('presets', () => {
  const preset = { summary: 'A test', terms: [{ file: 'a.md', text: 'A' }], policies: [termsAcceptance()] };
  const config: GatewayConfig = { ...base, policies: [termsAcceptance()], presets: { mine: preset } };

  test('bring their terms and policies; theirs take the place of those of the same name', () => {
    const result = resolve(config, {}, 'mine');
    if (!result.ok) throw new Error(JSON.stringify(result.problems));
    expect(result.resolved).toMatchObject({ preset: 'mine', terms: preset.terms });
    expect(result.resolved.policies.map(({ name }) => name)).toEqual(['terms-acceptance']);
    expect(resolve(config)).toMatchObject({ ok: true, resolved: { preset: undefined, terms: [] } });
  });

  test('that are not there are named, with those that are', () => {
    const result = resolve(config, {}, 'other');
    expect(pathsOf(result)).toEqual(['preset']);
    expect(messageAt(result, 'preset')).toContain('mine');
  });
});
