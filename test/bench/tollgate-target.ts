// Tollgate's executable as a target with everything on: a preset's terms and policies, limits of all three kinds on
// account and key, budgets of all three windows, a data folder of its own, the mock as the `openai` upstream, and an
// account with money and a key made through the admin API.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKey, systemRandomBytes } from '../../src/core/secrets.ts';
import { cores, freePort, startChild } from './children.ts';
import type { Target, Upstream } from './targets.ts';

const START_PATIENCE_MS = 20_000;
/** A million dollars: the bench must not run out of money. */
const TOP_UP_NANO = String(1_000_000n * 1_000_000_000n);

/** Counted and checked at every request; the bench must not run into them. */
const NEVER_REACHED = { requestsPerMinute: 10_000_000, tokensPerMinute: 100_000_000_000, concurrency: 100_000 };
const BUDGETS = {
  day: { capNano: TOP_UP_NANO },
  month: { capNano: TOP_UP_NANO },
  total: { capNano: TOP_UP_NANO },
};

interface Admin {
  create(path: string, body: unknown, wanted: readonly string[]): Promise<string>;
}

/** Creates a resource and returns the first of the wanted fields of the answer, however deep it stands. */
function connectAdmin(origin: string, operatorKey: string): Admin {
  const findText = (value: unknown, name: string): string | undefined => {
    if (typeof value !== 'object' || value === null) return undefined;
    for (const [key, inner] of Object.entries(value)) {
      const found = key === name && typeof inner === 'string' ? inner : findText(inner, name);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return {
    async create(path, body, wanted) {
      const reply = await fetch(`${origin}/admin/v1/${path}`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${operatorKey}`,
          'content-type': 'application/json',
          'idempotency-key': crypto.randomUUID(),
        },
        body: JSON.stringify(body),
      });
      const text = await reply.text();
      if (!reply.ok) throw new Error(`POST /admin/v1/${path} answered ${reply.status}: ${text.slice(0, 500)}`);
      const answer: unknown = JSON.parse(text);
      const found = wanted.map((name) => findText(answer, name)).find((one) => one !== undefined);
      if (found === undefined && wanted.length > 0)
        throw new Error(`no ${wanted.join(' or ')} in ${text.slice(0, 500)}`);
      return found ?? '';
    },
  };
}

async function untilServing(origin: string, exited: Promise<number>): Promise<void> {
  const state = { ended: false };
  void exited.then(() => (state.ended = true));
  const endAtMs = performance.now() + START_PATIENCE_MS;
  while (!state.ended && performance.now() < endAtMs) {
    const serving = await fetch(`${origin}/healthz`).then(
      (reply) => reply.ok,
      () => false,
    );
    if (serving) return;
    await Bun.sleep(20);
  }
  throw new Error(`tollgate does not serve ${origin}; see test/bench/out/tollgate.log`);
}

async function createKey(origin: string, operatorKey: string): Promise<string> {
  const admin = connectAdmin(origin, operatorKey);
  const accountId = await admin.create(
    'accounts',
    { kind: 'company', name: 'Bench', currency: 'USD', limits: NEVER_REACHED, budgets: BUDGETS },
    ['id'],
  );
  const topUp = { amountNano: TOP_UP_NANO, currency: 'USD', source: 'promotion', reason: 'money for the bench' };
  await admin.create(`accounts/${accountId}/top-ups`, topUp, []);
  const key = { accountId, name: 'bench', limits: NEVER_REACHED, budgets: { month: { capNano: TOP_UP_NANO } } };
  return admin.create('api-keys', key, ['key']);
}

/** How one Tollgate differs from another in the same run. */
export interface Variant {
  readonly name: string;
  readonly argv?: readonly string[];
  /** False: a config of its own, which has none. */
  readonly preset?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Tollgate as a target, with what a command beside it needs. */
export interface TollgateTarget extends Target {
  readonly origin: string;
  readonly dataFolder: string;
  readonly operatorKey: string;
}

export async function startTollgate(
  executable: string,
  upstream: Upstream,
  variant: Variant = { name: 'tollgate' },
): Promise<TollgateTarget> {
  const dataFolder = mkdtempSync(join(tmpdir(), 'tollgate-bench-'));
  process.on('exit', () => rmSync(dataFolder, { recursive: true, force: true }));
  const operatorKey = generateKey('operator-key', systemRandomBytes);
  const always = ['--data', dataFolder, ...(variant.preset === false ? [] : ['--preset', 'personal'])];
  const start = (name: string): { readonly origin: string; readonly child: ReturnType<typeof startChild> } => {
    const port = freePort();
    const child = startChild({
      name,
      core: cores.gateway,
      command: [executable, 'serve', '--port', String(port), ...always, ...(variant.argv ?? [])],
      environment: {
        OPENAI_API_KEY: 'sk-upstream',
        OPENAI_BASE_URL: `${upstream.origin}/v1`,
        TOLLGATE_OPERATOR_KEY: operatorKey,
        ...variant.environment,
      },
      folder: dataFolder,
    });
    return { origin: `http://127.0.0.1:${port}`, child };
  };
  const first = start(variant.name);
  await untilServing(first.origin, first.child.exited);
  const headers = [`authorization: Bearer ${await createKey(first.origin, operatorKey)}`];
  const asTarget = ({ origin, child }: ReturnType<typeof start>): TollgateTarget => ({
    name: variant.name,
    origin,
    dataFolder,
    operatorKey,
    url: `${origin}/v1/chat/completions`,
    headers,
    child,
    slow: false,
    // One process holds the data folder: the caller stops the first before it starts the next.
    restart: () => asTarget(start(`${variant.name}-again`)),
  });
  return asTarget(first);
}
