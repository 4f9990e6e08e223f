// What the pipeline's tests share: a gateway before a simulator whose counters can be seen, a client that leaves as it
// likes, and ways to wait for what must come.

import type { Deadlines } from '../../src/core/bounds.ts';
import type { UpstreamConfig } from '../../src/plugin/index.ts';
import { simulator as simulatorPlugin } from '../../plugins/index.ts';
import type { ChatProtocol } from '../journeys/crossed/read-with-sdk.ts';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import { dechunk, exchange, type Exchange } from '../simulator/raw-client.ts';
import {
  field,
  simulatorModel,
  startTestGateway,
  testConfig,
  testRates,
  type TestGateway,
  type TestGatewayOptions,
} from '../support/gateway.ts';

export const quickDeadlines: Deadlines = {
  requestBodyMs: 10_000,
  connectMs: 5_000,
  responseHeadMs: 20_000,
  silenceMs: 20_000,
  contentSilenceMs: 20_000,
  totalMs: 60_000,
  clientStallMs: 1_500,
  drainMs: 1_500,
};

export interface Stage {
  readonly gateway: TestGateway;
  readonly simulator: Simulator;
  stop(): Promise<void>;
}

export interface StageOptions extends Pick<TestGatewayOptions, 'surroundings' | 'dataFolder'> {
  readonly upstream?: Partial<UpstreamConfig>;
  /** The only protocol that the upstream speaks for chat. All four if left out. */
  readonly protocol?: ChatProtocol;
}

export async function startStage({
  upstream = {},
  surroundings = {},
  dataFolder,
  protocol,
}: StageOptions = {}): Promise<Stage> {
  const simulator = startSimulator();
  const gateway = await startTestGateway({
    surroundings: { deadlines: quickDeadlines, ...surroundings },
    ...(dataFolder === undefined ? {} : { dataFolder }),
    config: testConfig({
      ...(protocol === undefined ? {} : { providers: [simulatorPlugin({ protocols: [protocol] })] }),
      upstreams: [{ name: 'simulator', provider: 'simulator', baseUrl: simulator.url, addresses: 'any', ...upstream }],
      models: [simulatorModel('sim/echo'), simulatorModel('sim/fast')],
    }),
  });
  return {
    gateway,
    simulator,
    async stop() {
      await gateway.stop();
      simulator.close();
    },
  };
}

export const chatBody = (text: string, more: object = {}) => ({
  model: 'sim/fast',
  messages: [{ role: 'user', content: text }],
  ...more,
});

/** A connection of its own, with a chat request on it. */
export function leavingClient({ url, apiKey }: Pick<TestGateway, 'url' | 'apiKey'>, body: object): Exchange {
  const text = JSON.stringify(body);
  const { host, port } = new URL(url);
  const head = [
    'POST /v1/chat/completions HTTP/1.1',
    `host: ${host}`,
    `authorization: Bearer ${apiKey}`,
    'content-type: application/json',
  ];
  return exchange(Number(port), `${head.join('\r\n')}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
}

/** The body of a chunked reply so far. */
export function bodyOf(raw: Buffer): string {
  const headEnd = raw.indexOf('\r\n\r\n');
  return headEnd < 0 ? '' : dechunk(raw.subarray(headEnd + 4)).body.toString();
}

/** Pieces of text that have come in a stream. */
export const piecesIn = (raw: Buffer): number => bodyOf(raw).split('"delta":{"content":"').length - 1;

/** Waits for a condition; throws with `what` after ten seconds. */
export async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const until = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > until) throw new Error(`never came: ${what}`);
    await Bun.sleep(2);
  }
}

/** The only record of an account, or the newest, once there are `count`. */
export async function newestRecord(
  gateway: TestGateway,
  count: number,
  accountId?: string,
): Promise<Record<string, unknown>> {
  let items: readonly unknown[] = [];
  await eventually(`record ${count}`, async () => {
    const { body } = await gateway.admin(
      'GET',
      `/usage?limit=200${accountId === undefined ? '' : `&accountId=${accountId}`}`,
    );
    items = Array.isArray(body['items']) ? body['items'] : [];
    return items.length >= count;
  });
  if (items.length !== count) throw new Error(`${items.length} records instead of ${count}`);
  const { body } = await gateway.admin('GET', `/usage/${String(field(items[0], 'requestId'))}`);
  return body;
}

export const openHolds = ({ serving }: TestGateway): number => serving.gateway.ledger.openHolds.size;

export const nanoOf = (input: number, output: number): string =>
  ((BigInt(input) * testRates.input + BigInt(output) * testRates.output + 999n) / 1000n).toString();
