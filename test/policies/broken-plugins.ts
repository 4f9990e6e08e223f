// Plugins that each break one rule of their contract. Run by suites-find-faults.test.ts, which expects all to
// fail.

import { describeBillingRule, describePolicy, describeRoutingStrategy } from 'tollgate/conformance';
import {
  Type,
  allow,
  defineBillingRule,
  definePolicy,
  defineRoutingStrategy,
  totalOf,
  type BillingRule,
  type CompliancePolicy,
  type RoutingStrategy,
} from 'tollgate/plugin';
import { priority } from '../../plugins/routing/priority.ts';
import { tokenPrice } from '../../plugins/billing/token-price.ts';

const about = {
  version: '1.0.0',
  summary: 'Breaks one rule on purpose.',
  options: Type.Object({}, { additionalProperties: false }),
};

const strategy = (name: string, rank: RoutingStrategy['rank']): void =>
  describeRoutingStrategy(defineRoutingStrategy({ ...about, name, create: () => ({ rank }) })());
const good = priority().create({});

strategy('repeats-one', (request, upstreams, random) => [
  ...good.rank(request, upstreams, random),
  ...upstreams.slice(0, 1),
]);
strategy('invents-one', (_request, upstreams) => upstreams.map((view) => ({ ...view })));
strategy('leaves-out', (request, upstreams, random) => good.rank(request, upstreams, random).slice(1));
strategy('ignores-health', (_request, upstreams) => upstreams);
strategy('sorts-in-place', (_request, upstreams) => Object(upstreams).sort());
let turn = 0;
strategy('keeps-state', (request, upstreams, random) => {
  const ranked = good.rank(request, upstreams, random);
  turn += 1;
  return turn % 2 === 0 ? ranked : ranked.toReversed();
});

const rightRule = tokenPrice().create({});
const rule = (name: string, broken: Partial<BillingRule>): void =>
  describeBillingRule(defineBillingRule({ ...about, name, create: () => ({ ...rightRule, ...broken }) })());

rule('estimates-too-little', {
  estimate: (terms, bound) => rightRule.charge(terms, terms.rates.input === undefined ? {} : bound),
});
rule('charges-below-zero', { charge: () => ({ lines: [], totalNano: -1n }) });
rule('rounds-its-own-way', {
  charge(terms, usage) {
    const { lines } = rightRule.charge(terms, usage);
    return { lines, totalNano: totalOf(lines, terms.multipliersPpm) + 1n };
  },
});
rule('calls-nothing-missing', { missingRates: () => [] });

const policy = (name: string, broken: Partial<CompliancePolicy>): void =>
  describePolicy(
    definePolicy({
      ...about,
      name,
      create: () => ({
        gates: ['use'],
        asks: 'request',
        clauses: ['A1'],
        onFailure: 'deny',
        deadlineMs: 100,
        judge: () => allow,
        ...broken,
      }),
    })(),
  );
const refusal = {
  verdict: 'deny',
  code: 'policy_refused',
  clause: 'A1',
  message: 'No.',
  remedy: 'None.',
  link: undefined,
} as const;

policy('throws', {
  judge() {
    throw new Error('down');
  },
});
policy('names-no-gate', { gates: [] });
policy('undeclared-clause', { judge: () => ({ ...refusal, clause: 'B9' }) });
policy('says-nothing', { judge: () => ({ ...refusal, message: ' ' }) });
policy('links-elsewhere', { judge: () => ({ ...refusal, link: '//evil.example/' }) });
policy('writes-to-facts', { judge: (facts) => (Object.assign(facts, { country: 'local' }), allow) });
policy('demands-what-is-not-there', {
  judge: () => ({
    verdict: 'allow',
    obligations: [{ kind: 'record-acceptance', document: 'x', version: '1', sha256: 'ab' }],
  }),
});
let asked = 0;
policy('changes-its-mind', { judge: () => ((asked += 1) % 2 === 0 ? allow : refusal) });
