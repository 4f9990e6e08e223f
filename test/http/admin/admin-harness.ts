// An admin API in memory for tests: a ledger that keeps movements and balances, fixed usage records, known keys.

import type { AnyElysia } from 'elysia';
import type { Clock } from '../../../src/core/clock.ts';
import type { AccountId, Id } from '../../../src/core/ids.ts';
import { newId } from '../../../src/core/ids.ts';
import type { Log } from '../../../src/core/log.ts';
import { generateKey, sha256Hex, systemRandomBytes } from '../../../src/core/secrets.ts';
import type { Balance, Ledger, MovementRequest, MovementResult } from '../../../src/domain/ledger/ledger.ts';
import type { MovementReader } from '../../../src/domain/ledger/movement-reader.ts';
import type { Movement, UsageRecord } from '../../../src/domain/ledger/records.ts';
import type { StoredUsage, UsageReader } from '../../../src/domain/usage/usage-reader.ts';
import type { OperatorScope } from '../../../src/http/admin/actor.ts';
import { memoryIdempotencyStore } from '../../../src/http/admin/idempotency.ts';
import { healthRoutes } from '../../../src/http/admin/routes/health.ts';
import { ledgerRoutes } from '../../../src/http/admin/routes/ledger.ts';
import { usageRoutes } from '../../../src/http/admin/routes/usage.ts';
import { adminApp } from '../../../src/http/admin/shell.ts';

export const keys = {
  admin: generateKey('operator-key', systemRandomBytes),
  metrics: generateKey('operator-key', systemRandomBytes),
  unknown: generateKey('operator-key', systemRandomBytes),
  api: generateKey('api-key', systemRandomBytes),
} as const;

const scopesByHash = new Map<string, { readonly id: string; readonly scopes: readonly OperatorScope[] }>([
  [sha256Hex(keys.admin), { id: 'opk_admin', scopes: ['admin', 'metrics'] }],
  [sha256Hex(keys.metrics), { id: 'opk_metrics', scopes: ['metrics'] }],
]);

export const accountId: AccountId = 'acc_0000000000000000000000000000000a';

/** A clock that stands until it is moved. */
export function standingClock(): Clock & { move(byMs: number): void } {
  let nowMs = Date.UTC(2026, 0, 31, 12);
  return { now: () => nowMs, monotonicMs: () => nowMs, move: (byMs) => void (nowMs += byMs) };
}

export interface MemoryLedger extends Pick<Ledger, 'balance' | 'post' | 'movement' | 'settled'> {
  readonly movements: Movement[];
  readonly reader: MovementReader;
  /** What `post` answers instead of posting. */
  refuseWith: Extract<MovementResult, { posted: false }>['because'] | undefined;
}

export function memoryLedger(clock: Clock): MemoryLedger {
  const movements: Movement[] = [];
  const posted = (): bigint =>
    movements
      .flatMap((movement) => movement.entries)
      .filter((entry) => entry.address === `account/${accountId}`)
      .reduce((sum, entry) => sum + entry.amountNano, 0n);
  const ledger: MemoryLedger = {
    movements,
    refuseWith: undefined,
    balance: async (id): Promise<Balance | undefined> =>
      id === accountId
        ? { accountId, currency: 'USD', postedNano: posted(), heldNano: 0n, overdraftNano: 0n, availableNano: posted() }
        : undefined,
    async post(request: MovementRequest): Promise<MovementResult> {
      const before = movements.find(
        (movement) => movement.idempotencyKey !== undefined && movement.idempotencyKey === request.idempotencyKey,
      );
      if (before !== undefined) {
        return before.inputSha256 === request.inputSha256
          ? { posted: true, movement: before, replayed: true }
          : { posted: false, because: 'idempotency-mismatch' };
      }
      if (ledger.refuseWith !== undefined) return { posted: false, because: ledger.refuseWith };
      const movement: Movement = { ...request, id: newId('mov'), at: clock.now() };
      movements.push(movement);
      return { posted: true, movement, replayed: false };
    },
    movement: async (id) => movements.find((movement) => movement.id === id),
    settled: async () => {},
    reader: {
      list: async (filter, limit, before) =>
        movements
          .toReversed()
          .filter((movement) => before === undefined || movement.id < before)
          .filter((movement) => filter.kind === undefined || movement.kind === filter.kind)
          .filter(
            (movement) =>
              filter.address === undefined || movement.entries.some((leg) => leg.address === filter.address),
          )
          .slice(0, limit),
      trialBalance: async () => [
        { address: 'account/*', currency: 'USD', amountNano: posted(), entries: movements.length },
        { address: 'house/cash/manual', currency: 'USD', amountNano: -posted(), entries: movements.length },
      ],
    },
  };
  return ledger;
}

export function usageRecord(requestId: Id<'req'>, changes: Partial<UsageRecord> = {}): UsageRecord {
  return {
    requestId,
    accountId,
    apiKeyId: 'key_1',
    userId: undefined,
    group: 'friends',
    admittedAt: 1_769_860_800_000,
    endedAt: 1_769_860_801_500,
    firstByteMs: 300,
    operation: 'chat',
    protocol: 'openai-chat',
    model: 'example-large',
    stream: true,
    status: 200,
    outcome: 'finished',
    upstream: 'first',
    attempts: [
      {
        upstream: 'first',
        provider: 'simulator',
        model: 'sim/large',
        startedAt: 1_769_860_800_010,
        durationMs: 1_400,
        status: 200,
        fault: undefined,
        costNano: 900n,
        costCurrency: 'USD',
      },
    ],
    usage: { input: 1_000, output: 100 },
    usageSource: 'upstream',
    flags: [],
    usageText: '{"prompt_tokens":1000}',
    terms: {
      priceVersionId: 'prc_1',
      rule: 'standard',
      currency: 'USD',
      rates: { input: 2_500_000n, output: 10_000_000n },
      perCallNano: 5n,
      multipliers: [{ of: 'group:friends', ppm: 500_000 }],
    },
    lines: [
      { kind: 'quantity', part: 'input', quantity: 1_000, rate: 2_500_000n },
      { kind: 'quantity', part: 'output', quantity: 100, rate: 10_000_000n },
      { kind: 'per-call', amountNano: 5n },
    ],
    heldNano: 4_000_000n,
    chargeNano: 1_750_005n,
    lossNano: 0n,
    address: '203.0.113.9',
    country: 'NL',
    ...changes,
  };
}

export interface UsageAsked {
  filter: unknown;
  limit: number;
  before: string | undefined;
}

export function memoryUsage(stored: readonly StoredUsage[], asked: UsageAsked[] = []): UsageReader {
  return {
    list: async (filter, limit, before) => {
      asked.push({ filter, limit, before });
      return stored.filter(({ record }) => before === undefined || record.requestId < before).slice(0, limit);
    },
    get: async (requestId) => stored.find(({ record }) => record.requestId === requestId),
  };
}

export interface LoggedLine {
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function memoryLog(lines: LoggedLine[]): Log {
  const add = (event: string, fields: Readonly<Record<string, unknown>> = {}) => void lines.push({ event, fields });
  return { info: add, warn: add, error: add };
}

export interface Harness {
  readonly app: AnyElysia;
  readonly ledger: MemoryLedger;
  readonly clock: ReturnType<typeof standingClock>;
  readonly log: LoggedLine[];
  readonly usageAsked: UsageAsked[];
  /**
   * Calls with the admin key unless `key` says otherwise; null sends none. A body that is no string becomes
   * JSON.
   */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
}

export interface CallOptions {
  readonly key?: string | null;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly peer?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; `{}` if it is none. */
  readonly json: Readonly<Record<string, unknown>>;
}

export function adminHarness(extra: readonly AnyElysia[] = [], stored: readonly StoredUsage[] = []): Harness {
  const clock = standingClock();
  const ledger = memoryLedger(clock);
  const log: LoggedLine[] = [];
  const usageAsked: UsageAsked[] = [];
  const peers = new WeakMap<Request, string>();
  const fullLedger = { ledger, movements: ledger.reader };
  const app = adminApp({
    routes: [
      ledgerRoutes(fullLedger),
      usageRoutes({ usage: memoryUsage(stored, usageAsked) }),
      healthRoutes({
        version: '1.2.3',
        startedAt: clock.now(),
        moneyAvailable: () => true,
        askStore: async () => {},
        shuttingDown: () => false,
        upstreams: {
          states: () => [{ name: 'first', health: 'open', faultRate: 0, inFlight: 1, lastFault: undefined }],
        },
      }),
      ...extra,
    ],
    services: {
      operatorKeys: { find: (sha256) => scopesByHash.get(sha256) },
      clock,
      newId,
      log: memoryLog(log),
      idempotency: memoryIdempotencyStore(clock),
      addressOf: (request) => peers.get(request) ?? '127.0.0.1',
    },
  });
  const call = async (method: string, path: string, options: CallOptions = {}): Promise<Answer> => {
    const { key = keys.admin, body, headers = {}, peer } = options;
    const request = new Request(`http://localhost${path}`, {
      method,
      headers: {
        ...(key === null ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined
        ? {}
        : { body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body) }),
    });
    if (peer !== undefined) peers.set(request, peer);
    const response = await app.handle(request);
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: asObject(text) };
  };
  return { app, ledger, clock, log, usageAsked, call };
}

function asObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
