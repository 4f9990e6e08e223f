// What it costs to load the journal into `ledger.db`, by record: CPU of the whole process, in batches as the gateway
// makes them. Not a test: `bun test/bench/loader-bench.ts [records] [accounts]`; add `--cpu-prof` to see where it goes.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '../../src/core/ids.ts';
import type { Closing } from '../../src/domain/ledger/ledger.ts';
import { recordJson, usageRecordJson } from '../../src/domain/ledger/record-json.ts';
import { journalStart, type JournalPosition } from '../../src/store/journal-files.ts';
import { readJournal } from '../../src/store/journal-reader.ts';
import { Journal } from '../../src/store/journal.ts';
import { LedgerLoad } from '../../src/store/ledger-load.ts';
import { journalFolder, openLedgerForLoading } from '../../src/store/schema/ledger.ts';
import { readUsageFacts } from '../../src/store/usage-facts.ts';
import { UsagePacker } from '../../src/store/usage-packs.ts';
import { factsWithin, scanUsageFacts } from '../../src/store/usage-scan.ts';

const KEYS_PER_ACCOUNT = 2;
const BATCHES = [10, 100, 500, 1_000];
const ROUNDS = 6;

interface Parties {
  readonly accounts: readonly ReturnType<typeof newId<'acc'>>[];
  readonly keys: readonly ReturnType<typeof newId<'key'>>[];
  readonly users: readonly ReturnType<typeof newId<'usr'>>[];
}

function closing(index: number, at: number, parties: Parties): Closing {
  const { accounts, keys, users } = parties;
  const owner = index % accounts.length;
  const key = keys[owner * KEYS_PER_ACCOUNT + (index % KEYS_PER_ACCOUNT)];
  const account = accounts[owner];
  const user = users[owner];
  if (key === undefined || account === undefined || user === undefined) throw new Error('no parties');
  const [input, cacheRead, output] = [400 + (index % 900), index % 3 === 0 ? 1_024 : 0, 90 + (index % 300)];
  const chargeNano = BigInt(input * 2_500 + cacheRead * 250 + output * 10_000);
  return {
    requestId: newId('req'),
    accountId: account,
    apiKeyId: key,
    userId: user,
    group: 'friends',
    admittedAt: at,
    endedAt: at + 420,
    firstByteMs: 187,
    operation: 'chat',
    protocol: 'openai-chat',
    model: 'gpt-5-mini',
    stream: true,
    status: 200,
    outcome: 'finished',
    upstream: 'primary-eu',
    attempts: [
      {
        upstream: 'primary-eu',
        provider: 'openai-compatible',
        model: 'gpt-5-mini-2025-08-07',
        startedAt: at + 1,
        durationMs: 418,
        status: 200,
        fault: undefined,
        costNano: chargeNano / 2n,
        costCurrency: 'USD',
      },
    ],
    usage: { input, output, ...(cacheRead > 0 ? { cacheRead } : {}) },
    usageSource: 'upstream',
    flags: [],
    usageText: JSON.stringify({
      prompt_tokens: input + cacheRead,
      completion_tokens: output,
      total_tokens: input + cacheRead + output,
      prompt_tokens_details: { cached_tokens: cacheRead, audio_tokens: 0 },
    }),
    terms: {
      priceVersionId: 'prc_0198c0ffee00000000000000000000aa',
      rule: 'standard',
      currency: 'USD',
      rates: { input: 2_500_000n, output: 10_000_000n },
      perCallNano: 0n,
      multipliers: [
        { of: 'model:gpt-5-mini', ppm: 1_100_000 },
        { of: 'group:friends', ppm: 900_000 },
      ],
    },
    lines: [
      { kind: 'quantity', part: 'input', quantity: input, rate: 2_500_000n },
      { kind: 'quantity', part: 'output', quantity: output, rate: 10_000_000n },
    ],
    chargeNano,
    address: '203.0.113.7',
    country: 'DE',
  };
}

async function buildJournal(folder: string, records: number, accountCount: number): Promise<JournalPosition> {
  const parties: Parties = {
    accounts: Array.from({ length: accountCount }, () => newId('acc')),
    keys: Array.from({ length: accountCount * KEYS_PER_ACCOUNT }, () => newId('key')),
    users: Array.from({ length: accountCount }, () => newId('usr')),
  };
  const journal = Journal.open({ folder: journalFolder(folder), from: journalStart });
  const start = Date.now();
  for (const accountId of parties.accounts) {
    journal.append('account', recordJson({ accountId, currency: 'USD', overdraftNano: 0n, at: start }));
  }
  for (let index = 0; index < records; index++) {
    journal.append('usage', usageRecordJson(closing(index, start + index, parties), 90_000_000n, 0n));
    if (index % 500 === 0) await journal.durable(journal.lastSequence);
  }
  await journal.close();
  return journal.position;
}

/** The ends of every batch of that size. */
function endsOf(folder: string, until: JournalPosition, size: number): readonly JournalPosition[] {
  const ends: JournalPosition[] = [];
  for (const { end } of readJournal(journalFolder(folder), journalStart, until)) {
    if (end.sequence % size === 0 || end.sequence === until.sequence) ends.push(end);
  }
  return ends;
}

/** The least of several rounds: a neighbour on the machine only ever adds. */
function measured(records: number, work: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / records);
  }
  return least;
}

function loadAll(folder: string, ends: readonly JournalPosition[]): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(folder, `ledger.db${suffix}`), { force: true });
  const database = openLedgerForLoading(folder);
  const load = new LedgerLoad(database, folder, newId);
  for (const end of ends) load.load(end);
  database.close();
}

const [recordsText = '20000', accountsText = '1', only] = process.argv.slice(2);
const records = Number(recordsText);
const folder = mkdtempSync(join(tmpdir(), 'tollgate-loader-'));
try {
  const until = await buildJournal(folder, records, Number(accountsText));
  const texts = [...readJournal(journalFolder(folder), journalStart, until)]
    .filter(({ kind }) => kind === 'usage')
    .map(({ json }) => json);
  console.log(
    `${records} records of ${accountsText} accounts, ${Math.round(until.offset / until.sequence)} bytes each`,
  );
  const show = (what: string, us: number): void => console.log(`${what.padEnd(34)}${us.toFixed(2).padStart(8)} us`);
  const sizes = BATCHES.filter((size) => only === undefined || Number(only) === size);
  show(
    'read and checksum',
    measured(records, () => {
      for (const _ of readJournal(journalFolder(folder), journalStart, until)) continue;
    }),
  );
  show(
    'facts, parsed',
    measured(records, () => texts.forEach((text) => readUsageFacts(text))),
  );
  show(
    'facts, scanned',
    measured(records, () =>
      texts.forEach((text) => {
        if (scanUsageFacts(text.slice(0, factsWithin)) === undefined) throw new Error(`not scanned: ${text}`);
      }),
    ),
  );
  const bytes = texts.map((text) => ({ text: Buffer.from(text), facts: readUsageFacts(text) }));
  show(
    'pack and hash',
    measured(records, () => {
      const packer = new UsagePacker(1, () => undefined);
      for (const { text, facts } of bytes) packer.add(text, 0, facts, 1);
      packer.finish();
    }),
  );
  for (const size of sizes) {
    const ends = endsOf(folder, until, size);
    show(
      `all, batches of ${size}`,
      measured(records, () => loadAll(folder, ends)),
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
