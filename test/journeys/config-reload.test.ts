// The executable's config read again while it serves: requests under way keep what they were admitted with, a bad
// config changes nothing and says why, and the books stay in order through all of it.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { builtExecutable } from '../support/executable.ts';
import { field, gatewayCalls, textField } from '../support/gateway.ts';
import { configText, echo, sha256Of, startReloadStage, until, type ReloadStage } from './reload-stage.ts';

setDefaultTimeout(120_000);

let stage: ReloadStage;
beforeAll(async () => {
  stage = await startReloadStage();
});
afterAll(() => stage.stop());

const chargeOf = (record: unknown): bigint => BigInt(textField(record, 'chargeNano'));

/** In nano-USD: micro-units per million tokens are thousandths of that for a token; the sum is rounded up. */
const priceOf = (record: unknown, inputRate: number, outputRate: number): bigint => {
  const tokens = (part: string) => BigInt(Number(field(record, 'usage', part) ?? 0));
  const pico = tokens('input') * BigInt(inputRate) + tokens('output') * BigInt(outputRate) + tokens('cacheRead');
  return (pico + 999n) / 1_000n;
};

async function lastEvent(): Promise<unknown> {
  const items = field((await stage.running.admin('GET', '/audit-events?limit=1')).body, 'items');
  return Array.isArray(items) ? items[0] : undefined;
}

async function verified(): Promise<string> {
  const { exitCode, text } = await stage.command('verify');
  expect(text).toContain('the books are in order');
  expect(exitCode).toBe(0);
  return text;
}

describe('a request under way', () => {
  test('keeps its price, model, rule and upstream, though all of them are gone before it ends', async () => {
    stage.write(configText({ input: 100_000, output: 400_000 }));
    await stage.reload();
    const streaming = await stage.running.client(
      '/chat/completions',
      echo('slowly [[sim: chunks=40 gap=20]]', { stream: true }),
    );
    const reader = streaming.body?.getReader();
    expect((await reader?.read())?.done).toBe(false);
    // The same names for other things, and the model itself gone.
    const elsewhere =
      "{ name: 'simulator', provider: 'simulator', baseUrl: 'http://127.0.0.1:9/v1', addresses: 'any' }";
    const renamed = configText({ upstream: elsewhere, billing: 'requestPrice()' })
      .replace("'sim/echo'", "'sim/other'")
      .replace("currency: 'USD',", "currency: 'USD', perCallNano: 1n,");
    stage.write(renamed);
    expect((await stage.reload()).status).toBe(200);
    expect((await stage.running.client('/chat/completions', echo('gone'))).status).toBe(404);
    let text = '';
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
      text += new TextDecoder().decode(part.value);
    }
    expect(text).toContain('[DONE]');
    stage.write(configText({ input: 200_000, output: 800_000 }));
    expect((await stage.reload()).status).toBe(200);
    const record = await until(async () => {
      const [newest] = await stage.usage(1);
      return field(newest, 'outcome') === 'finished' && field(newest, 'stream') === true ? newest : undefined;
    }, 'the record of the stream');
    expect(chargeOf(record)).toBe(priceOf(record, 100_000, 400_000));
    expect((await stage.running.client('/chat/completions', echo('now'))).status).toBe(200);
    const next = await until(async () => {
      const [newest] = await stage.usage(1);
      return field(newest, 'stream') === false && field(newest, 'status') === 200 ? newest : undefined;
    }, 'the record of the next call');
    expect(chargeOf(next)).toBe(priceOf(next, 200_000, 800_000));
    await verified();
    // A rule that is in the config no more: its records are named, and nothing is called wrong.
    stage.write(
      configText({ billing: 'requestPrice()' }).replace("currency: 'USD',", "currency: 'USD', perCallNano: 1n,"),
    );
    expect((await stage.reload()).status).toBe(200);
    expect(await verified()).toContain('not recomputed: charges of the rule token-price');
  });
});

test('a rule that charges otherwise than before leaves what it charged before unjudged', async () => {
  const head = `import { defineBillingRule, Type } from 'tollgate/plugin';
const flat = defineBillingRule({
  name: 'flat', version: '1.0.0', summary: 'One amount for each call.',
  options: Type.Object({ amount: Type.Integer() }),
  create: ({ amount }) => {
    const charge = () => ({ lines: [{ kind: 'per-call', amountNano: BigInt(amount) }], totalNano: BigInt(amount) });
    return { missingRates: () => [], estimate: charge, charge };
  },
});`;
  const charged: bigint[] = [];
  for (const amount of [5, 7]) {
    stage.write(configText({ head, billing: `flat({ amount: ${amount} }), tokenPrice(), requestPrice()` }));
    expect((await stage.reload()).status).toBe(200);
    expect((await stage.running.client('/chat/completions', echo(`flat ${amount}`))).status).toBe(200);
    await until(async () => {
      const charge = chargeOf((await stage.usage(1))[0]);
      return charge === BigInt(amount) ? charged.push(charge) : undefined;
    }, `a charge of ${amount}`);
  }
  expect(charged).toEqual([5n, 7n]);
  expect(await verified()).toContain('not recomputed: charges of the rule flat');
});

test('64 connections of load see nothing of 20 reloads, half of them bad', async () => {
  stage.write(configText());
  await stage.reload();
  const { apiKey } = await stage.running.fundedKey(1_000_000_000_000n, { limits: { concurrency: 1_000 } });
  const { client } = gatewayCalls(stage.running.url, apiKey, stage.running.operatorKey);
  let stop = false;
  const statuses = new Map<number, number>();
  const worker = async () => {
    while (!stop) {
      const response = await client('/chat/completions', echo('load'));
      await response.arrayBuffer();
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    }
  };
  const workers = Array.from({ length: 64 }, worker);
  const reloads: number[] = [];
  for (let round = 0; round < 20; round += 1) {
    const good = round % 2 === 0;
    stage.write(good ? configText({ input: 100_000 + round }) : `${configText()}\nthrow new Error('bad');\n`);
    reloads.push((await stage.reload()).status);
  }
  stop = true;
  await Promise.all(workers);
  expect(reloads).toEqual(Array.from({ length: 20 }, (_, round) => (round % 2 === 0 ? 200 : 422)));
  expect([...statuses.keys()]).toEqual([200]);
  expect(statuses.get(200)).toBeGreaterThan(64);
  stage.write(configText());
  const { body } = await stage.running.admin('GET', '/health');
  // Nothing that was counted before a reload is counted down after it on another count, or never.
  expect(field(body, 'upstreams')).toMatchObject([{ name: 'simulator', inFlight: 0 }]);
  await verified();
});

test('two at once go one after the other, and one that changes nothing is no event', async () => {
  stage.write(configText({ input: 31 }));
  const both = await Promise.all([stage.reload(), stage.reload()]);
  expect(both.map(({ status }) => status)).toEqual([200, 200]);
  const counts = both.map(({ body }) => (Array.isArray(body['changes']) ? body['changes'].length : -1));
  expect(counts.toSorted()).toEqual([0, 2]);
  const event = await lastEvent();
  expect(textField(event, 'action')).toBe('config.reload');
  expect(JSON.parse(textField(event, 'change'))).toMatchObject({
    changes: [
      { noun: 'model', name: 'sim/echo', change: 'changed', field: 'price input', to: '31 micro-USD per million' },
      { noun: 'source', name: 'gateway.config.ts', change: 'changed' },
    ],
  });
});

test('a hangup reads it again, and says in the log when it is wrong', async () => {
  stage.write(configText({ input: 32 }));
  const before = await sha256Of(stage);
  stage.running.child.kill('SIGHUP');
  await until(async () => ((await sha256Of(stage)) === before ? undefined : true), 'the config of the signal');
  const event = await lastEvent();
  expect(textField(event, 'actor')).toBe('signal');
  stage.write(configText().replace('128_000', '-1'));
  stage.running.child.kill('SIGHUP');
  const said = 'models[0].contextTokens: ';
  await until(async () => (stage.running.errors().includes(said) ? true : undefined), 'the log line');
  const { body } = await stage.running.admin('GET', '/config');
  expect(field(body, 'lastFailure')).toMatchObject({
    actor: 'signal',
    problems: [{ path: 'models[0].contextTokens', declaredAt: 'gateway.config.ts:6' }],
  });
});

test('a rejection that nobody awaits, or an exit, ends neither the reload nor the process', async () => {
  for (const head of ["void Promise.reject(new Error('floating'));", 'process.exit(3);']) {
    stage.write(configText({ head }));
    const refused = await stage.reload();
    expect(refused.status).toBe(422);
    expect(refused.body['problems']).toMatchObject([{ path: 'config', declaredAt: 'gateway.config.ts:1' }]);
  }
  stage.write(configText());
  expect((await stage.reload()).status).toBe(200);
});

test('a drop-in that is not the pinned one refuses the whole reload', async () => {
  stage.write(configText());
  expect((await stage.reload()).status).toBe(200);
  const before = await sha256Of(stage);
  stage.write('export default 1;\n', 'acme.ts');
  const unpinned = `openAiCompatible(), dropIn({ file: './acme.ts', sha256: '${'0'.repeat(64)}' })`;
  const config = configText({ head: "import { dropIn } from 'tollgate/plugin';", input: 9 });
  stage.write(config.replace('openAiCompatible(),', `${unpinned},`));
  const refused = await stage.reload();
  expect(refused.status).toBe(422);
  expect(refused.body['problems']).toMatchObject([{ path: 'providers[1]', declaredAt: 'gateway.config.ts:7' }]);
  expect(await sha256Of(stage)).toBe(before);
  stage.write(configText());
});

test('what it declares anew is listed, and what it declares no more is free', async () => {
  const { admin } = stage.running;
  const added =
    "{ name: 'sim/added', ...sizes, price: { currency: 'USD', rates: { input: 1n, cacheRead: 1n, output: 1n } } },";
  stage.write(
    configText({ models: added, billing: 'requestPrice(), tokenPrice()' }).replaceAll(
      '...sizes,',
      "...sizes, rule: 'token-price',",
    ),
  );
  expect((await stage.reload()).status).toBe(200);
  expect((await admin('GET', '/models/sim%2Fadded')).body).toMatchObject({
    source: 'config',
    declaredAt: 'gateway.config.ts:11',
    problem: null,
  });
  const own = { name: 'sim/added', contextTokens: 9, outputTokensMax: 9, offers: [{ upstream: 'simulator' }] };
  expect((await admin('POST', '/models', own)).status).toBe(409);
  stage.write(configText());
  expect((await stage.reload()).status).toBe(200);
  expect((await admin('GET', '/models/sim%2Fadded')).status).toBe(404);
  // The default rule is that of the config in force.
  expect((await admin('POST', '/models', own)).body).toMatchObject({ source: 'admin', rule: 'token-price' });
});

test('what it declares is listed with its line, and is not changed elsewhere', async () => {
  stage.write(configText());
  await stage.reload();
  const { admin } = stage.running;
  expect((await admin('GET', '/models/sim%2Fecho')).body['declaredAt']).toBe('gateway.config.ts:10');
  expect((await admin('GET', '/upstreams/simulator')).body['declaredAt']).toBe('gateway.config.ts:8');
  expect((await admin('GET', '/groups/friends')).body['declaredAt']).toBe('groups.ts:1');
  const prices = field((await admin('GET', '/models/sim%2Fecho/prices')).body, 'items');
  const open = Array.isArray(prices) ? prices.filter((price) => field(price, 'status') === 'in-force') : [];
  expect(open).toMatchObject([{ source: 'config', declaredAt: 'gateway.config.ts:10' }]);
  const refusals = await Promise.all([
    admin('PATCH', '/models/sim%2Fecho', { enabled: false }),
    admin('PATCH', '/upstreams/simulator', { enabled: false }),
    admin('PATCH', '/groups/friends', { multiplierPpm: 1 }),
  ]);
  expect(refusals.map(({ status }) => status)).toEqual([409, 409, 409]);
  expect(refusals.map(({ body }) => /\(([\w.]+:\d+)\)/.exec(textField(body, 'detail'))?.[1])).toEqual([
    'gateway.config.ts:10',
    'gateway.config.ts:8',
    'groups.ts:1',
  ]);
});

test('check says what it would change beside the gateway that runs', async () => {
  expect(await stage.command('check', '--diff')).toEqual({ exitCode: 0, text: 'Nothing would change.\n' });
  const applied = readFileSync(stage.configFile, 'utf8');
  stage.write(configText({ output: 5 }));
  const differs = await stage.command('check', '--diff');
  expect(differs.exitCode).toBe(3);
  expect(differs.text).toContain(
    'model sim/echo: price output: 400000 micro-USD per million -> 5 micro-USD per million',
  );
  stage.write('export default {};', 'gateway.config.ts');
  expect((await stage.command('check', '--diff')).exitCode).toBe(1);
  stage.write(applied);
});

test('killed in the midst of a reload, it comes back with one config or the other, and its books in order', async () => {
  const own = await startReloadStage();
  try {
    let url = own.running.url;
    let { child } = own.running;
    const { operatorKey, dataFolder } = own.running;
    const { apiKey } = await own.running.fundedKey(1_000_000_000n);
    for (const [round, waitMs] of [0, 3, 6, 9].entries()) {
      own.write(configText({ input: 500 + round }));
      const reloading = gatewayCalls(url, apiKey, operatorKey)
        .admin('POST', '/config/reload')
        .catch(() => undefined);
      await Bun.sleep(waitMs);
      child.kill('SIGKILL');
      await Promise.all([child.exited, reloading]);
      child = Bun.spawn(
        [await builtExecutable(), 'serve', '--port', '0', '--data', dataFolder, '--config', own.configFile],
        { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe', env: {} },
      );
      url = await servedUrl(child);
      const calls = gatewayCalls(url, apiKey, operatorKey);
      expect((await calls.client('/chat/completions', echo('after'))).status).toBe(200);
      expect(field((await calls.admin('POST', '/config/reload')).body, 'changes')).toEqual([]);
      const { body } = await calls.admin('GET', '/models/sim%2Fecho/prices');
      const prices = Array.isArray(body['items']) ? body['items'] : [];
      const inForce = prices.filter((price) => field(price, 'status') === 'in-force');
      expect(inForce).toMatchObject([{ rates: { input: `${500 + round}` } }]);
    }
    child.kill('SIGTERM');
    await child.exited;
    expect((await own.command('verify')).exitCode).toBe(0);
  } finally {
    await own.stop();
  }
});

async function servedUrl(child: Bun.Subprocess<'ignore', 'pipe', 'pipe'>): Promise<string> {
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`it did not start:\n${text}${await new Response(child.stderr).text()}`);
    text += value;
    const url = /serves on (http:\S+)/.exec(text)?.[1];
    if (url !== undefined) return url;
  }
}

test('a hangup while it ends is ignored, and said so', async () => {
  const own = await startReloadStage();
  const slow = echo('slowly [[sim: chunks=30 gap=20]]', { stream: true });
  const reader = (await own.running.client('/chat/completions', slow)).body?.getReader();
  await reader?.read();
  own.running.child.kill('SIGTERM');
  // The kernel may deliver signals that wait together in another order.
  const refuses = async () => (await fetch(`${own.running.url}/readyz`)).status === 503 || undefined;
  await until(refuses, 'that it is not ready any more');
  own.running.child.kill('SIGHUP');
  let text = '';
  for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
    text += new TextDecoder().decode(part.value);
  }
  expect(text).toContain('[DONE]');
  expect(await own.running.child.exited).toBe(0);
  expect(own.running.errors()).toContain('ignored: the process is ending');
  await own.stop();
});

test('200 reloads cost less than 64 MiB', async () => {
  const residentMiB = () =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${stage.running.child.pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024;
  const before = residentMiB();
  for (let round = 0; round < 200; round += 1) {
    stage.write(configText({ input: 1_000 + round }));
    expect((await stage.reload()).status).toBe(200);
  }
  expect(residentMiB() - before).toBeLessThan(64);
});
