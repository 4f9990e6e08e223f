// The prices of one model by their dates. Asked at every request, so nothing is made here: no list, no object.

import type { EpochMs } from '../../core/clock.ts';
import type { PriceVersion } from './catalog.ts';

/** Earliest first. Each version is in force from its time until the next one's. */
export type PriceTimeline = readonly { readonly from: EpochMs; readonly version: PriceVersion }[];

export function priceInForce(timeline: PriceTimeline | undefined, at: EpochMs): PriceVersion | undefined {
  if (timeline === undefined) return undefined;
  // From the end: what is in force is mostly the last.
  for (let index = timeline.length - 1; index >= 0; index -= 1) {
    const entry = timeline[index];
    if (entry !== undefined && entry.from <= at) return entry.version;
  }
  return undefined;
}

/** Of open versions of one model. */
export const timelineOf = (versions: readonly PriceVersion[]): PriceTimeline =>
  versions.map((version) => ({ from: version.validFrom, version })).toSorted((left, right) => left.from - right.from);

/** The version in force at that time and all that come later: those that a change of the model must fit. */
export function comingVersions(timeline: PriceTimeline | undefined, at: EpochMs): readonly PriceVersion[] {
  const inForce = priceInForce(timeline, at);
  return (timeline ?? []).filter(({ from, version }) => from > at || version === inForce).map(({ version }) => version);
}
