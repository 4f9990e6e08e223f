// Case G7 of the attack catalogue: no text that comes from outside changes what every object has. Each way in is tried
// with the names that lead to prototypes, and after each a canary says whether anything got there: bodies, headers,
// queries and cookies of clients, admin bodies, replies of upstreams, documents, configs and names on the command line.
// That admin bodies refuse such fields at their top is shown with the routes of accounts; here they stand at any depth.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { Type } from '@sinclair/typebox';
import { Elysia } from 'elysia';
import { runCommand } from '../../src/cli/commands.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { parseDocument } from '../../src/domain/terms/parse-document.ts';
import { readEnvironment } from '../../src/environment.ts';
import type { GatewayConfig } from '../../src/plugin/index.ts';
import { protocolOf } from '../../src/protocols/protocols.ts';
import defaultTerms from '../../policies/default-terms.md' with { type: 'text' };
import { field, testConfig, textField } from '../support/gateway.ts';
import { startWatchedGateway, type WatchedGateway } from './watched-gateway.ts';

/** What the roots of all objects have, before anything arrives. */
const roots = [Object.prototype, Array.prototype, Function.prototype, String.prototype, Map.prototype, Object];
const inventory = () => roots.map((root) => Reflect.ownKeys(root).map(String).join());
const clean = inventory();
function expectIntact(): void {
  expect(Reflect.get({}, 'polluted')).toBeUndefined();
  expect(Reflect.get([], 'polluted')).toBeUndefined();
  expect(inventory()).toEqual(clean);
}
afterEach(expectIntact);

/** One that resolves: without the simulator's address, which is known only once it serves. */
const configOf = (more: Partial<GatewayConfig> = {}): GatewayConfig => {
  const upstreams = [{ name: 'simulator', provider: 'simulator', baseUrl: 'http://127.0.0.1:9/v1', addresses: 'any' }];
  return testConfig({ upstreams: upstreams as GatewayConfig['upstreams'], ...more });
};

const loads = [
  '"__proto__":{"polluted":"yes","admin":true}',
  '"constructor":{"prototype":{"polluted":"yes"}}',
  '"prototype":{"polluted":"yes"}',
  '"\\u005f_proto__":{"polluted":"yes"}',
  '"__proto__.polluted":"yes"',
  '"__defineGetter__":"yes"',
];

/** The JSON text with the load put into every object of it, one at a time. */
function withLoad(text: string, load: string): readonly string[] {
  const places = [...text.matchAll(/\{/g)].map(({ index }) => index + 1);
  return places.map((at) => `${text.slice(0, at)}${load}${text[at] === '}' ? '' : ','}${text.slice(at)}`);
}

let watched: WatchedGateway;
beforeAll(async () => {
  watched = await startWatchedGateway();
});
afterAll(() => watched.stop());

test('the canary dies where somebody merges without care', () => {
  const merge = (into: object, from: object): void => {
    for (const [name, value] of Object.entries(from)) {
      const there: unknown = Reflect.get(into, name);
      if (typeof there === 'object' && there !== null && typeof value === 'object') merge(there, value);
      else Reflect.set(into, name, value);
    }
  };
  merge({}, JSON.parse('{"__proto__":{"polluted":"yes"}}'));
  expect(expectIntact).toThrow();
  Reflect.deleteProperty(Object.prototype, 'polluted');
});

describe('G7: from clients', () => {
  test.each([
    ['/chat/completions', '{"model":"sim/fast","messages":[{"role":"user","content":"x"}],"metadata":{"a":"b"}}'],
    ['/chat/completions', '{"model":"sim/fast","stream":true,"stream_options":{},"messages":[{"role":"user"}]}'],
    ['/embeddings', '{"model":"sim/embed","input":"x"}'],
  ])('%s: the body goes on as it came, or is refused', async (path, body) => {
    for (const load of loads) {
      for (const polluted of withLoad(body, load)) {
        const before = watched.seen.length;
        const response = await watched.gateway.client(path, polluted);
        await response.text();
        expect([polluted, response.status < 500]).toEqual([polluted, true]);
        if (response.status !== 200) continue;
        expect(watched.seen.length).toBe(before + 1);
        const sent = Buffer.from(watched.seen.at(-1)?.body ?? '').toString();
        expect(sent.replace('"include_usage":true', '')).toContain(load);
        expectIntact();
      }
    }
  });

  test('headers, query and cookies', async () => {
    const { url, apiKey, operatorKey } = watched.gateway;
    const query = '__proto__[polluted]=yes&__proto__.polluted=yes&constructor[prototype][polluted]=yes&constructor=1';
    const asked = [['/v1/models', apiKey], ['/admin/v1/accounts', operatorKey], ['/terms', ''], ['/status', '']];
    for (const [path, key] of asked) {
      const response = await fetch(`${url}${path}?${query}`, {
        headers: {
          authorization: `Bearer ${key}`, constructor: 'polluted', 'x-__proto__': 'polluted', __proto__x: 'yes',
          cookie: '__proto__=polluted; constructor.prototype.polluted=yes; __proto__[polluted]={"a":1}',
        },
      });
      expect([path, response.status < 500]).toEqual([path, true]);
      expectIntact();
    }
  });
});

describe('G7: from operators', () => {
  test('at any depth of a body is refused, where the same body without it is taken', async () => {
    const { admin, url, operatorKey } = watched.gateway;
    const account = textField((await admin('POST', '/accounts', { kind: 'person', name: 'A' })).body, 'id');
    const bodies: readonly (readonly [method: string, path: string, body: string])[] = [
      ['PATCH', `/accounts/${account}`, '{"limits":{"concurrency":5},"budgets":{"day":{"capNano":"5"}}}'],
      ['POST', '/api-keys', `{"accountId":"${account}","name":"k","limits":{"concurrency":1}}`],
      ['POST', '/groups', '{"name":"g1","limits":{"requestsPerMinute":1}}'],
      ['POST', '/upstreams', '{"name":"u1","provider":"simulator","baseUrl":"http://127.0.0.1:9/v1","addresses":"any"}'],
      ['POST', '/models', '{"name":"m1","contextTokens":10,"outputTokensMax":5,"offers":[{"upstream":"u1"}]}'],
      ['POST', '/models/m1/prices', '{"currency":"USD","rates":{"input":"1","cacheRead":"1","output":"1"}}'],
      ['POST', `/accounts/${account}/top-ups`, '{"amountNano":"5","currency":"USD","source":"promotion","reason":"r"}'],
    ];
    const send = async (method: string, path: string, body: string): Promise<number> => {
      const headers = { authorization: `Bearer ${operatorKey}`, 'content-type': 'application/json' };
      return (await fetch(`${url}/admin/v1${path}`, { method, headers, body })).status;
    };
    for (const [method, path, body] of bodies) {
      for (const load of loads) {
        for (const polluted of withLoad(body, load)) {
          expect([path, polluted, await send(method, path, polluted)]).toEqual([path, polluted, 400]);
          expectIntact();
        }
      }
      expect([path, (await send(method, path, body)) < 300]).toEqual([path, true]);
    }
  });

  test('names of presets, commands and variables that every object has are nobody\'s', async () => {
    const words: string[] = [];
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__']) {
      const environment = readEnvironment({});
      expect([name, environment.secret(name)]).toEqual([name, undefined]);
      const config = configOf({ presets: { real: { summary: 'x', policies: [], terms: [] } } });
      const resolved = resolveConfig(config, { secret: () => undefined, preset: name });
      const message = expect.stringContaining(`no preset is called '${name}'`);
      expect(resolved).toMatchObject({ ok: false, problems: [{ path: 'preset', message }] });
      const print = (text: string) => void words.push(text);
      const context = { environment, builtIn: config, modules: {}, print, printError: print };
      expect([name, await runCommand([name], context)]).toEqual([name, 2]);
      expect(words.at(-1)).toContain(`there is no command '${name}'`);
    }
  });

  test('options and fields of a config, also of one that was read from JSON', () => {
    for (const load of loads.slice(0, 3)) {
      const evil: object = JSON.parse(`{${load}}`);
      const base = configOf();
      expect(resolveConfig(base, { secret: () => undefined, preset: undefined }).ok).toBe(true);
      const [upstream] = base.upstreams;
      const whole: unknown = JSON.parse(`{"terms":[{"file":"a.md","text":"x",${load}}]}`);
      const configs: readonly GatewayConfig[] = [
        Object.defineProperties(configOf(), Object.getOwnPropertyDescriptors(evil)),
        { ...base, upstreams: [Object.defineProperties({ ...upstream! }, Object.getOwnPropertyDescriptors(evil))] },
        { ...base, terms: field(whole, 'terms') as never },
        configOf({ addressLimits: Object.defineProperties({}, Object.getOwnPropertyDescriptors(evil)) }),
      ];
      for (const config of configs) {
        expect(resolveConfig(config, { secret: () => undefined, preset: undefined }).ok).toBe(false);
        expectIntact();
      }
    }
  });

  test('the front matter of terms', () => {
    for (const line of ['__proto__: yes', 'constructor: yes', 'constructor.prototype.polluted: yes', 'toString: x']) {
      const result = parseDocument(defaultTerms.replace('---\n', `---\n${line}\n`));
      expect([line, JSON.stringify(result).includes('front matter')]).toEqual([line, true]);
    }
  });
});

describe('G7: from upstreams', () => {
  const resolved = resolveConfig(configOf(), { secret: () => undefined, preset: undefined });
  const providers = resolved.ok ? resolved.resolved.providers.map(({ plugin }) => plugin) : [];
  const usage = '{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":1}}';

  test('a usage block counts what it says of itself alone', () => {
    expect(providers.length).toBe(2);
    const chat = protocolOf('openai-chat');
    for (const load of [...loads, '"__proto__":{"prompt_tokens":900,"cached_tokens":900}']) {
      for (const block of withLoad(usage, load)) {
        const reply = Buffer.from(`{"choices":[{"message":{"content":"x"}}],"usage":${block}}`);
        const reading = chat.readReply(reply);
        for (const provider of providers) {
          const { parts } = provider.usage(reading.usage, 'chat', 'openai-chat') ?? { parts: {} };
          expect(parts).toMatchObject({ input: 2, cacheRead: 1, output: 2 });
        }
        expectIntact();
      }
    }
    const inherited = '{"__proto__":{"prompt_tokens":9}}';
    const onlyInherited = Buffer.from(`{"choices":[{"message":{"content":"x"}}],"usage":${inherited}}`);
    const { parts } = providers[0]?.usage(chat.readReply(onlyInherited).usage, 'chat', 'openai-chat') ?? { parts: {} };
    expect(Object.values(parts).filter((count) => count !== 0)).toEqual([]);
  });

  test('an error body names its class by itself alone', () => {
    for (const provider of providers) {
      for (const load of loads) {
        const body = `{"error":{${load},"message":"m"},${load}}`;
        expect(provider.classify({ status: 400, headers: new Map([['__proto__', 'x']]), body })).toBe('request');
        expectIntact();
      }
    }
  });
});

describe('G7: schemas', () => {
  test('have no defaults: what is left out is not filled in with text that becomes code', async () => {
    const { admin, terms } = await watched.gateway.serving.gateway.describedApps();
    const withDefault: string[] = [];
    const search = (value: unknown, path: string, seen: Set<unknown>): void => {
      if (typeof value !== 'object' || value === null || seen.has(value)) return;
      seen.add(value);
      if (Object.hasOwn(value, 'default') && Object.hasOwn(value, 'type')) withDefault.push(path);
      for (const [name, member] of Object.entries(value)) search(member, `${path}/${name}`, seen);
    };
    for (const app of [admin, terms]) {
      if (app === undefined) throw new Error('there is no such face');
      for (const { path, hooks } of app.routes) {
        const { body, query, params, response } = hooks as Record<string, unknown>;
        search({ body, query, params, response }, path, new Set());
      }
    }
    expect(withDefault).toEqual([]);
  });

  test('and were there one with quotes, this framework would not run it', async () => {
    for (const quote of ['"', "'", '`', '\\"', '${', '\u2028']) {
      const evil = `${quote};globalThis.polluted=1;Object.prototype.polluted=1//${quote}`;
      const body = Type.Object({ a: Type.Optional(Type.String({ default: evil, description: evil })) });
      const app = new Elysia({ normalize: false }).post('/', ({ body: read }) => read, { body });
      const headers = { 'content-type': 'application/json' };
      const answer = await app.handle(new Request('http://localhost/', { method: 'POST', headers, body: '{}' }));
      await answer.text();
      expect(answer.status).toBeLessThan(600);
      expect(Reflect.get(globalThis, 'polluted')).toBeUndefined();
      expectIntact();
    }
  });
});
