// The usage records of one batch after another, out of their packs, and whether each of them can be found. A pack that
// is missing, or too many, is found and hides nothing else.

import type { Database, Statement } from 'bun:sqlite';
import type { UsageFacetRow, UsageKeyRow, UsagePackRow, UsageRow } from '../../store/schema/ledger.ts';
import type { PackFacets } from '../../store/usage-facets.ts';
import type { UsageFacts } from '../../store/usage-facts.ts';
import { readMovementPositions, unpack, UsageDigest } from '../../store/usage-packs.ts';
import type { Findings } from './verify-findings.ts';

export interface PackedRecord {
  readonly position: bigint;
  /** Of the movement that carries its charge. Undefined: the pack does not say. */
  readonly movementPosition: bigint | undefined;
  readonly text: string;
}

export interface OpenedPack {
  readonly position: bigint;
  readonly records: readonly PackedRecord[];
}

export interface UsageBatch {
  readonly packs: readonly OpenedPack[];
  /** As the batch's `charges` movements must have it in their hash. */
  readonly sha256: string | undefined;
}

export class UsageWalk {
  readonly #findings: Findings;
  readonly #packs: Iterator<UsagePackRow>;
  #pack: UsagePackRow | undefined;
  #nextPosition = 1n;

  constructor(database: Database, findings: Findings) {
    this.#findings = findings;
    this.#packs = database.prepare<UsagePackRow, []>('SELECT * FROM usage_pack ORDER BY position').iterate();
    this.#pack = next(this.#packs);
  }

  /** Packs up to that batch: those of a batch that no movement has are findings. */
  batch(number: bigint): UsageBatch {
    const digest = new UsageDigest();
    const packs: OpenedPack[] = [];
    for (; this.#pack !== undefined && this.#pack.batch <= number; this.#pack = next(this.#packs)) {
      const pack = this.#pack;
      const name = `usage ${pack.position}`;
      if (pack.position !== this.#nextPosition) {
        this.#findings.add('I14', name, `it follows the record before ${this.#nextPosition}`);
      }
      this.#nextPosition = pack.position + pack.records;
      const movements = this.#findings.guard('I14', name, () => readMovementPositions(pack.movements)) ?? [];
      packs.push({ position: pack.position, records: this.#open(pack, name, movements) });
      if (pack.batch === number) digest.addPack(pack.texts, movements);
      else this.#findings.add('I15', name, `batch ${pack.batch} of its pack has no movement`);
    }
    return { packs, sha256: digest.sha256() };
  }

  /** What the last movement left over. */
  finish(): void {
    for (; this.#pack !== undefined; this.#pack = next(this.#packs)) {
      this.#findings.add('I15', `usage ${this.#pack.position}`, `batch ${this.#pack.batch} of its pack has no movement`);
    }
  }

  #open(pack: UsagePackRow, name: string, movements: readonly number[]): readonly PackedRecord[] {
    const texts = this.#findings.guard('I14', name, () => unpack(pack.texts));
    if (texts === undefined) return [];
    if (BigInt(texts.length) !== pack.records || texts.length !== movements.length) {
      this.#findings.add('I14', name,
        `its pack holds ${texts.length} records of ${movements.length} movements, not ${pack.records}`);
    }
    return texts.map((text, index) => {
      const movement = movements[index];
      return {
        position: pack.position + BigInt(index), text,
        movementPosition: movement === undefined ? undefined : BigInt(movement),
      };
    });
  }
}

/** Whether look-ups and lists find each record, and nothing else. */
export class UsageIndexCheck {
  readonly #database: Database;
  readonly #findings: Findings;
  readonly #place: Statement<Pick<UsageRow, 'position'>, [string]>;
  readonly #facet: Statement<UsageFacetRow, [string, string, bigint]>;
  readonly #keys = new Set<string>();
  #records = 0n;
  #facets = 0n;

  constructor(database: Database, findings: Findings) {
    this.#database = database;
    this.#findings = findings;
    this.#place = database.prepare('SELECT position FROM usage WHERE request_id = ?');
    this.#facet = database.prepare('SELECT * FROM usage_facet WHERE facet = ? AND last_id = ? AND pack = ?');
  }

  checkRecord({ requestId, apiKeyId, accountId }: UsageFacts, position: bigint): void {
    this.#records += 1n;
    this.#keys.add(`${apiKeyId}\0${accountId}`);
    const place = this.#place.get(requestId)?.position;
    if (place === position) return;
    this.#findings.add('columns', requestId,
      `its record is at ${position}, and is looked for at ${place ?? 'no place'}`);
  }

  checkPack(position: bigint, facets: PackFacets): void {
    const { firstId, lastId, firstAt, lastAt } = facets.span();
    for (const facet of facets.facets()) {
      this.#facets += 1n;
      const row = this.#facet.get(facet, lastId, position);
      if (row?.first_id === firstId && row.first_at === BigInt(firstAt) && row.last_at === BigInt(lastAt)) continue;
      this.#findings.add('columns', `usage ${position}`, `its pack is not listed as one that has ${facet}`);
    }
  }

  finish(): void {
    this.#checkCount('usage', this.#records);
    this.#checkCount('usage_facet', this.#facets);
    for (const row of this.#database.query<UsageKeyRow, []>('SELECT * FROM usage_key').all()) {
      this.#keys.delete(`${row.api_key_id}\0${row.account_id}`);
    }
    for (const pair of this.#keys) {
      const [apiKeyId = '', accountId] = pair.split('\0');
      this.#findings.add('columns', apiKeyId, `it is not listed as a key of ${accountId}`);
    }
  }

  #checkCount(table: string, expected: bigint): void {
    const rows = this.#database.query<{ count: bigint }, []>(`SELECT count(*) AS count FROM ${table}`).get()?.count;
    if (rows !== expected) this.#findings.add('columns', table, `it has ${rows} rows, the records make ${expected}`);
  }
}

export function next<T>(rows: Iterator<T>): T | undefined {
  const step = rows.next();
  return step.done === true ? undefined : step.value;
}
