// A gateway that offers every recorded reply of the four chat protocols as a model, each behind the provider of the
// vendor that it was recorded from. The folder is read, so that new recordings count without new code.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineGateway, fromEnvironment, simulatorAddress } from '../../../src/plugin/index.ts';
import type { GatewayConfig, ModelConfig, PluginEntry } from '../../../src/plugin/index.ts';
import { simulator, tokenPrice, weighted } from '../../../plugins/index.ts';
import { field, recordingsFolder, startTestGateway } from '../../support/gateway.ts';
import type { TestGateway } from '../../support/gateway.ts';
import { providerOf } from '../../support/recorded-vendors.ts';
import { chatProtocols } from './read-with-sdk.ts';
import type { ChatProtocol } from './read-with-sdk.ts';

export interface Replay {
  readonly id: string;
  readonly protocol: ChatProtocol;
  readonly provider: string;
  readonly stream: boolean;
  readonly status: number;
  readonly response: Buffer;
  readonly expected: unknown;
  readonly notes: readonly string[];
}

const isChatProtocol = (name: unknown): name is ChatProtocol => chatProtocols.some((each) => each === name);

export function replays(): readonly Replay[] {
  return readFileSync(join(recordingsFolder, 'index.jsonl'), 'utf8')
    .split('\n')
    .flatMap((line): Replay[] => {
      if (line === '') return [];
      const entry: unknown = JSON.parse(line);
      const protocol = field(entry, 'format');
      if (!isChatProtocol(protocol)) return [];
      const notes = field(entry, 'usage_notes');
      return [
        {
          id: String(field(entry, 'id')),
          protocol,
          provider: String(field(entry, 'provider')),
          stream: field(entry, 'stream') === true,
          status: Number(field(entry, 'status')),
          response: readFileSync(join(recordingsFolder, String(field(entry, 'response')))),
          expected: field(entry, 'usage_expected') ?? undefined,
          notes: Array.isArray(notes) ? notes.map(String) : [],
        },
      ];
    });
}

/** Micro-units per million; each part has another price, so that none can stand for another. */
export const rates = {
  input: 123_457n,
  cacheRead: 12_347n,
  cacheWrite5m: 154_321n,
  cacheWrite1h: 246_913n,
  output: 765_433n,
  reasoning: 987_653n,
  toolCalls: 1_000_003n,
};

/** The provider of the recording's vendor, as it is when it speaks the recording's protocol before all others. */
function providerFor({ protocol, provider: vendor }: Replay): PluginEntry<'provider'> {
  const entry = providerOf(vendor, protocol);
  if (entry === undefined) throw new Error(`${vendor} has no provider`);
  const create: typeof entry.create = (options) => ({ ...entry.create(options), speaks: { chat: [protocol] } });
  return { ...entry, name: `${entry.name}-${protocol}`, create };
}

export function replayConfig(all: readonly Replay[]): GatewayConfig {
  const providers = new Map(all.map(providerFor).map((entry) => [entry.name, entry]));
  return defineGateway({
    providers: [simulator(), ...providers.values()],
    routing: [weighted()],
    billing: [tokenPrice()],
    policies: [],
    upstreams: [...providers.keys()].map((name) => ({
      name,
      provider: name,
      baseUrl: simulatorAddress,
      addresses: 'any' as const,
      credential: fromEnvironment('REPLAY_KEY'),
    })),
    models: all.map(
      (replay): ModelConfig => ({
        name: `replay-${replay.id}`,
        operations: ['chat'],
        contextTokens: 1_000_000,
        outputTokensMax: 131_072,
        price: { currency: 'USD', rates },
        offers: [{ upstream: providerFor(replay).name, model: `sim/replay/${replay.id}` }],
      }),
    ),
  });
}

export const startReplayGateway = (all: readonly Replay[]): Promise<TestGateway> =>
  startTestGateway({ config: replayConfig(all), environment: { REPLAY_KEY: 'sk-for-the-simulator' } });
