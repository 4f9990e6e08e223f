// The controls that keep clauses true: built in, and the policies that are loaded now.

import type { ResolvedConfig } from './config/resolve.ts';
import { createControlRegistry, policyControls, type ControlRegistry } from './domain/terms/clause-matrix.ts';
import { builtInControls } from './domain/terms/controls.ts';

export interface LiveControls {
  /** Always of the config in force. */
  readonly registry: ControlRegistry;
  prepare(resolved: ResolvedConfig): { publish(): void };
}

export function createLiveControls(first: ResolvedConfig): LiveControls {
  let current = controlsOf(first);
  return {
    registry: {
      registerControls: (registrations) => current.registerControls(registrations),
      controlsOf: (clause) => current.controlsOf(clause),
      registrations: () => current.registrations(),
    },
    prepare(resolved) {
      const next = controlsOf(resolved);
      return { publish: () => void (current = next) };
    },
  };
}

export function controlsOf({ policies }: Pick<ResolvedConfig, 'policies'>): ControlRegistry {
  const controls = createControlRegistry();
  controls.registerControls(builtInControls);
  controls.registerControls(policyControls(policies.map(({ name, plugin }) => ({ name, policy: plugin }))));
  return controls;
}
