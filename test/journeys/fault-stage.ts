// A gateway before a simulator that fails on purpose: each fault is a model of its own on an upstream of its own, alone
// and with a healthy upstream behind it, so that what one fault does to an upstream's health touches no other.

import type { Deadlines } from '../../src/core/bounds.ts';
import type { ModelConfig, UpstreamConfig } from '../../src/plugin/index.ts';
import { brokenTlsBaseUrl, refusedBaseUrl, unresolvableBaseUrl } from '../../src/simulator/addresses.ts';
import { faultModelNames } from '../../src/simulator/faults/index.ts';
import { simulator } from '../../plugins/index.ts';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import type { ChatProtocol } from './crossed/read-with-sdk.ts';
import {
  field,
  simulatorModel,
  startTestGateway,
  testConfig,
  testRates,
  type TestGateway,
} from '../support/gateway.ts';

/** Short enough for a test, long enough for a machine that is busy with other things. */
export const quickDeadlines: Deadlines = {
  requestBodyMs: 10_000,
  connectMs: 3_000,
  responseHeadMs: 2_000,
  silenceMs: 1_500,
  contentSilenceMs: 20_000,
  totalMs: 60_000,
  clientStallMs: 1_500,
  drainMs: 2_000,
};

export const contextTokens = 32_000;
export const outputTokensMax = 1_000;

export interface FaultStage {
  readonly gateway: TestGateway;
  /** The one that fails. */
  readonly failing: Simulator;
  /** The one that is asked next. */
  readonly healthy: Simulator;
  stop(): Promise<void>;
}

const kebab = (fault: string) => fault.replace('sim/', '').toLowerCase();
export const upstreamOf = (fault: string) => `of-${kebab(fault)}`;
export const alone = (fault: string) => `alone-${kebab(fault)}`;
export const withSecond = (fault: string) => `second-${kebab(fault)}`;

/** Faults that only an upstream's address can show, named as if they were models. */
export const addressFaultNames = ['sim/u01', 'sim/u31-dns', 'sim/u31-tls'] as const;

/** `protocol`: the only one that the upstreams speak for chat; all four if left out. */
export async function startFaultStage(
  deadlines: Deadlines = quickDeadlines,
  protocol?: ChatProtocol,
): Promise<FaultStage> {
  const failing = startSimulator({ faults: true });
  const healthy = startSimulator();
  const baseUrls = [await refusedBaseUrl(), unresolvableBaseUrl, brokenTlsBaseUrl(failing.port)];
  const addresses = addressFaultNames.map((fault, index) => [fault, baseUrls[index] ?? ''] as const);
  const model = (name: string, more: Partial<ModelConfig>): ModelConfig =>
    simulatorModel(name, { contextTokens, outputTokensMax, strategy: 'priority', ...more });
  const upstream = (fault: string, baseUrl: string): UpstreamConfig => ({
    name: upstreamOf(fault),
    provider: 'simulator',
    baseUrl,
    addresses: 'any',
  });
  const modelsOf = (fault: string) => {
    const first = { upstream: upstreamOf(fault), model: fault };
    return [
      model(alone(fault), { offers: [first] }),
      model(withSecond(fault), { offers: [first, { upstream: 'healthy', model: 'sim/fast' }] }),
    ];
  };
  const gateway = await startTestGateway({
    surroundings: { deadlines },
    config: testConfig({
      ...(protocol === undefined ? {} : { providers: [simulator({ protocols: [protocol] })] }),
      upstreams: [
        { name: 'healthy', provider: 'simulator', baseUrl: healthy.url, addresses: 'any', priority: 1 },
        ...faultModelNames.map((fault) => upstream(fault, failing.url)),
        ...addresses.map(([fault, baseUrl]) => upstream(fault, baseUrl)),
      ],
      models: [
        model('honest', { offers: [{ upstream: 'healthy', model: 'sim/fast' }] }),
        ...faultModelNames.flatMap(modelsOf),
        ...addresses.flatMap(([fault]) => modelsOf(fault)),
      ],
    }),
  });
  return {
    gateway,
    failing,
    healthy,
    async stop() {
      await gateway.stop();
      failing.close();
      healthy.close();
    },
  };
}

export interface Heard {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly bytes: number;
  /** The body broke off below HTTP. */
  readonly cut: boolean;
  readonly record: Record<string, unknown>;
}

/** The text that is asked for; the simulator echoes it. Six tokens in, four out. */
export const prompt = 'alpha beta gamma delta';

/** One call, read to its end, with the record that it left. */
export async function hear(gateway: TestGateway, model: string, stream: boolean, text = prompt): Promise<Heard> {
  const answer = await gateway.client('/chat/completions', {
    model,
    messages: [{ role: 'user', content: text }],
    ...(stream ? { stream } : {}),
  });
  return heardOf(gateway, answer);
}

/** The answer to its end, with the record that it left. */
export async function heardOf(gateway: TestGateway, answer: Response): Promise<Heard> {
  const body = await readBody(answer);
  return {
    status: answer.status,
    headers: answer.headers,
    ...body,
    record: await recordOf(gateway, answer.headers.get('x-request-id') ?? 'none'),
  };
}

async function readBody(answer: Response): Promise<Pick<Heard, 'text' | 'bytes' | 'cut'>> {
  const pieces: Uint8Array[] = [];
  let cut = false;
  try {
    for await (const piece of answer.body ?? []) pieces.push(piece);
  } catch {
    cut = true;
  }
  const whole = Buffer.concat(pieces);
  return { text: whole.toString('latin1'), bytes: whole.length, cut };
}

/** The record, as soon as it can be read: a client may have left before it was written. */
export async function recordOf(gateway: TestGateway, requestId: string): Promise<Record<string, unknown>> {
  const until = Date.now() + 10_000;
  for (;;) {
    const { status, body } = await gateway.admin('GET', `/usage/${requestId}`);
    if (status === 200) return body;
    if (Date.now() > until) throw new Error(`no record of ${requestId} (${status})`);
  }
}

/** Asks often enough that the retries of a test stay a small share of all requests. */
export async function feedRetryBudget(gateway: TestGateway, requests: number): Promise<void> {
  const asking = async () => {
    for (let left = requests / 10; left > 0; left--) {
      await (
        await gateway.client('/chat/completions', { model: 'honest', messages: [{ role: 'user', content: 'hi' }] })
      ).text();
    }
  };
  await Promise.all(Array.from({ length: 10 }, asking));
}

export const nanoOf = (input: number, output: number): bigint =>
  (BigInt(input) * testRates.input + BigInt(output) * testRates.output + 999n) / 1000n;
export const chargeOf = (record: Record<string, unknown>): bigint => BigInt(String(field(record, 'chargeNano')));
