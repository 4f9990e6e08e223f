// What we know of each upstream's state: in memory, per process. Decides who is in rotation; strategies only rank.
// Ejection grows from 10 s by doubling, to 10 minutes; a dead credential ejects at once.

import type { Clock } from '../../core/clock.ts';
import type { FaultClass } from '../../plugin/provider.ts';
import type { UpstreamView } from '../../plugin/routing.ts';
import type { Upstream } from '../catalog/catalog.ts';

const CONSECUTIVE_FAULTS = 5;
const EJECTION_BASE_MS = 10_000;
const EJECTION_MAX_MS = 600_000;
const CREDENTIAL_EJECTION_MS = 300_000;
const RETRY_AFTER_MAX_MS = 300_000;
/** Weight of the newest attempt in the moving averages. */
const SMOOTHING = 0.1;

interface State {
  inFlight: number;
  consecutive: number;
  ejections: number;
  ejectedUntilMs: number;
  firstByteMs: number | undefined;
  faultRate: number;
  lastFault: string | undefined;
}

interface Remembered {
  readonly upstream: Upstream;
  readonly state: State;
}

const newState = (): State => ({
  inFlight: 0,
  consecutive: 0,
  ejections: 0,
  ejectedUntilMs: 0,
  firstByteMs: undefined,
  faultRate: 0,
  lastFault: undefined,
});

const isSamePlace = (one: Upstream, other: Upstream): boolean =>
  one.baseUrl.href === other.baseUrl.href &&
  one.providerName === other.providerName &&
  one.credential === other.credential;

export interface UpstreamHealth {
  view(upstream: Upstream): UpstreamView;
  started(upstream: Upstream): void;
  /** Every started attempt ends in exactly one of these three. */
  served(upstream: Upstream, firstByteMs: number): void;
  failed(upstream: Upstream, fault: FaultClass | 'transport' | 'usage', retryAfterMs: number | undefined): void;
  /** The attempt says nothing about the upstream: the request was wrong, or the client left. */
  neutral(upstream: Upstream): void;
  /**
   * Marks an upstream down beside an attempt that served: its usage block was not to be believed, or its stream broke
   * off or fell silent after output had begun.
   */
  marked(upstream: Upstream, fault: 'usage' | 'broken-off' | 'timed-out'): void;
  /** Forgets upstreams that are not among these; what still runs on them ends in a state that nobody sees. */
  keep(names: ReadonlySet<string>): void;
  states(): readonly {
    readonly name: string;
    readonly health: UpstreamView['health'];
    readonly faultRate: number;
    readonly inFlight: number;
    readonly lastFault: string | undefined;
  }[];
}

export function createUpstreamHealth(clock: Clock): UpstreamHealth {
  const states = new Map<string, Remembered>();
  const known = new WeakMap<Upstream, State>();
  /**
   * An attempt ends in the state that it began in. An upstream that keeps its name and has another address, provider or
   * credential is another one: what was known of the old one says nothing about it.
   */
  const stateOf = (upstream: Upstream): State => {
    let state = known.get(upstream);
    if (state !== undefined) return state;
    const before = states.get(upstream.name);
    state = before !== undefined && isSamePlace(before.upstream, upstream) ? before.state : newState();
    known.set(upstream, state);
    states.set(upstream.name, { upstream, state });
    return state;
  };
  const healthOf = (state: State): UpstreamView['health'] => {
    if (state.ejectedUntilMs === 0) return 'open';
    return state.ejectedUntilMs > clock.monotonicMs() ? 'ejected' : 'probing';
  };
  const eject = (state: State, forMs: number) => {
    state.ejectedUntilMs = Math.max(state.ejectedUntilMs, clock.monotonicMs() + forMs);
  };
  const fault = (state: State, name: string) => {
    state.consecutive += 1;
    state.faultRate += SMOOTHING * (1 - state.faultRate);
    state.lastFault = name;
    if (state.consecutive >= CONSECUTIVE_FAULTS || healthOf(state) === 'probing') {
      eject(state, Math.min(EJECTION_MAX_MS, EJECTION_BASE_MS * 2 ** state.ejections));
      state.ejections = Math.min(state.ejections + 1, 10);
      state.consecutive = 0;
    }
  };
  return {
    view(upstream) {
      const state = stateOf(upstream);
      return {
        id: upstream.id,
        name: upstream.name,
        weight: upstream.weight,
        priority: upstream.priority,
        health: healthOf(state),
        inFlight: state.inFlight,
        firstByteMs: state.firstByteMs,
        faultRate: state.faultRate,
      };
    },
    started(upstream) {
      stateOf(upstream).inFlight += 1;
    },
    served(upstream, firstByteMs) {
      const state = stateOf(upstream);
      state.inFlight -= 1;
      state.consecutive = 0;
      state.ejections = 0;
      state.ejectedUntilMs = 0;
      state.faultRate *= 1 - SMOOTHING;
      state.firstByteMs =
        state.firstByteMs === undefined
          ? firstByteMs
          : state.firstByteMs + SMOOTHING * (firstByteMs - state.firstByteMs);
    },
    failed(upstream, kind, retryAfterMs) {
      const state = stateOf(upstream);
      state.inFlight -= 1;
      if (kind === 'credential') {
        state.lastFault = kind;
        state.faultRate += SMOOTHING * (1 - state.faultRate);
        eject(state, CREDENTIAL_EJECTION_MS);
      } else if (kind === 'rate-limit' && retryAfterMs !== undefined) {
        state.lastFault = kind;
        eject(state, Math.min(RETRY_AFTER_MAX_MS, Math.max(0, retryAfterMs)));
      } else if (kind !== 'request') fault(state, kind);
    },
    neutral(upstream) {
      stateOf(upstream).inFlight -= 1;
    },
    marked(upstream, kind) {
      fault(stateOf(upstream), kind);
    },
    keep(names) {
      for (const name of states.keys()) if (!names.has(name)) states.delete(name);
    },
    states: () =>
      [...states].map(([name, { state }]) => ({
        name,
        health: healthOf(state),
        faultRate: state.faultRate,
        inFlight: state.inFlight,
        lastFault: state.lastFault,
      })),
  };
}
