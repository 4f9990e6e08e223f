// Routing strategy: ranks the upstreams that may serve a request. It keeps no state: what it may know comes in here.

import type { Chance } from '../core/clock.ts';
import type { Operation } from './operations.ts';

export interface RoutingRequest {
  readonly operation: Operation;
  readonly model: string;
  readonly stream: boolean;
  /** A value that stays the same for one conversation or caller, for strategies that want affinity. */
  readonly affinityKey: string;
}

/** One upstream as the strategy sees it: a frozen snapshot taken for this request. */
export interface UpstreamView {
  readonly id: string;
  readonly name: string;
  /** Relative share, an integer from 0 to 1,000,000; zero means only when no other can serve. */
  readonly weight: number;
  /** Smaller is preferred. */
  readonly priority: number;
  /** `open`: in rotation; `probing`: back on trial after faults; `ejected`: served only when nothing else is left. */
  readonly health: 'open' | 'probing' | 'ejected';
  /** Requests that we have running there now. */
  readonly inFlight: number;
  /** Moving average of time to first byte, in milliseconds; undefined before the first reply. */
  readonly firstByteMs: number | undefined;
  /** Share of the last attempts that failed through the upstream's fault, from 0 to 1. */
  readonly faultRate: number;
}

export interface RoutingStrategy {
  /**
   * Best first. Asked once per request, synchronously. May leave upstreams out; may not invent or repeat any (the host
   * drops such entries and reports a plugin fault). `random` gives numbers in [0, 1). Returning nothing means that no
   * upstream may serve. A throw falls back to the given order.
   */
  rank(request: RoutingRequest, upstreams: readonly UpstreamView[], random: Chance): readonly UpstreamView[];
}
