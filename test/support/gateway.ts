// A whole gateway in this process, on free ports and a data folder of its own, with the simulator behind it: the way
// that an operator's goes, without the executable. Everything is gone when the test is.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { serve, type CommandContext, type Serving } from '../../src/cli/serve.ts';
import { readEnvironment } from '../../src/environment.ts';
import { defineGateway, simulatorAddress, type GatewayConfig, type ModelConfig } from '../../src/plugin/index.ts';
import {
  openAiCompatible,
  priority,
  requestPrice,
  simulator,
  termsAcceptance,
  tokenPrice,
  weighted,
} from '../../plugins/index.ts';
import defaultTerms from '../../policies/default-terms.md' with { type: 'text' };

/** Recorded replies of real providers, where this machine has them. */
export const recordingsFolder = resolve(
  process.env['TOLLGATE_RECORDINGS'] ?? join(import.meta.dir, '../../../shared/recordings'),
);
export const haveRecordings = existsSync(join(recordingsFolder, 'index.jsonl'));

export const testRates = { input: 100_000n, cacheRead: 10_000n, output: 400_000n };

/** A model of the simulator, at the price of `sim/echo` in the default config. */
export const simulatorModel = (name: string, more: Partial<ModelConfig> = {}): ModelConfig => ({
  name,
  operations: ['chat', 'completions'],
  contextTokens: 128_000,
  outputTokensMax: 16_384,
  price: { currency: 'USD', rates: testRates },
  offers: [{ upstream: 'simulator' }],
  ...more,
});

export const testConfig = (more: Partial<GatewayConfig> = {}): GatewayConfig =>
  defineGateway({
    providers: [openAiCompatible(), simulator()],
    routing: [priority(), weighted()],
    billing: [tokenPrice(), requestPrice()],
    policies: [termsAcceptance()],
    upstreams: [{ name: 'simulator', provider: 'simulator', baseUrl: simulatorAddress, addresses: 'any' }],
    models: [
      simulatorModel('sim/echo'),
      simulatorModel('sim/fast'),
      simulatorModel('sim/embed', { operations: ['embeddings'], contextTokens: 8_192, outputTokensMax: 0 }),
    ],
    terms: [{ file: 'policies/default-terms.md', text: defaultTerms }],
    ...more,
  });

/** Ways to call a gateway, wherever it runs. */
export interface GatewayCalls {
  /** A call of the admin API; `path` is relative to `/admin/v1`. */
  admin(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: Record<string, unknown> }>;
  /** A call of the client API with the first key; `path` is relative to `/v1`. */
  client(path: string, body: unknown, headers?: Record<string, string>, signal?: AbortSignal): Promise<Response>;
  /** An account of its own with that much money in nano-units, and a key for it. */
  fundedKey(
    amountNano: bigint,
    key?: Record<string, unknown>,
  ): Promise<{ readonly accountId: string; readonly apiKey: string; readonly apiKeyId: string }>;
}

export interface TestGateway extends GatewayCalls {
  /** Origin without a trailing slash. */
  readonly url: string;
  readonly apiKey: string;
  readonly operatorKey: string;
  readonly dataFolder: string;
  readonly serving: Serving;
  /** Lines that were logged. */
  readonly log: readonly string[];
  stop(): Promise<void>;
}

export interface TestGatewayOptions {
  readonly config?: GatewayConfig;
  /** The environment beside what the test needs itself; nothing of this process's is taken over. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly argv?: readonly string[];
  readonly dataFolder?: string;
  /** What a config file of `argv` may import by name. */
  readonly modules?: CommandContext['modules'];
  /** How long a config file may take to be evaluated. */
  readonly configEvaluationMs?: number;
  /** Other deadlines than the product's, a disk that is held back. */
  readonly surroundings?: NonNullable<CommandContext['surroundings']>;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function field(value: unknown, ...path: readonly string[]): unknown {
  let at = value;
  for (const name of path) at = isRecord(at) ? at[name] : undefined;
  return at;
}

export function textField(value: unknown, ...path: readonly string[]): string {
  const found = field(value, ...path);
  if (typeof found !== 'string') throw new Error(`${path.join('.')} is no text in ${JSON.stringify(value)}`);
  return found;
}

export function gatewayCalls(url: string, apiKey: string, operatorKey: string): GatewayCalls {
  const admin: GatewayCalls['admin'] = async (method, path, body, headers = {}) => {
    const response = await fetch(`${url}/admin/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${operatorKey}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const parsed: unknown = text === '' ? {} : JSON.parse(text);
    return { status: response.status, body: isRecord(parsed) ? parsed : {} };
  };
  return {
    admin,
    client: (path, body, headers = {}, signal) =>
      fetch(`${url}/v1${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...(signal === undefined ? {} : { signal }),
      }),
    async fundedKey(amountNano, key = {}) {
      const account = await admin('POST', '/accounts', { kind: 'person', name: 'Test', currency: 'USD' });
      const accountId = textField(account.body, 'id');
      if (amountNano > 0n) {
        const topUp = await admin('POST', `/accounts/${accountId}/top-ups`, {
          amountNano: amountNano.toString(),
          currency: 'USD',
          source: 'promotion',
          reason: 'test',
        });
        if (topUp.status !== 201) throw new Error(JSON.stringify(topUp));
      }
      const created = await admin('POST', '/api-keys', { accountId, name: 'test', ...key });
      if (created.status !== 201) throw new Error(JSON.stringify(created));
      return { accountId, apiKey: textField(created.body, 'key'), apiKeyId: textField(created.body, 'id') };
    },
  };
}

export async function startTestGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const dataFolder = options.dataFolder ?? mkdtempSync(join(tmpdir(), 'tollgate-test-'));
  const log: string[] = [];
  const serving = await serve(['--port', '0', '--data', dataFolder, ...(options.argv ?? [])], {
    environment: readEnvironment({
      TOLLGATE_SIMULATOR_FAULTS: '1',
      ...(haveRecordings ? { TOLLGATE_RECORDINGS: recordingsFolder } : {}),
      ...options.environment,
    }),
    builtIn: options.config ?? testConfig(),
    modules: options.modules ?? {},
    print: () => {},
    printError: (line) => void log.push(line),
    ...(options.configEvaluationMs === undefined ? {} : { configEvaluationMs: options.configEvaluationMs }),
    ...(options.surroundings === undefined ? {} : { surroundings: options.surroundings }),
  });
  const { url } = serving.server;
  const operatorKey = serving.operator.key;
  const apiKey = serving.firstStart?.apiKey ?? '';
  serving.firstStart?.printed();
  return {
    url,
    apiKey,
    operatorKey,
    dataFolder,
    serving,
    log,
    ...gatewayCalls(url, apiKey, operatorKey),
    async stop() {
      await serving.stop();
      if (options.dataFolder === undefined) rmSync(dataFolder, { recursive: true, force: true });
    },
  };
}
