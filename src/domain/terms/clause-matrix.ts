// Binds clauses to what makes them true. A promise that no loaded control keeps is found here, before the
// service opens, and shown clause by clause to users: that is what makes terms more than words.

import type { ClauseId, CompliancePolicy } from '../../plugin/policy.ts';
import type { ClauseBinding, TermsVersion } from './terms.ts';

/** Something that runs and keeps promises, and the clauses that it keeps. */
export interface ControlRegistration {
  /** `policy:region`, `endpoint:GET /terms`, `control:price-versions`. */
  readonly control: string;
  readonly clauses: readonly ClauseId[];
}

export interface ControlRegistry {
  /** Adds controls. The same control may be registered again: its clauses are united. */
  registerControls(registrations: readonly ControlRegistration[]): void;
  /** Controls that keep this clause, in the order of registration. */
  controlsOf(clause: ClauseId): readonly string[];
  registrations(): readonly ControlRegistration[];
}

const CONTROL = /^(?:policy|control):[a-z][a-z0-9-]*$|^endpoint:(?:GET|POST|PUT|PATCH|DELETE) \/\S*$/;

export function createControlRegistry(): ControlRegistry {
  const clausesByControl = new Map<string, Set<ClauseId>>();
  return {
    registerControls(registrations) {
      for (const { control, clauses } of registrations) {
        if (!CONTROL.test(control))
          throw new Error(`"${control}" names no control; write policy:, control: or endpoint:METHOD /path`);
        const known = clausesByControl.get(control) ?? new Set();
        for (const clause of clauses) known.add(clause);
        clausesByControl.set(control, known);
      }
    },
    controlsOf: (clause) =>
      [...clausesByControl].filter(([, clauses]) => clauses.has(clause)).map(([control]) => control),
    registrations: () =>
      [...clausesByControl].map(([control, clauses]) => ({ control, clauses: [...clauses] })),
  };
}

/** The controls that loaded policies are. */
export function policyControls(
  policies: readonly { readonly name: string; readonly policy: Pick<CompliancePolicy, 'clauses'> }[],
): readonly ControlRegistration[] {
  return policies.map(({ name, policy }) => ({ control: `policy:${name}`, clauses: policy.clauses }));
}

/** One row for each clause of these versions, in their order. */
export function clauseMatrix(
  versions: readonly Pick<TermsVersion, 'document' | 'version' | 'clauses'>[],
  registry: Pick<ControlRegistry, 'controlsOf'>,
): readonly ClauseBinding[] {
  return versions.flatMap(({ document, version, clauses }) =>
    clauses.map((clause) => ({ document, version, clause, controls: registry.controlsOf(clause.id) })),
  );
}

/** Clauses that promise a deed and have no control. Words only (`declared`) promise none. */
export function unkeptPromises(matrix: readonly ClauseBinding[]): readonly ClauseBinding[] {
  return matrix.filter(({ clause, controls }) => clause.kind !== 'declared' && controls.length === 0);
}

/** One line for each, for `tollgate check`. */
export const describeUnkept = ({ document, version, clause }: ClauseBinding): string =>
  `terms document ${document} ${version}, clause ${clause.id} (${clause.title}) says "${clause.kind}" but no loaded control keeps it: ` +
  'load the policy or feature that does, or take the clause out of the document';
