// The controls that are part of Tollgate itself, whatever policies are loaded, and the clauses of the shipped
// documents that they keep. A line stands here only while the thing it names runs; `tollgate check` counts on
// it.

import type { ControlRegistration } from './clause-matrix.ts';

export const builtInControls: readonly ControlRegistration[] = [
  // Versions are dated, hashed and immutable, and the endpoints show all of them.
  { control: 'control:terms-versions', clauses: ['D3', 'S0'] },
  { control: 'endpoint:GET /terms/{document}/versions/{version}', clauses: ['D3', 'S0'] },
  // Each acceptance is kept with its evidence, again for every new version.
  { control: 'control:acceptance-records', clauses: ['D1', 'S3.3', 'S7', 'P1.3'] },
  { control: 'endpoint:POST /terms/acceptances', clauses: ['P1.3'] },
  // A deleted key is refused at once, and a key is replaced in one call.
  { control: 'endpoint:DELETE /admin/v1/api-keys/{apiKeyId}', clauses: ['S1.2'] },
  { control: 'endpoint:POST /admin/v1/api-keys/{apiKeyId}/rotate', clauses: ['S1.2'] },
  // Prices are dated and immutable; each hold and usage record pins the version, rates and multipliers of its
  // charge.
  { control: 'control:price-versions', clauses: ['D2', 'S5.2'] },
  { control: 'control:pinned-price-terms', clauses: ['D2', 'S5.2'] },
];

/** The endpoints among controls, as method and path, for comparing with what is really mounted. */
export function endpointsOf(
  registrations: readonly ControlRegistration[],
): readonly { readonly method: string; readonly path: string }[] {
  return registrations
    .filter(({ control }) => control.startsWith('endpoint:'))
    .map(({ control }) => {
      const [method = '', path = ''] = control.slice('endpoint:'.length).split(' ');
      return { method, path };
    });
}
