// Rows of the models that operators made, with their offers. Each write commits together with its audit event; a change
// names the revision that it was decided on, and finds no row if there is a later one.

import type { Transaction } from 'kysely';
import { operations } from '../../plugin/operations.ts';
import type { CatalogFile, CatalogTables, ModelOfferRow, ModelRow } from '../../store/schema/catalog.ts';
import type { AuditEntry } from '../audit/audit.ts';
import { appendAuditEvent } from '../audit/audit-store.ts';
import type { AdminModel, AdminOffer } from './admin-catalog.ts';
import { CorruptRowError, ratesOf, ratesText } from './price-rates.ts';

export interface ModelsStore {
  /** At opening. */
  all(): readonly AdminModel[];
  insert(model: AdminModel, entry: AuditEntry): Promise<void>;
  /** False if the revision before this one is not the stored one any more. */
  update(model: AdminModel, entry: AuditEntry): Promise<boolean>;
}

export function createModelsStore(file: CatalogFile): ModelsStore {
  return {
    all() {
      const models = file.rows<ModelRow>('SELECT * FROM model ORDER BY name');
      const offers = file.rows<ModelOfferRow>('SELECT * FROM model_offer ORDER BY model, position');
      const byModel = Map.groupBy(offers, (offer) => offer.model);
      return models.map((row) => modelOf(row, (byModel.get(row.name) ?? []).map(offerOf)));
    },
    insert: (model, entry) =>
      file.transaction(async (transaction) => {
        await transaction
          .insertInto('model')
          .values({ name: model.name, created_at: BigInt(model.createdAt), ...changingColumns(model) })
          .execute();
        await insertOffers(transaction, model);
        await appendAuditEvent(transaction, entry);
      }),
    update: (model, entry) =>
      file.transaction(async (transaction) => {
        const { numUpdatedRows } = await transaction
          .updateTable('model')
          .set(changingColumns(model))
          .where('name', '=', model.name)
          .where('revision', '=', BigInt(model.revision - 1))
          .executeTakeFirstOrThrow();
        if (numUpdatedRows !== 1n) return false;
        await transaction.deleteFrom('model_offer').where('model', '=', model.name).execute();
        await insertOffers(transaction, model);
        await appendAuditEvent(transaction, entry);
        return true;
      }),
  };
}

async function insertOffers(transaction: Transaction<CatalogTables>, { name, offers }: AdminModel): Promise<void> {
  const rows = offers.map(({ upstream, model, cost }, position) => ({
    model: name,
    position: BigInt(position),
    upstream,
    upstream_model: model ?? null,
    cost_currency: cost?.currency ?? null,
    cost_rates: cost === undefined ? null : ratesText(cost.rates),
    cost_per_call_nano: cost?.perCallNano ?? null,
  }));
  await transaction.insertInto('model_offer').values(rows).execute();
}

const changingColumns = (model: AdminModel) => ({
  operations: JSON.stringify(model.operations),
  context_tokens: BigInt(model.contextTokens),
  output_tokens_max: BigInt(model.outputTokensMax),
  rule: model.rule,
  strategy: model.strategy,
  multiplier_ppm: BigInt(model.multiplierPpm),
  group_names: model.groups === undefined ? null : JSON.stringify(model.groups),
  enabled: model.enabled ? 1n : 0n,
  revision: BigInt(model.revision),
});

function modelOf(row: ModelRow, offers: readonly AdminOffer[]): AdminModel {
  const named = textsOf(row, 'operations', row.operations);
  return {
    name: row.name,
    // An operation that this build does not know any more is not served.
    operations: operations.filter((operation) => named.includes(operation)),
    contextTokens: Number(row.context_tokens),
    outputTokensMax: Number(row.output_tokens_max),
    rule: row.rule,
    strategy: row.strategy,
    multiplierPpm: Number(row.multiplier_ppm),
    groups: row.group_names === null ? undefined : textsOf(row, 'group_names', row.group_names),
    offers,
    enabled: row.enabled === 1n,
    createdAt: Number(row.created_at),
    revision: Number(row.revision),
  };
}

function offerOf(row: ModelOfferRow): AdminOffer {
  const { cost_currency: currency, cost_rates: rates, cost_per_call_nano: perCallNano } = row;
  return {
    upstream: row.upstream,
    model: row.upstream_model ?? undefined,
    cost:
      currency === null || rates === null || perCallNano === null
        ? undefined
        : { currency, rates: ratesOf(rates, 'model_offer', row.model), perCallNano },
  };
}

/** Fails closed: a list of groups that cannot be read must not turn into "everybody". */
function textsOf(row: ModelRow, column: string, text: string): readonly string[] {
  const list: unknown = JSON.parse(text);
  if (Array.isArray(list) && list.every((item) => typeof item === 'string')) return list;
  throw new CorruptRowError('model', row.name, column);
}
