// The facts of the config that was applied last, one row. Written by the transaction that applies it, together with the
// audit event of what changed; `tollgate check --diff` reads it beside a running gateway.

import type { Transaction } from 'kysely';
import type { EpochMs } from '../../core/clock.ts';
import type { AuditTables } from '../../store/schema/accounts.ts';
import {
  appliedConfigQuery,
  readAppliedConfig,
  readRuleForms,
  type AppliedConfigTables,
} from '../../store/schema/applied-config.ts';
import type { SqlFile } from '../../store/sql-file.ts';
import type { AuditEntry } from '../audit/audit.ts';
import { appendAuditEvent } from '../audit/audit-store.ts';
import { factsOfText, factsText, ruleForms, type ConfigFacts } from './config-facts.ts';

export interface AppliedConfig {
  /** Grows by one with each config that is applied, over restarts. */
  readonly generation: number;
  readonly at: EpochMs;
  readonly facts: ConfigFacts;
}

export type AppliedConfigFile = SqlFile<AppliedConfigTables & AuditTables>;
/** What one transaction does. */
export type AppliedConfigWork = (transaction: Transaction<AppliedConfigTables & AuditTables>) => Promise<void>;

/** Undefined: none was ever applied to this folder. */
export function lastApplied(file: Pick<AppliedConfigFile, 'rows'>): AppliedConfig | undefined {
  const row = file.rows<{ readonly generation: bigint; readonly applied_at: bigint; readonly facts: string }>(
    appliedConfigQuery,
  )[0];
  if (row === undefined) return undefined;
  return { generation: Number(row.generation), at: Number(row.applied_at), facts: factsOfText(row.facts) };
}

/** The same, beside a gateway that may be running: reads only, and waits for nobody. Undefined also without a store. */
export function factsAppliedTo(dataFolder: string): ConfigFacts | undefined {
  const row = readAppliedConfig(dataFolder);
  return row === undefined ? undefined : factsOfText(row.facts);
}

export const rememberApplied =
  ({ generation, at, facts }: AppliedConfig, before: ConfigFacts | undefined, entry: AuditEntry): AppliedConfigWork =>
  async (transaction) => {
    for (const { name, form } of ruleForms(facts)) {
      const known = before === undefined ? undefined : ruleForms(before).find((rule) => rule.name === name);
      if (known?.form === form) continue;
      await transaction
        .insertInto('billing_rule_form')
        .values({ name, since: BigInt(at), form })
        .onConflict((conflict) => conflict.columns(['name', 'since']).doUpdateSet({ form }))
        .execute();
    }
    const row = { generation: BigInt(generation), applied_at: BigInt(at), facts: factsText(facts) };
    await transaction
      .insertInto('applied_config')
      .values({ id: 1n, ...row })
      .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
      .execute();
    await appendAuditEvent(transaction, entry);
  };

/** Between the moment that a change of a rule is dated with and the last request that was admitted before it. */
const ADMITTED_BEFORE_MS = 10_000;

/** Whether a rule of these facts may have been another one when a request was admitted; see `verify`. */
export function ruleHistory(dataFolder: string, facts: ConfigFacts): (rule: string, admittedAt: EpochMs) => boolean {
  const given = new Map(ruleForms(facts).map(({ name, form }) => [name, form]));
  const byName = Map.groupBy(readRuleForms(dataFolder), ({ name }) => name);
  return (rule, admittedAt) => {
    const forms = byName.get(rule) ?? [];
    const formAt = (at: EpochMs) => forms.findLast(({ since }) => since <= BigInt(at))?.form ?? forms[0]?.form;
    return [formAt(admittedAt), formAt(admittedAt - ADMITTED_BEFORE_MS)].some(
      (form) => form !== undefined && form !== given.get(rule),
    );
  };
}
