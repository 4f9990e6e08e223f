// Every upstream fault of the simulator's list through a whole gateway, streamed and not, alone and with a healthy
// upstream behind. However an upstream fails: an answer in the client's form, one settlement, a charge by the table.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { chargeTable, outcomes } from '../../src/domain/ledger/charge-table.ts';
import { field } from '../support/gateway.ts';
import { cases, endless, endlessDeadlines, expectedOf, names, textFor, type Expected } from './fault-table.ts';
import {
  alone,
  chargeOf,
  contextTokens,
  feedRetryBudget,
  hear,
  nanoOf,
  outputTokensMax,
  startFaultStage,
  upstreamOf,
  withSecond,
  type FaultStage,
  type Heard,
} from './fault-stage.ts';

setDefaultTimeout(120_000);

let stage: FaultStage;
let endlessStage: FaultStage;
const heard = new Map<string, { readonly alone: Heard; readonly second: Heard }>();
const keyOf = (fault: string, stream: boolean) => `${fault} ${stream ? 'streamed' : 'whole'}`;
let recordsBefore = 0;

beforeAll(async () => {
  stage = await startFaultStage();
  endlessStage = await startFaultStage(endlessDeadlines);
  const { gateway } = stage;
  // Most of the cases retry, which a gateway allows to a fifth of its requests.
  await feedRetryBudget(gateway, 1_200);
  recordsBefore = await countRecords();
  const listen = async ({ fault, stream }: (typeof cases)[number]) => {
    const at = endless.test(fault) ? endlessStage.gateway : gateway;
    const second = await hear(at, withSecond(fault), stream, textFor(fault));
    heard.set(keyOf(fault, stream), { second, alone: await hear(at, alone(fault), stream, textFor(fault)) });
  };
  // Those that wait go first and side by side; of those that take turns, one call at a time must be there.
  const slow = /u03|u04|u13|u14|u26|u28/;
  const turns = cases.filter(({ fault }) => fault.includes('u27'));
  const waiting = cases.filter(({ fault }) => !slow.test(fault) && !fault.includes('u27'));
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await listen(next);
  };
  await Promise.all([...cases.filter(({ fault }) => slow.test(fault)).map(listen), worker(), worker(), worker()]);
  for (const next of turns) await listen(next);
});
afterAll(() => Promise.all([stage.stop(), endlessStage.stop()]));

async function countRecords(): Promise<number> {
  let count = 0;
  for (let cursor: unknown = ''; typeof cursor === 'string';) {
    const { body } = await stage.gateway.admin('GET', `/usage?limit=200${cursor === '' ? '' : `&cursor=${cursor}`}`);
    count += Array.isArray(body['items']) ? body['items'].length : 0;
    cursor = field(body, 'nextCursor');
  }
  return count;
}

const number = (value: unknown): number => (typeof value === 'number' ? value : 0);
const partsOf = ({ record }: Heard) => {
  const part = (name: string) => number(field(record, 'usage', name));
  return {
    input: part('input') + part('cacheRead'),
    cacheRead: part('cacheRead'),
    output: part('output') + part('reasoning'),
  };
};
const dones = (text: string) => text.split(/^data: ?\[DONE\]/m).length - 1;
const lastError = (text: string): unknown => {
  const last = text.trimEnd().split('\n').at(-1) ?? '';
  return last.startsWith('data: {') ? field(JSON.parse(last.slice('data: '.length)), 'error') : undefined;
};

/** What holds for every answer, whatever the upstream did. */
function holdsAlways({ status, headers, text, cut, record }: Heard, stream: boolean): void {
  expect(status === 200 || (status >= 500 && status < 600)).toBe(true);
  expect([record['status'], cut]).toEqual([status, false]);
  expect(headers.get('content-type')).toStartWith(stream && status === 200 ? 'text/event-stream' : 'application/json');
  expect(headers.get('location')).toBeNull();
  for (const secret of [`:${stage.failing.port}`, '127.0.0.1', '169.254.169.254', '.invalid', '<html'])
    expect(text).not.toContain(secret);
  if (status !== 200) {
    const error = field(JSON.parse(text), 'error');
    expect([typeof field(error, 'message'), field(error, 'type')]).toEqual(['string', 'api_error']);
    expect(text).not.toContain('Incorrect API key');
  }
}

function chargedByTable(answer: Heard): void {
  const { record } = answer;
  const outcome = outcomes.find((name) => name === record['outcome']);
  if (outcome === undefined) throw new Error(`outcome ${String(record['outcome'])}`);
  const charge = chargeOf(record);
  const { input, cacheRead, output } = partsOf(answer);
  const row = chargeTable[outcome];
  const charged = record['usageSource'] === 'upstream' ? row.withUsage : row.withoutUsage;
  if (charged === 'none') expect(charge).toBe(0n);
  if (charge > 0n) {
    const pico = BigInt(input - cacheRead) * 100_000n + BigInt(cacheRead) * 10_000n + BigInt(output) * 400_000n;
    expect(charge).toBe((pico + 999n) / 1000n);
  }
  expect(charge).toBeLessThanOrEqual(nanoOf(contextTokens, outputTokensMax));
  expect(record['lossNano']).toBe('0');
}

function wholeReply({ text, status }: Heard, stream: boolean): void {
  expect(status).toBe(200);
  if (!stream) {
    expect(field(JSON.parse(text), 'object')).toBe('chat.completion');
    return;
  }
  // One terminal event, and nothing behind it.
  expect(dones(text)).toBe(1);
  expect(
    text
      .trimEnd()
      .split(/[\r\n]/)
      .at(-1),
  ).toMatch(/^data: ?\[DONE\]$/);
}

function endsInError(answer: Heard, code: string): void {
  expect([answer.status, dones(answer.text), field(lastError(answer.text), 'code')]).toEqual([200, 0, code]);
}

const reported = { usageSource: 'upstream' };
const record = (answer: Heard, expected: object) => expect(answer.record).toMatchObject(expected);

/** By what the table says of the fault. */
const verdicts: Readonly<Record<Expected, (answer: Heard, stream: boolean) => void>> = {
  served(answer, stream) {
    wholeReply(answer, stream);
    record(answer, { outcome: 'finished', ...reported });
  },
  estimated(answer, stream) {
    wholeReply(answer, stream);
    record(answer, { outcome: 'finished', usageSource: 'estimated' });
    expect(answer.record['flags']).not.toEqual([]);
  },
  fails(answer) {
    expect([502, 503]).toContain(answer.status);
    record(answer, { outcome: 'upstream-failed', chargeNano: '0', usage: {}, upstream: null });
  },
  late(answer) {
    expect([answer.status, field(JSON.parse(answer.text), 'error', 'code')]).toEqual([504, 'upstream_timeout']);
    record(answer, { outcome: 'timed-out', chargeNano: '0', upstream: null });
  },
  breaks(answer) {
    endsInError(answer, 'upstream_failed');
    record(answer, { outcome: 'broken-off', chargeNano: '0' });
  },
  'breaks-paid'(answer) {
    endsInError(answer, 'upstream_failed');
    record(answer, { outcome: 'broken-off', ...reported, chargeNano: nanoOf(6, 4).toString() });
  },
  errs(answer) {
    expect(answer.text).toContain('The server had an error while processing your request.');
    record(answer, { outcome: 'broken-off', chargeNano: '0' });
  },
  'errs-paid'(answer) {
    expect(answer.text).toContain('The server had an error while processing your request.');
    record(answer, { outcome: 'broken-off', ...reported, chargeNano: nanoOf(6, 4).toString() });
  },
  cut(answer) {
    endsInError(answer, 'upstream_timeout');
    record(answer, { outcome: 'timed-out', usageSource: 'estimated', flags: ['usage-missing'] });
    expect(chargeOf(answer.record)).toBeGreaterThan(0n);
  },
  'cut-free'(answer) {
    endsInError(answer, 'upstream_timeout');
    record(answer, { outcome: 'timed-out', chargeNano: '0' });
  },
};

describe('every fault of the list', () => {
  test.each(cases.map(({ fault, stream }) => [keyOf(fault, stream), fault, stream] as const))(
    '%s',
    (key, fault, stream) => {
      const answers = heard.get(key);
      if (answers === undefined) throw new Error('was not heard');
      const expected = expectedOf(fault, stream);
      for (const answer of [answers.alone, answers.second]) {
        holdsAlways(answer, stream);
        chargedByTable(answer);
      }
      verdicts[expected](answers.alone, stream);
      if (expected !== 'fails') {
        // Late or begun: another upstream could be a second bill, or a second voice in one reply.
        verdicts[expected](answers.second, stream);
        return;
      }
      verdicts.served(answers.second, stream);
      expect(answers.second.text).toContain('alpha');
      expect(answers.second.record).toMatchObject({
        upstream: 'healthy',
        usage: { input: 6, output: 4 },
        chargeNano: '2200',
      });
    },
  );

  test('one record for each request, and nothing is held', async () => {
    expect((await countRecords()) - recordsBefore).toBe(cases.filter(({ fault }) => !endless.test(fault)).length * 2);
    for (const { gateway, failing } of [stage, endlessStage]) {
      expect(gateway.serving.gateway.ledger.openHolds.size).toBe(0);
      expect(failing.counters()).toMatchObject({ defects: 0, open: 0 });
      expect(gateway.log.filter((line) => /defect|plugin-fault|settlement-failed/.test(line))).toEqual([]);
    }
  });

  test('an upstream that failed is marked down', async () => {
    const statesOf = async ({ gateway }: FaultStage) => {
      const { body } = await gateway.admin('GET', '/health');
      return Array.isArray(body['upstreams']) ? body['upstreams'] : [];
    };
    const [states, endlessStates] = await Promise.all([statesOf(stage), statesOf(endlessStage)]);
    const stateOf = (fault: string): unknown =>
      (endless.test(fault) ? endlessStates : states).find((state) => field(state, 'name') === upstreamOf(fault));
    for (const fault of names) {
      const bad = expectedOf(fault, true) !== 'served' && expectedOf(fault, false) !== 'served';
      if (bad) expect([fault, field(stateOf(fault), 'lastFault')]).toEqual([fault, expect.any(String)]);
      expect([fault, field(stateOf(fault), 'inFlight')]).toEqual([fault, 0]);
    }
    for (const fault of ['sim/u19-401', 'sim/u19-402', 'sim/u19-403', 'sim/u17-quota'])
      expect(field(stateOf(fault), 'state')).toBe('ejected');
    expect(field(stateOf('sim/u23-huge'), 'lastFault')).toBe('usage');
    expect(
      field(
        states.find((state) => field(state, 'name') === 'healthy'),
        'state',
      ),
    ).toBe('open');
  });
});

describe('what only some faults show', () => {
  const of = (fault: string, stream: boolean): Heard => {
    const answers = heard.get(keyOf(fault, stream));
    if (answers === undefined) throw new Error(`${fault} was not heard`);
    return answers.alone;
  };

  test('U23: no lie about usage is charged below what was delivered, nor above what can be', () => {
    for (const fault of names.filter((name) => name.includes('u23'))) {
      for (const stream of [true, false]) {
        const answer = of(fault, stream);
        const { input, output } = partsOf(answer);
        expect([fault, input >= 6, output >= 4, input <= contextTokens, output <= outputTokensMax]).toEqual([
          fault,
          true,
          true,
          true,
          true,
        ]);
        if (!/doubles|growing|twice|early|forged|over/.test(fault))
          expect([fault, answer.record['flags']]).not.toEqual([fault, []]);
      }
    }
    expect(partsOf(of('sim/u23-twice', true))).toMatchObject({ input: 6, output: 4 });
    expect(partsOf(of('sim/u23-forged', true))).toMatchObject({ input: 6, output: 4 });
  });

  test('U25: nothing behind the terminal event is relayed or charged', () => {
    for (const variant of ['content', 'usage', 'garbage']) {
      const { text, record: stored } = of(`sim/u25-${variant}`, true);
      expect(text).not.toMatch(/ late|"late"|1000000|garbage without end/);
      expect(stored).toMatchObject({ usage: { input: 6, output: 4 } });
    }
  });

  test('U9: bytes that are no text pass as they are, and are cut nowhere', () => {
    expect(of('sim/u09-invalid', true).text).toContain('\x80\xc0\xaf\xed\xa0\x80\xf0\x9f\xff');
    const family = Buffer.from('👩‍👩‍👧').toString('latin1');
    expect(of('sim/u09-split', true).text).toContain(family);
    expect(of('sim/u09-split', false).text).toContain(family);
  });

  test('U11: a frame of 16 MiB passes whole', () => {
    for (const stream of [true, false]) expect(of('sim/u11-16', stream).text).toContain('x'.repeat(16 * 1024 * 1024));
  });

  test('U17: a client is told when to come again, within bounds, whatever the upstream says', () => {
    for (const variant of [
      'retry-after',
      'retry-after-date',
      'retry-after-absurd',
      'retry-after-negative',
      'retry-after-garbage',
      'none',
    ]) {
      const seconds = Number(of(`sim/u17-${variant}`, false).headers.get('retry-after'));
      expect([variant, seconds >= 1, seconds <= 300]).toEqual([variant, true, true]);
    }
  });

  test('U20: a redirect is not followed', () => {
    const attempts = of('sim/u20-307', false).record['attempts'];
    expect(Array.isArray(attempts) ? attempts.map((attempt) => field(attempt, 'status')) : []).toEqual([307, 307]);
  });
});
