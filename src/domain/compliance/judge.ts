// Asks every policy of a gate. Any deny wins, and the first in config order gives its words; what the allows
// demand is united. A policy that throws, answers nonsense or misses its deadline denies, unless its entry
// says otherwise. While all policies are synchronous, so is the answer; where no policy is loaded, nothing is
// asked or allocated.

import {
  allow,
  type CompliancePolicy,
  type Decision,
  type Gate,
  type Obligation,
  type PolicyFacts,
} from '../../plugin/policy.ts';
import { createAskPolicy, type LoadedPolicy, type PolicyFault, type StartTimer } from './ask-policy.ts';

export type About = CompliancePolicy['asks'];

export interface Judge {
  /** False when nobody would be asked: then no facts need be gathered. */
  asks(gate: Gate, about: About): boolean;
  /** The facts are frozen here; the caller gathers them once for each request. */
  judge(about: About, facts: PolicyFacts): Decision | Promise<Decision>;
}

type Asked = readonly LoadedPolicy[];

/** Policies by question and gate, in config order. */
function byGate(policies: Asked, about: About): Readonly<Record<Gate, Asked>> {
  const of = (gate: Gate): Asked =>
    policies.filter(({ policy }) => policy.asks === about && policy.gates.includes(gate));
  return { access: of('access'), register: of('register'), 'top-up': of('top-up'), use: of('use') };
}

/** All levels: what one policy wrote, the next would believe. Values that many requests share are frozen already. */
function freezeFacts(facts: PolicyFacts): void {
  if (Object.isFrozen(facts)) return;
  Object.freeze(facts);
  if (!Object.isFrozen(facts.terms)) Object.freeze(facts.terms);
  if (facts.upstream !== undefined) Object.freeze(facts.upstream);
  if (facts.account === undefined || Object.isFrozen(facts.account)) return;
  Object.freeze(facts.account);
  Object.freeze(facts.account.groups);
}

const sameObligation = (a: Obligation, b: Obligation): boolean =>
  a.kind === b.kind && a.document === b.document && a.version === b.version && a.sha256 === b.sha256;

/** Folds decisions in config order; stops at the first deny. */
function unite(decisions: readonly Decision[]): Decision {
  let united: Decision = allow;
  for (const decision of decisions) {
    if (decision.verdict === 'deny') return decision;
    if (decision.obligations.length === 0) continue;
    const known = united.verdict === 'allow' ? united.obligations : [];
    const added = decision.obligations.filter(
      (obligation) => !known.some((other) => sameObligation(obligation, other)),
    );
    united = { verdict: 'allow', obligations: [...known, ...added] };
  }
  return united;
}

export function createJudge(
  policies: Asked,
  report: (fault: PolicyFault) => void,
  timer?: StartTimer,
  /** Told of each denial, also of one that is not the first. */
  denied: (policy: string, clause: string) => void = () => {},
): Judge {
  const aboutRequest = byGate(policies, 'request');
  const aboutUpstream = byGate(policies, 'upstream');
  const asked = (gate: Gate, about: About): Asked =>
    (about === 'request' ? aboutRequest : aboutUpstream)[gate];

  const ask = createAskPolicy(report, timer);
  const noted = (policy: string, decision: Decision): Decision => {
    if (decision.verdict === 'deny') denied(policy, decision.clause);
    return decision;
  };
  const askOne = (loaded: LoadedPolicy, facts: PolicyFacts): Decision | Promise<Decision> => {
    const decision = ask(loaded, facts);
    return decision instanceof Promise
      ? decision.then((late) => noted(loaded.name, late))
      : noted(loaded.name, decision);
  };

  return {
    asks: (gate, about) => asked(gate, about).length > 0,
    judge(about, facts) {
      const loaded = asked(facts.gate, about);
      if (loaded.length === 0) return allow;
      const only = loaded[0];
      // Nobody reads them after their only reader, and what other requests share of them is frozen already.
      if (loaded.length === 1 && only !== undefined) return askOne(only, facts);
      freezeFacts(facts);
      let united: Decision = allow;
      let index = 0;
      for (const entry of loaded) {
        index += 1;
        const decision = askOne(entry, facts);
        if (decision instanceof Promise) return judgeRest(united, decision, loaded.slice(index), facts);
        // Policies write nothing, so those behind the first deny need not be asked: its words win anyway.
        if (decision.verdict === 'deny') return decision;
        if (decision.obligations.length > 0) united = unite([united, decision]);
      }
      return united;
    },
  };

  /** From the first asynchronous policy on, all are asked at once, so that deadlines run side by side. */
  async function judgeRest(
    before: Decision,
    first: Promise<Decision>,
    rest: Asked,
    facts: PolicyFacts,
  ): Promise<Decision> {
    const behind = rest.map((entry) => askOne(entry, facts));
    return unite([before, await first, ...(await Promise.all(behind))]);
  }
}
