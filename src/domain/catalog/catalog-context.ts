// What the services of this folder share. Invariant: one change at a time. A change is decided on what is there, is
// built into a whole new catalog, is committed together with its audit event, and only then takes the old one's place,
// in one assignment: a request sees the one or the other.

import type { Clock } from '../../core/clock.ts';
import type { DeclaredAt, DeclaredNoun } from '../../core/declared-at.ts';
import { TollgateError } from '../../core/errors.ts';
import type { IdSource } from '../../core/ids.ts';
import type { RandomBytes } from '../../core/secrets.ts';
import type { Turns } from '../accounts/accounts-context.ts';
import type { DeclaredCatalog } from './config-catalog.ts';
import type { MasterKeys } from './master-key.ts';
import type { ModelsStore } from './models-store.ts';
import type { PriceStore } from './price-store.ts';
import type { CatalogPlugins, CatalogRows, CatalogSnapshot } from './snapshot.ts';
import type { UpstreamsStore } from './upstreams-store.ts';

export interface CatalogContext {
  readonly declared: DeclaredCatalog;
  readonly plugins: CatalogPlugins;
  /** Names of the rule and strategy that models have which name none. */
  readonly defaults: { readonly rule: string; readonly strategy: string };
  readonly live: LiveCatalog;
  readonly upstreams: UpstreamsStore;
  readonly models: ModelsStore;
  readonly prices: PriceStore;
  readonly masterKeys: MasterKeys;
  readonly clock: Clock;
  readonly newId: IdSource;
  readonly randomBytes: RandomBytes;
  readonly groupExists: (name: string) => boolean;
  /** Where the config declares something, for refusals. */
  readonly declaredAt: DeclaredAt;
  readonly turn: Turns;
}

export interface LiveCatalog {
  readonly rows: CatalogRows;
  readonly snapshot: CatalogSnapshot;
  /** Builds the catalog of these rows; nothing is different until it is published. */
  prepare(rows: Partial<CatalogRows>): PreparedCatalog;
}

export interface PreparedCatalog {
  readonly snapshot: CatalogSnapshot;
  publish(): void;
}

export const withEntry = <V>(map: ReadonlyMap<string, V>, name: string, value: V): ReadonlyMap<string, V> =>
  new Map(map).set(name, value);

/** Taking something out of service is never held up by what is wrong with it. */
export const onlySwitchesOff = (patch: { readonly enabled?: boolean | undefined }): boolean =>
  patch.enabled === false && Object.entries(patch).every(([name, value]) => name === 'enabled' || value === undefined);

export const refusedInput = (field: string, rule: string): TollgateError =>
  new TollgateError('invalid_request', { message: `${field}: ${rule}.`, field });

export async function declaredElsewhere(
  { declaredAt }: Pick<CatalogContext, 'declaredAt'>,
  noun: DeclaredNoun,
  name: string,
): Promise<TollgateError> {
  const place = await declaredAt(noun, name);
  const where = place === undefined ? '' : ` (${place})`;
  return new TollgateError('conflict', {
    message: `${name}: the config declares this ${noun}${where}, and it alone can change it; edit it there and reload.`,
    field: 'name',
  });
}

export const changedMeanwhile = (noun: string): TollgateError =>
  new TollgateError('conflict', {
    message: `The ${noun} was changed by somebody else meanwhile; read it and try again.`,
  });
