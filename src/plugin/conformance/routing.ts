// What every routing strategy keeps: it returns upstreams that it was given, each once, synchronously,
// without state, and never puts a sick or a last-resort upstream before one in rotation.

import { expect } from 'bun:test';
import fc from 'fast-check';
import type { PluginEntry } from '../define.ts';
import { operations } from '../operations.ts';
import type { RoutingRequest, RoutingStrategy, UpstreamView } from '../routing.ts';
import type { RoutingExpectations } from '../expectations.ts';
import { describeChecks, listChecks, type AddCheck, type Check } from './checks.ts';
import { checkEntry, createFrom, deepFreeze, seededChance } from './entry.ts';

export type { RoutingExpectations } from '../expectations.ts';

const aRequest: fc.Arbitrary<RoutingRequest> = fc.record({
  operation: fc.constantFrom(...operations),
  model: fc.string({ minLength: 1, maxLength: 40 }),
  stream: fc.boolean(),
  affinityKey: fc.string({ maxLength: 64 }),
});

const aView = fc.record({
  weight: fc.oneof(fc.constantFrom(0, 1, 100, 1_000_000), fc.integer({ min: 0, max: 1_000_000 })),
  priority: fc.integer({ min: -5, max: 5 }),
  health: fc.constantFrom('open' as const, 'probing' as const, 'ejected' as const),
  inFlight: fc.nat(10_000),
  firstByteMs: fc.option(fc.double({ min: 0, max: 600_000, noNaN: true }), { nil: undefined }),
  faultRate: fc.double({ min: 0, max: 1, noNaN: true }),
});

const someUpstreams: fc.Arbitrary<readonly UpstreamView[]> = fc
  .array(aView, { maxLength: 12 })
  .map((views) => views.map((view, index) => ({ id: `ups_${index}`, name: `upstream-${index}`, ...view })));

const someChance = fc.oneof(
  fc.integer().map((seed) => () => seededChance(seed)),
  fc.constantFrom(0, 0.5, 1 - Number.EPSILON / 2).map((fixed) => () => () => fixed),
);

const names = (views: readonly UpstreamView[]): readonly string[] => views.map((view) => view.name);

export function healthyUpstream(index: number, view: Partial<UpstreamView> = {}): UpstreamView {
  return {
    id: `ups_${index}`,
    name: `upstream-${index}`,
    weight: 100,
    priority: 0,
    health: 'open',
    inFlight: 0,
    firstByteMs: 100,
    faultRate: 0,
    ...view,
  };
}

const request: RoutingRequest = {
  operation: 'chat',
  model: 'some-model',
  stream: true,
  affinityKey: 'caller',
};
const DRAWS = 4_000;

/** How often each upstream comes first in many requests of different callers. */
function firstPlaces(
  strategy: RoutingStrategy,
  upstreams: readonly UpstreamView[],
): ReadonlyMap<string, number> {
  const random = seededChance(20_260_101);
  const counts = new Map<string, number>();
  for (let draw = 0; draw < DRAWS; draw += 1) {
    const first = strategy.rank({ ...request, affinityKey: `caller-${draw}` }, upstreams, random)[0];
    if (first !== undefined) counts.set(first.name, (counts.get(first.name) ?? 0) + 1);
  }
  return counts;
}

/** What the suite checks of one strategy: what `RoutingStrategy` says, and what its own file promises. */
export const routingChecks = (
  entry: PluginEntry<'routing'>,
  expectations: RoutingExpectations = {},
): readonly Check[] =>
  listChecks((check) => {
    checkEntry(check, 'routing', entry);

    check('returns given upstreams, each at most once, without changing its input', () => {
      const strategy = createFrom(entry);
      fc.assert(
        fc.property(aRequest, someUpstreams, someChance, (asked, upstreams, chance) => {
          const ranked = strategy.rank(deepFreeze(asked), deepFreeze(upstreams), chance());
          expect(Array.isArray(ranked)).toBe(true);
          expect(new Set(ranked).size).toBe(ranked.length);
          for (const view of ranked) expect(upstreams.includes(view)).toBe(true);
          if (expectations.leavesOut !== true) expect(ranked.length).toBe(upstreams.length);
        }),
      );
    });

    check('keeps no state: the same input and chance give the same order, in a used and in a new instance', () => {
      const used = createFrom(entry);
      fc.assert(
        fc.property(aRequest, someUpstreams, someChance, (asked, upstreams, chance) => {
          const first = names(used.rank(asked, upstreams, chance()));
          expect(names(used.rank(asked, upstreams, chance()))).toEqual([...first]);
          expect(names(createFrom(entry).rank(asked, upstreams, chance()))).toEqual([...first]);
        }),
      );
    });

    check('serves ejected upstreams last, and those of weight zero only when no other can serve', () => {
      const strategy = createFrom(entry);
      const standing = (view: UpstreamView): number =>
        view.health === 'ejected' ? 2 : view.weight === 0 ? 1 : 0;
      fc.assert(
        fc.property(aRequest, someUpstreams, someChance, (asked, upstreams, chance) => {
          const order = strategy.rank(asked, upstreams, chance()).map(standing);
          expect(order).toEqual(order.toSorted((a, b) => a - b));
        }),
      );
    });

    check('sends few requests to an upstream on probation while another is in rotation', () => {
      const counts = firstPlaces(createFrom(entry), [
        healthyUpstream(0, { health: 'probing' }),
        healthyUpstream(1),
      ]);
      expect(counts.get('upstream-0') ?? 0).toBeLessThan(DRAWS / 4);
    });

    if (expectations.proportional === true) checkProportion(check, entry);
    if (expectations.byPriority === true) checkPriority(check, entry);
  });

/** Runs the suite for one strategy. */
export const describeRoutingStrategy = (
  entry: PluginEntry<'routing'>,
  expectations: RoutingExpectations = {},
): void => describeChecks(`routing strategy ${entry.name}`, () => routingChecks(entry, expectations));

function checkProportion(check: AddCheck, entry: PluginEntry<'routing'>): void {
  check('gives first places in proportion to weight', () => {
    const counts = firstPlaces(
      createFrom(entry),
      [1, 2, 7].map((weight, index) => healthyUpstream(index, { weight })),
    );
    // Five standard deviations of the largest share (sqrt(n p q) is about 31), with a fixed seed.
    for (const [index, share] of [0.1, 0.2, 0.7].entries()) {
      expect(Math.abs((counts.get(`upstream-${index}`) ?? 0) - share * DRAWS)).toBeLessThan(155);
    }
  });
}

function checkPriority(check: AddCheck, entry: PluginEntry<'routing'>): void {
  check('of healthy upstreams with weight, a smaller priority number always goes first', () => {
    const strategy = createFrom(entry);
    const healthy = someUpstreams.map((views) =>
      views.map((view) =>
        healthyUpstream(Number(view.id.slice(4)), {
          priority: view.priority,
          weight: Math.max(view.weight, 1),
        }),
      ),
    );
    fc.assert(
      fc.property(healthy, someChance, (upstreams, chance) => {
        const order = strategy.rank(request, upstreams, chance()).map((view) => view.priority);
        expect(order).toEqual(order.toSorted((a, b) => a - b));
      }),
    );
  });
}
