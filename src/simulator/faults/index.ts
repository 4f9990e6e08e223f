// The fault list as one table: `sim/u05` names a fault, `sim/u05-usage` a variant of it. U1 and U31 are had
// by the upstream's address alone (`addresses.ts`), so no model can show them.

import type { Fault, FaultScript } from './fault.ts';
import { statusFaults } from './status.ts';
import { streamFaults } from './stream.ts';
import { transportFaults } from './transport.ts';
import { usageFault } from './usage.ts';

export type { Fault, FaultContext, FaultScript } from './fault.ts';

/** Faults of the list that only an upstream's address can show. */
export const addressFaults: readonly { readonly number: number; readonly title: string }[] = [
  { number: 1, title: 'connection refused' },
  { number: 31, title: 'TLS or DNS failure' },
];

/** All faults that models show, by number. */
export const faults: readonly Fault[] = [...transportFaults, ...streamFaults, ...statusFaults, usageFault].sort(
  (one, other) => one.number - other.number,
);

/** `sim/u05` of fault 5. */
export function faultModelName(number: number, variant?: string): string {
  return `sim/u${String(number).padStart(2, '0')}${variant === undefined ? '' : `-${variant}`}`;
}

const scripts: ReadonlyMap<string, FaultScript> = new Map(
  faults.flatMap(({ number, usual, variants }) =>
    Object.entries(variants).flatMap(([variant, script]) => [
      ...(variant === usual ? [[faultModelName(number), script] as const] : []),
      [faultModelName(number, variant), script] as const,
    ]),
  ),
);

/** Every model name that shows a fault. */
export const faultModelNames: readonly string[] = [...scripts.keys()];

export function findFault(model: string): FaultScript | undefined {
  return scripts.get(model);
}

/** True for the model of a fault that only an address can show. */
export function isAddressFault(model: string): boolean {
  return addressFaults.some(
    ({ number }) => model === faultModelName(number) || model.startsWith(`${faultModelName(number)}-`),
  );
}
