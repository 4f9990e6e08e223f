// The controls that are part of Tollgate itself, whatever policies are loaded, and the clauses of the shipped presets
// that they keep. A line stands here only while the thing it names runs; `tollgate check` counts on it.

import type { ControlRegistration } from './clause-matrix.ts';

export const builtInControls: readonly ControlRegistration[] = [
  /** Versions are dated, hashed and immutable; the endpoints show them with both. */
  { control: 'control:terms-versions', clauses: ['D1', 'S0'] },
  { control: 'endpoint:GET /terms/{document}', clauses: ['D1', 'S0'] },
  /** Each acceptance is kept with its evidence, again for every new version. */
  { control: 'control:acceptance-records', clauses: ['D2', 'S3.3', 'S7', 'P1.3'] },
  /** A key is dead at once on deletion, and replaced in one call. */
  { control: 'endpoint:DELETE /admin/v1/api-keys/{id}', clauses: ['S1.2'] },
  { control: 'endpoint:POST /admin/v1/api-keys/{id}/rotate', clauses: ['S1.2'] },
  /** Prices are dated and immutable; a usage record pins the one it was charged by, and `verify` recomputes it. */
  { control: 'control:price-versions', clauses: ['D3', 'S5.2'] },
  { control: 'control:charge-verification', clauses: ['D3', 'S5.2'] },
];
