import { beforeAll, describe, expect, test } from 'bun:test';
import { Database } from 'bun:sqlite';
import { appendFileSync, cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatVerifyReport, verifyLedger, type VerifyReport } from '../../../src/domain/ledger/verify.ts';
import { readUsageFacts } from '../../../src/store/usage-facts.ts';
import { opened, topUp } from '../../store/ledger-suite.ts';
import { scratchFolders } from '../../store/scratch.ts';
import { changeUsageTexts, usageTexts } from '../../store/usage-texts.ts';
import { chargeOfLines, embeddedHarness } from './embedded-harness.ts';
import { accountId, sampleClosing, sampleHold } from './sample-records.ts';

const scratch = scratchFolders();
const appendOnly = ['movement', 'entry', 'usage', 'usage_pack', 'usage_facet'];
let books = '';

/** Two accounts, three charges in two batches, one loss, an adjustment. */
beforeAll(async () => {
  books = scratch();
  const harness = await embeddedHarness(books);
  const a = await opened(harness.ledger, 1_000n);
  const b = await opened(harness.ledger, 100n, 0n, 'b');
  for (const [name, account, charge] of [['1', a, 70n], ['2', b, 130n]] as const) {
    const hold = sampleHold(name, 90n, { accountId: account });
    await harness.ledger.placeHold(hold, [], 'now');
    await harness.ledger.close(sampleClosing(hold, charge));
  }
  await harness.restart();
  const hold = sampleHold('3', 90n);
  await harness.ledger.placeHold(hold, [], 'now');
  await harness.ledger.close(sampleClosing(hold, 30n));
  await harness.ledger.post(topUp(a, 5n, { kind: 'adjustment', reason: 'goodwill' }));
  expect(await harness.stopAndVerify()).toEqual([]);
});

/** A statement, what to do to the text of each record, or both. */
interface Tampering {
  readonly sql?: string;
  /** Undefined removes the record. */
  readonly text?: (text: string) => string | undefined;
}

const inRecord = (request: string, ...changes: readonly (readonly [from: string, to: string])[]) => (text: string) =>
  (text.includes(`"${request}"`) ? changes.reduce((changed, [from, to]) => changed.replace(from, to), text) : text);

function tampered({ sql, text }: Tampering): VerifyReport {
  const folder = scratch();
  cpSync(books, folder, { recursive: true });
  const database = new Database(join(folder, 'ledger.db'));
  for (const table of appendOnly) {
    for (const verb of ['update', 'delete']) database.run(`DROP TRIGGER ${table}_no_${verb}`);
  }
  database.run('PRAGMA foreign_keys = OFF');
  if (sql !== undefined) expect(database.run(sql).changes).toBeGreaterThan(0);
  if (text !== undefined) expect(changeUsageTexts(database, text)).toBeGreaterThan(0);
  database.close();
  return verifyLedger({ folder, chargeOf: chargeOfLines });
}

const found = (report: VerifyReport): string[] => [...new Set(report.faults.map((fault) =>
  `${fault.invariant} ${fault.id}`))];

describe('verify', () => {
  test('good books are in order, and the report counts them', () => {
    const report = verifyLedger({ folder: books, chargeOf: chargeOfLines });
    expect(report).toMatchObject({ ok: true, usageRecords: 3, openHolds: 0, unloadedRecords: 0, faults: [],
      unknownRules: [] });
    const text = formatVerifyReport(report);
    expect(text).toContain('3 usage records');
    expect(text).toEndWith('the books are in order');
  });

  test('rows cannot be changed or removed by accident', () => {
    const folder = scratch();
    cpSync(books, folder, { recursive: true });
    const database = new Database(join(folder, 'ledger.db'));
    for (const table of appendOnly) {
      expect(() => database.run(`DELETE FROM ${table}`)).toThrow('append-only');
    }
    expect(() => database.run('UPDATE usage SET position = 1')).toThrow('append-only');
    expect(() => database.run('UPDATE entry SET amount_nano = 0')).toThrow('append-only');
    expect(() => database.run("UPDATE movement SET reason = 'x'")).toThrow('append-only');
    database.close();
  });

  const cases: readonly (readonly [what: string, how: string | Tampering, expected: readonly string[]])[] = [
    ['the place of a record', "UPDATE usage SET position = 2 WHERE request_id = 'req_1'", ['columns req_1']],
    ['the name of a record', "UPDATE usage SET request_id = 'req_9' WHERE request_id = 'req_1'", ['columns req_1']],
    ['a removed place', "DELETE FROM usage WHERE request_id = 'req_1'", ['columns req_1', 'columns usage']],
    ['a place too many', "INSERT INTO usage VALUES ('req_9', 1)", ['columns usage']],
    ['what a pack is found by', "UPDATE usage_facet SET facet = 'model/x' WHERE facet = 'model/small'",
      ['columns usage 1']],
    ['when a pack was', 'UPDATE usage_facet SET first_at = first_at + 1', ['columns usage 1']],
    ['the oldest request of a pack', "UPDATE usage_facet SET first_id = 'req_2' WHERE facet = 'every'",
      ['columns usage 1']],
    ['a removed facet', "DELETE FROM usage_facet WHERE facet = 'account/acc_b'",
      ['columns usage 1', 'columns usage_facet']],
    ['a facet too many', "INSERT INTO usage_facet VALUES ('account/acc_c', 'req_2', 1, 'req_1', 0, 0)",
      ['columns usage_facet']],
    ['a key that is not listed', "DELETE FROM usage_key WHERE account_id = 'acc_b'", ['columns key_k']],
    ['the quantity in a record', { text: inRecord('req_1', ['"quantity":70', '"quantity":71']) }, ['I7 req_1', 'I14']],
    ['words in a record that no column has', { text: inRecord('req_3', ['127.0.0.1', '127.0.0.2']) }, ['I14']],
    ['a free outcome that is charged',
      { text: inRecord('req_1', ['"finished"', '"upstream-failed"']) },
      ['I16 req_1', 'I14']],
    ['a record and its charge together',
      {
        text: inRecord('req_1', ['"quantity":70', '"quantity":71'], ['"input":70', '"input":71'],
          ['"chargeNano":"70"', '"chargeNano":"71"']),
      },
      ['I15', 'I14', 'spend acc_a', 'spend key_k']],
    ['a record that cannot be parsed', { text: inRecord('req_2', ['{', '']) }, ['columns usage 2', 'I14']],
    ['a record too many', { text: inRecord('req_2', ['}', '}\n{}']) }, ['I14 usage']],
    ['a pack that cannot be opened', "UPDATE usage_pack SET texts = x'00' WHERE position = 1", ['I14 usage 1', 'I15']],
    ['a removed pack', 'DELETE FROM usage_pack WHERE position = (SELECT max(position) FROM usage_pack)',
      ['I15', 'I14', 'columns usage']],
    ['a removed first pack', 'DELETE FROM usage_pack WHERE position = 1', ['I14 usage 3', 'I15', 'I14']],
    ['a removed record', { text: (text) => (text.includes('"req_1"') ? undefined : text) },
      ['columns usage', 'I15', 'I13 house/upstream-cost/up', 'I14', 'spend acc_a', 'spend key_k']],
    ['a record named to another movement',
      "UPDATE usage_pack SET movements = json_set(movements, '$[0]', json_extract(movements, '$[1]')) WHERE position = 1",
      ['I15 req_2', 'I15', 'I14']],
    ['one leg of a movement',
      "UPDATE entry SET amount_nano = amount_nano + 1 WHERE address = 'account/acc_a' AND amount_nano = 1000", ['I1', 'I14', 'I2 account/acc_a']],
    ['both legs of a top-up', "UPDATE entry SET amount_nano = amount_nano * 2 WHERE movement_position = 1",
      ['I14', 'I2 account/acc_a', 'I2 house/cash/test']],
    ['a reason', "UPDATE movement SET reason = 'nothing to see' WHERE reason = 'goodwill'", ['I14']],
    ['a removed movement at the end',
      'DELETE FROM movement WHERE position = (SELECT max(position) FROM movement)',
      ['I14 ledger_state', 'I1', 'I2 account/acc_a']],
    ['a balance', "UPDATE balance SET posted_nano = '1' WHERE address = 'account/acc_b'", ['I2 account/acc_b']],
    ['a removed balance', "DELETE FROM balance WHERE address = 'house/revenue'", ['I2 house/revenue']],
    ['a spending counter',
      "UPDATE spend SET charge_nano = '1' WHERE window_name = 'month' AND scope = 'key'", ['spend key_k']],
    ['the head of the chain',
      "UPDATE ledger_state SET head_hash = replace(head_hash, substr(head_hash, 1, 4), 'ffff')", ['I14 ledger_state']],
    ['an open hold of a closed request', "INSERT INTO open_hold VALUES ('req_1', '{}', '0')", ['I5 req_1']],
  ];
  for (const [what, how, expected] of cases) {
    test(`finds ${what}`, () => {
      const report = tampered(typeof how === 'string' ? { sql: how } : how);
      expect(report.ok).toBe(false);
      const missing = expected.filter((mark) => !found(report)
        .some((line) => line === mark || line.startsWith(`${mark} `)));
      expect({ missing, found: missing.length > 0 ? found(report) : [] }).toEqual({ missing: [], found: [] });
      expect(formatVerifyReport(report)).toContain('NOT in order');
    });
  }

  test('names what no rule can recompute, and a rule that now charges otherwise', () => {
    expect(verifyLedger({ folder: books, chargeOf: () => undefined }))
      .toMatchObject({ ok: true, unknownRules: ['standard'] });
    const report = verifyLedger({ folder: books, chargeOf: (record) => (chargeOfLines(record) ?? 0n) + 1n });
    expect(found(report)).toEqual(['I7 req_1', 'I7 req_2', 'I7 req_3']);
  });

  test('a torn journal tail is no fault, a damaged journal is', async () => {
    const folder = scratch();
    const harness = await embeddedHarness(folder);
    await opened(harness.ledger, 10n);
    const copy = scratch();
    cpSync(folder, copy, { recursive: true, filter: (path) => !path.endsWith('/lock') });
    await harness.stopAndVerify();
    const path = join(copy, 'journal', '00000001.journal');
    appendFileSync(path, 'deadbeef 3 3 usage {"half');
    const report = verifyLedger({ folder: copy, chargeOf: chargeOfLines });
    expect(report).toMatchObject({ ok: true, unloadedRecords: 2 });
    const bytes = readFileSync(path);
    writeFileSync(path, Buffer.from(bytes).fill(0x20, 30, 33));
    expect(found(verifyLedger({ folder: copy, chargeOf: chargeOfLines })))
      .toEqual([`journal ${join(copy, 'journal')}`]);
  });

  test('a folder without a ledger is an error that names it, and stays as it was', () => {
    const folder = scratch();
    expect(() => verifyLedger({ folder, chargeOf: chargeOfLines })).toThrow(`${folder} holds no ledger`);
    expect(existsSync(join(folder, 'ledger.db'))).toBe(false);
  });

  test('the sample has a loss, so the cases above cover it', () => {
    const database = new Database(join(books, 'ledger.db'), { readonly: true });
    const ofB = usageTexts(database).map(readUsageFacts).filter((facts) => facts.accountId === accountId('b'));
    expect(ofB).toMatchObject([{ lossNano: 30n }]);
    database.close();
  });
});
