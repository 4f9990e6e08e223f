// The texts of usage records as they lie in the packs: read in their order, and changed as whoever has the file could.

import type { Database } from 'bun:sqlite';
import type { UsagePackRow } from '../../src/store/schema/ledger.ts';
import { readMovementPositions, unpack } from '../../src/store/usage-packs.ts';

const packsOf = (database: Database): readonly UsagePackRow[] =>
  database.query<UsagePackRow, []>('SELECT * FROM usage_pack ORDER BY position').all();

export function usageTexts(database: Database): readonly string[] {
  return packsOf(database).flatMap((pack) => unpack(pack.texts));
}

/** Undefined removes the record. Returns how many are others now. The triggers that forbid it must be gone. */
export function changeUsageTexts(database: Database, change: (text: string) => string | undefined): number {
  let changes = 0;
  for (const pack of packsOf(database)) {
    const before = unpack(pack.texts);
    const after = before.map(change);
    changes += after.filter((text, index) => text !== before[index]).length;
    const texts = after.filter((text) => text !== undefined);
    const movements = readMovementPositions(pack.movements).filter((_, index) => after[index] !== undefined);
    database.query('UPDATE usage_pack SET texts = ?, movements = ?, records = ? WHERE position = ?')
      .run(Bun.zstdCompressSync(texts.join('\n')), JSON.stringify(movements), movements.length, pack.position);
  }
  return changes;
}
