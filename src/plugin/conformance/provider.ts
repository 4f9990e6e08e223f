// The suite that every provider runs, built-in or drop-in: what `provider.ts` promises in words is asked
// here. It belongs to test runs and to the trial of drop-ins; nothing on the serving path may import it.

import { expect } from 'bun:test';
import fc from 'fast-check';
import type { PluginEntry } from '../define.ts';
import { operations, protocolNames } from '../operations.ts';
import type { Provider, UpstreamAddressing, UpstreamCall } from '../provider.ts';
import { parentPart, usageParts } from '../usage.ts';
import type { ProviderExpectations } from '../expectations.ts';
import { describeChecks, listChecks, type AddCheck, type Check } from './checks.ts';
import { checkEntry, createFrom } from './entry.ts';
import { checkUsage, servedOperations } from './provider-usage.ts';

export type { ProviderExpectations, UsageSample } from '../expectations.ts';

export interface ProviderSuite extends ProviderExpectations {
  /** Heading in the test report. */
  readonly name: string;
}

const canary = 'sk-canary-7Qm2vR9xT4';
const hostileNames = [
  '../../admin',
  '..',
  '.',
  '%2e%2e/%2e%2e/admin',
  '..%2f..%2fadmin',
  '?x=1',
  'gpt?x=1',
  '#f',
  'gpt#f',
  '//evil.example/x',
  '\\\\evil',
  '@evil.example',
  'a/b',
  'a:b@c',
  'a\r\nx-evil: 1',
  'a\nb',
  'a\u0000b',
  'a b',
  'modèle-Ω-🦊',
  '\ud800',
  '%',
  '%zz',
  '',
  'm'.repeat(10_240),
];
const headerName = /^[a-z0-9][a-z0-9!#$%&'*+.^_`|~-]*$/;
const headerValue = /^[\x21-\x7e\x80-\uffff](?:[\t\x20-\x7e\x80-\uffff]*[\x21-\x7e\x80-\uffff])?$/;
const hostOwned = ['host', 'content-length', 'content-type', 'transfer-encoding', 'connection'];
const faultClasses: readonly string[] = ['request', 'credential', 'rate-limit', 'unavailable', 'model'];

/**
 * Any code points, and often those that mean something in a URL. The library's own unit for that first makes a table of
 * all of Unicode, which takes half a second.
 */
const anyName = fc
  .array(
    fc.oneof(
      fc.constantFrom(...'/.%?#\\@:&= \r\n\0').map((character) => character.charCodeAt(0)),
      fc.nat(0x7f),
      fc.nat(0x10_ff_ff),
    ),
    { maxLength: 64 },
  )
  .map((codes) => String.fromCodePoint(...codes));

/** Every call that the provider may be asked about, for one model name. */
function callsFor(provider: Provider, model: string): readonly UpstreamCall[] {
  return servedOperations(provider).flatMap((operation) =>
    (provider.speaks[operation] ?? []).flatMap((protocol) =>
      [false, true].map((stream): UpstreamCall => Object.freeze({ operation, protocol, model, stream })),
    ),
  );
}

/** What the host would dial, with the base URL's own path in front. */
function resolved(addressing: UpstreamAddressing): URL {
  const query = addressing.query === '' ? '' : `?${addressing.query}`;
  return new URL(`https://upstream.example:8443/base/v1${addressing.path}${query}`);
}

function expectSafeAddress(addressing: UpstreamAddressing): void {
  const { path, query, headers } = addressing;
  expect(path).toStartWith('/');
  expect(path).not.toStartWith('//');
  const url = resolved(addressing);
  expect(url.host).toBe('upstream.example:8443');
  // A URL parser that finds nothing to normalise found no dot segments, query or fragment hidden in the path.
  expect(url.pathname).toBe(`/base/v1${path}`);
  expect(url.search).toBe(query === '' ? '' : `?${query}`);
  expect(url.hash).toBe('');
  for (const [name, value] of headers) {
    expect(name).toMatch(headerName);
    expect(hostOwned).not.toContain(name);
    expect(value).toMatch(headerValue);
  }
  const names = headers.map(([name]) => name);
  expect(new Set(names).size).toBe(names.length);
}

/** `undefined` where the provider refuses to address such a call, which it may do by throwing. */
function addressOrRefusal(provider: Provider, call: UpstreamCall, credential: string): UpstreamAddressing | undefined {
  try {
    return provider.address(call, credential);
  } catch {
    return undefined;
  }
}

function checkDeclaration(check: AddCheck, entry: PluginEntry<'provider'>): void {
  check('declares what it serves, in known words', () => {
    const provider = createFrom(entry);
    expect(servedOperations(provider).length).toBeGreaterThan(0);
    for (const [operation, protocols] of Object.entries(provider.speaks)) {
      expect(operations as readonly string[]).toContain(operation);
      for (const protocol of protocols ?? []) expect(protocolNames as readonly string[]).toContain(protocol);
    }
    for (const operation of servedOperations(provider)) {
      const parts = provider.parts(operation);
      expect(parts.length).toBeGreaterThan(0);
      expect(new Set(parts).size).toBe(parts.length);
      for (const part of parts) expect(usageParts).toContain(part);
    }
    expect(['on-request', 'always', 'never']).toContain(provider.quirks.usage);
    expect([undefined, true, false]).toContain(provider.quirks.nullUsage);
    expect(['done', 'finish-reason']).toContain(provider.quirks.end);
    expect(['stops', 'bills']).toContain(provider.onCancel);
    expect(typeof provider.needsCredential).toBe('boolean');
  });

  check('has a usable base URL, or none', () => {
    const { defaultBaseUrl } = createFrom(entry);
    if (defaultBaseUrl === undefined) return;
    const url = new URL(defaultBaseUrl);
    expect(['http:', 'https:']).toContain(url.protocol);
    expect([url.username, url.password, url.search, url.hash]).toEqual(['', '', '', '']);
  });
}

function checkAddressing(check: AddCheck, entry: PluginEntry<'provider'>): void {
  check('address is pure', () => {
    const provider = createFrom(entry);
    for (const call of callsFor(provider, 'some-model')) {
      const first = provider.address(call, canary);
      expect(provider.address(call, canary)).toEqual(first);
      expect(createFrom(entry).address(call, canary)).toEqual(first);
      expectSafeAddress(first);
    }
  });

  check('the credential appears in headers only', () => {
    const provider = createFrom(entry);
    for (const call of callsFor(provider, 'some-model')) {
      const { path, query, headers } = provider.address(call, canary);
      expect(`${path}?${query}`).not.toContain(canary);
      if (provider.needsCredential) expect(headers.some(([, value]) => value.includes(canary))).toBe(true);
      if (!provider.needsCredential) {
        const without = JSON.stringify(provider.address(call, undefined));
        expect(without).not.toContain(canary);
        expect(without).not.toMatch(/undefined|null/);
      }
    }
  });

  check('a credential with line breaks never reaches a header', () => {
    const provider = createFrom(entry);
    for (const call of callsFor(provider, 'some-model')) {
      for (const credential of [`${canary}\r\nx-evil: 1`, `${canary}\n`, `${canary}\u0000`, '']) {
        const addressing = addressOrRefusal(provider, call, credential);
        if (addressing) expectSafeAddress(addressing);
      }
    }
  });

  check('no model name changes the host or leaves its place in the path', () => {
    const provider = createFrom(entry);
    const segmentsOf = new Map(
      callsFor(provider, 'plain').map(
        (call) =>
          [JSON.stringify({ ...call, model: '' }), provider.address(call, canary).path.split('/').length] as const,
      ),
    );
    for (const model of hostileNames) {
      for (const call of callsFor(provider, model)) {
        const addressing = addressOrRefusal(provider, call, canary);
        if (!addressing) continue;
        expectSafeAddress(addressing);
        expect(addressing.path.split('/').length).toBe(segmentsOf.get(JSON.stringify({ ...call, model: '' })) ?? -1);
      }
    }
    fc.assert(
      fc.property(anyName, (model) => {
        for (const call of callsFor(provider, model)) {
          const addressing = addressOrRefusal(provider, call, canary);
          if (addressing) expectSafeAddress(addressing);
        }
      }),
      { numRuns: 200 },
    );
  });
}

function checkFaults(check: AddCheck, entry: PluginEntry<'provider'>): void {
  const bodies = [
    '',
    '{}',
    'null',
    '[]',
    '"text"',
    '{"error":null}',
    '{"error":"text"}',
    '{"error":{"code":429}}',
    '{"error":{"code":{}}}',
    '{"error":{"message":"x","type":[],"code":null}}',
    '<html>blocked</html>',
    '{"error":{"mess',
    '\u0000\ufffd',
    'x'.repeat(65_536),
    '[{"error":{"code":1e308}}]',
    '{"error":{"error":{"error":{}}}}',
  ];

  check('classify is total over statuses and bodies', () => {
    const provider = createFrom(entry);
    for (let status = 100; status <= 599; status++) {
      for (const body of bodies) {
        const failure = { status, headers: new Map([['content-type', 'application/json']]), body };
        const fault = provider.classify(failure);
        // Thousands are asked: what is right is not worth an expectation.
        if (!faultClasses.includes(fault) || provider.classify(failure) !== fault)
          throw new Error(`status ${status}, body ${body.slice(0, 60)}: answered ${String(fault)}, no fault class or not always`);
      }
    }
  });

  check('classify survives any JSON body', () => {
    const provider = createFrom(entry);
    const anyBody = fc.oneof(
      fc.json(),
      fc.json().map((inner) => `{"error":${inner}}`),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 599 }), anyBody, (status, body) => {
        expect(faultClasses).toContain(provider.classify({ status, headers: new Map(), body }));
      }),
      { numRuns: 300 },
    );
  });

  check('explain gives text or nothing, whatever the body is', () => {
    const provider = createFrom(entry);
    const explained = (body: string): void => {
      const text: unknown = provider.explain?.({ status: 400, headers: new Map(), body });
      if (text !== undefined) expect(text).toBeString();
    };
    for (const body of bodies) explained(body);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.json().map((inner) => `{"error":${inner}}`),
        ),
        explained,
      ),
    );
  });

  check('a status without a body is blamed on the right one', () => {
    const provider = createFrom(entry);
    const blame = (status: number) => provider.classify({ status, headers: new Map(), body: '' });
    expect([blame(401), blame(429), blame(400)]).toEqual(['credential', 'rate-limit', 'request']);
    for (const status of [301, 302, 307, 308, 500, 502, 503, 504, 520, 529]) {
      expect([status, blame(status)]).toEqual([status, 'unavailable']);
    }
  });
}

function checkModels(check: AddCheck, entry: PluginEntry<'provider'>): void {
  check('models are unique, bounded and served', () => {
    const provider = createFrom(entry);
    const names = provider.models.map(({ model }) => model);
    expect(new Set(names).size).toBe(names.length);
    for (const model of provider.models) {
      expect(model.model.length).toBeGreaterThan(0);
      expect(model.operations.length).toBeGreaterThan(0);
      for (const operation of model.operations) expect(servedOperations(provider)).toContain(operation);
      expect(Number.isSafeInteger(model.contextTokens) && model.contextTokens > 0).toBe(true);
      expect(Number.isSafeInteger(model.outputTokensMax) && model.outputTokensMax >= 0).toBe(true);
    }
  });

  check('list prices are non-negative and price every part', () => {
    const provider = createFrom(entry);
    for (const { model, operations: served, listPrice } of provider.models) {
      if (!listPrice) continue;
      expect(listPrice.currency).toMatch(/^[A-Z]{3}$/);
      for (const [part, rate] of Object.entries(listPrice.rates)) {
        expect(usageParts as readonly string[]).toContain(part);
        expect(typeof rate === 'bigint' && rate >= 0n).toBe(true);
      }
      for (const part of served.flatMap((operation) => provider.parts(operation))) {
        const parent = part === 'reasoning' ? parentPart[part] : undefined;
        const rate = listPrice.rates[part] ?? (parent && listPrice.rates[parent]);
        if (rate === undefined) throw new Error(`${model}: its list price has no rate for ${part}`);
      }
    }
  });
}

/** What the suite checks of one provider: what `Provider` says, with samples of its vendor's usage blocks. */
export const providerChecks = (
  entry: PluginEntry<'provider'>,
  { samples }: ProviderExpectations,
): readonly Check[] =>
  listChecks((check) => {
    checkEntry(check, 'provider', entry);
    checkDeclaration(check, entry);
    checkAddressing(check, entry);
    checkUsage(check, entry, samples);
    checkFaults(check, entry);
    checkModels(check, entry);
  });

/** Runs the suite for one provider. */
export const describeProvider = (entry: PluginEntry<'provider'>, suite: ProviderSuite): void =>
  describeChecks(suite.name, () => providerChecks(entry, suite));
