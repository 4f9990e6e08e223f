// The usage rows of one batch after another, each with its record's text out of the packs. Rows and packs are walked
// side by side, so that one which is missing, or too many, is found and hides nothing else.

import type { Database } from 'bun:sqlite';
import type { UsagePackRow, UsageRow } from '../../store/schema/ledger.ts';
import { unpack, UsageDigest } from '../../store/usage-packs.ts';
import type { Findings } from './verify-findings.ts';

export interface VerifiedRow {
  readonly row: UsageRow;
  /** Undefined: no pack has it. */
  readonly text: string | undefined;
}

export interface UsageBatch {
  readonly rows: readonly VerifiedRow[];
  /** As the batch's `charges` movements must have it in their hash. */
  readonly sha256: string | undefined;
}

export class UsageWalk {
  readonly #findings: Findings;
  readonly #rows: Iterator<UsageRow>;
  readonly #packs: Iterator<UsagePackRow>;
  #row: UsageRow | undefined;
  #pack: UsagePackRow | undefined;

  constructor(database: Database, findings: Findings) {
    this.#findings = findings;
    this.#rows = database.prepare<UsageRow, []>('SELECT * FROM usage ORDER BY position').iterate();
    this.#packs = database.prepare<UsagePackRow, []>('SELECT * FROM usage_pack ORDER BY position').iterate();
    this.#row = next(this.#rows);
    this.#pack = next(this.#packs);
  }

  /** Rows up to that batch: those of a batch that no movement has are findings. */
  batch(number: bigint): UsageBatch {
    const digest = new UsageDigest();
    const texts = new Map<bigint, string>();
    for (; this.#pack !== undefined && this.#pack.batch <= number; this.#pack = next(this.#packs)) {
      this.#open(this.#pack, texts);
      if (this.#pack.batch === number) digest.addPack(this.#pack.texts);
    }
    const rows: VerifiedRow[] = [];
    for (; this.#row !== undefined && this.#row.batch <= number; this.#row = next(this.#rows)) {
      const row = this.#row;
      if (row.batch === number) digest.addRow(Number(row.movement_position));
      else this.#findings.add('I15', row.request_id, `its batch ${row.batch} has no movement`);
      const text = texts.get(row.position);
      if (text === undefined) this.#findings.add('I14', row.request_id, 'its record is missing');
      texts.delete(row.position);
      rows.push({ row, text });
    }
    for (const position of texts.keys()) {
      this.#findings.add('I15', `usage ${position}`, 'there is a record, but no row');
    }
    return { rows, sha256: digest.sha256() };
  }

  /** What the last movement left over. */
  finish(): void {
    for (; this.#row !== undefined; this.#row = next(this.#rows)) {
      this.#findings.add('I15', this.#row.request_id, `its batch ${this.#row.batch} has no movement`);
    }
    for (; this.#pack !== undefined; this.#pack = next(this.#packs)) {
      this.#findings.add('I15', `usage ${this.#pack.position}`, `batch ${this.#pack.batch} of its pack has no movement`);
    }
  }

  #open(pack: UsagePackRow, texts: Map<bigint, string>): void {
    const found = this.#findings.guard('I14', `usage ${pack.position}`, () => unpack(pack.texts));
    if (found === undefined) return;
    found.forEach((text, index) => texts.set(pack.position + BigInt(index), text));
    if (BigInt(found.length) === pack.records) return;
    this.#findings.add('I14', `usage ${pack.position}`, `its pack holds ${found.length} records, not ${pack.records}`);
  }
}

export function next<T>(rows: Iterator<T>): T | undefined {
  const step = rows.next();
  return step.done === true ? undefined : step.value;
}
