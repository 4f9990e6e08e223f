// Asks every policy of a gate. Any deny wins, and the first in config order gives its words; what the allows
// demand is united. A policy that throws, answers nonsense or misses its deadline denies, unless its entry
// says otherwise. While all policies are synchronous, so is the answer; where no policy is loaded, nothing is
// asked or allocated.

import { errorTable } from '../../core/errors.ts';
import {
  allow,
  gates,
  type CompliancePolicy,
  type Decision,
  type Gate,
  type Obligation,
  type PolicyFacts,
} from '../../plugin/policy.ts';

export type About = CompliancePolicy['asks'];

export interface LoadedPolicy {
  readonly name: string;
  readonly policy: CompliancePolicy;
}

/** A policy that did not answer. The host logs it; callers never see its words. */
export interface PolicyFault {
  readonly policy: string;
  readonly gate: Gate;
  readonly because: 'threw' | 'missed-deadline' | 'malformed-answer';
  readonly detail: string;
}

/** Calls back once, after so many milliseconds, unless the returned function was called first. */
export type StartTimer = (delayMs: number, ring: () => void) => () => void;

export interface Judge {
  /** False when nobody would be asked: then no facts need be gathered. */
  asks(gate: Gate, about: About): boolean;
  /** The facts are frozen here; the caller gathers them once for each request. */
  judge(about: About, facts: PolicyFacts): Decision | Promise<Decision>;
}

const startTimer: StartTimer = (delayMs, ring) => {
  const timer = setTimeout(ring, delayMs);
  return () => clearTimeout(timer);
};

type Asked = readonly LoadedPolicy[];

/** Policies by question and gate, in config order. */
function byGate(policies: Asked, about: About): Readonly<Record<Gate, Asked>> {
  const of = (gate: Gate): Asked =>
    policies.filter(({ policy }) => policy.asks === about && policy.gates.includes(gate));
  const [access, register, topUp, use] = gates;
  return { [access]: of(access), [register]: of(register), [topUp]: of(topUp), [use]: of(use) };
}

function freezeFacts(facts: PolicyFacts): void {
  if (Object.isFrozen(facts)) return;
  Object.freeze(facts);
  Object.freeze(facts.terms);
  if (facts.upstream !== undefined) Object.freeze(facts.upstream);
  if (facts.account !== undefined) {
    Object.freeze(facts.account);
    Object.freeze(facts.account.groups);
  }
}

function isObligation(value: unknown): value is Obligation {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    value.kind === 'record-acceptance' &&
    'document' in value &&
    typeof value.document === 'string' &&
    'version' in value &&
    typeof value.version === 'string' &&
    'sha256' in value &&
    typeof value.sha256 === 'string'
  );
}

/** Drop-ins are only as typed as their authors were careful. */
function isDecision(value: unknown): value is Decision {
  if (typeof value !== 'object' || value === null || !('verdict' in value)) return false;
  if (value.verdict === 'allow') {
    return (
      'obligations' in value && Array.isArray(value.obligations) && value.obligations.every(isObligation)
    );
  }
  return (
    value.verdict === 'deny' &&
    'code' in value &&
    typeof value.code === 'string' &&
    value.code in errorTable &&
    'clause' in value &&
    typeof value.clause === 'string' &&
    'message' in value &&
    typeof value.message === 'string' &&
    'remedy' in value &&
    typeof value.remedy === 'string' &&
    'link' in value &&
    (value.link === undefined || (typeof value.link === 'string' && value.link.startsWith('/')))
  );
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
  timer: StartTimer = startTimer,
): Judge {
  const aboutRequest = byGate(policies, 'request');
  const aboutUpstream = byGate(policies, 'upstream');
  const asked = (gate: Gate, about: About): Asked =>
    (about === 'request' ? aboutRequest : aboutUpstream)[gate];

  const failed = (
    { name, policy }: LoadedPolicy,
    gate: Gate,
    because: PolicyFault['because'],
    detail: unknown,
  ): Decision => {
    report({
      policy: name,
      gate,
      because,
      detail: detail instanceof Error ? detail.message : String(detail),
    });
    if (policy.onFailure === 'allow') return allow;
    return {
      verdict: 'deny',
      code: 'policy_refused',
      clause: policy.clauses[0] ?? name,
      message: `The policy "${name}" could not be asked, and what it guards is refused meanwhile.`,
      remedy: 'Try again later; if it stays so, tell the operator of this service.',
      link: undefined,
    };
  };

  const checked = (loaded: LoadedPolicy, gate: Gate, answer: unknown): Decision =>
    isDecision(answer)
      ? answer
      : failed(loaded, gate, 'malformed-answer', `answered ${describeShape(answer)}`);

  /**
   * Resolves with the answer or, at the deadline, with what failure means. Never rejects; a late answer is
   * dropped.
   */
  const inTime = (loaded: LoadedPolicy, gate: Gate, answer: PromiseLike<unknown>): Promise<Decision> =>
    new Promise((resolve) => {
      let open = true;
      const settle = (decision: () => Decision): void => {
        if (!open) return;
        open = false;
        cancel();
        resolve(decision());
      };
      const { deadlineMs } = loaded.policy;
      const cancel = timer(deadlineMs, () =>
        settle(() => failed(loaded, gate, 'missed-deadline', `no answer within ${deadlineMs} ms`)),
      );
      answer.then(
        (value) => settle(() => checked(loaded, gate, value)),
        (error: unknown) => settle(() => failed(loaded, gate, 'threw', error)),
      );
    });

  const askOne = (loaded: LoadedPolicy, facts: PolicyFacts): Decision | Promise<Decision> => {
    try {
      const answer: unknown = loaded.policy.judge(facts);
      return isPromiseLike(answer) ? inTime(loaded, facts.gate, answer) : checked(loaded, facts.gate, answer);
    } catch (error) {
      return failed(loaded, facts.gate, 'threw', error);
    }
  };

  return {
    asks: (gate, about) => asked(gate, about).length > 0,
    judge(about, facts) {
      const loaded = asked(facts.gate, about);
      if (loaded.length === 0) return allow;
      freezeFacts(facts);
      const only = loaded[0];
      if (loaded.length === 1 && only !== undefined) return askOne(only, facts);
      const decisions: Decision[] = [];
      for (const [index, entry] of loaded.entries()) {
        const decision = askOne(entry, facts);
        if (decision instanceof Promise)
          return judgeRest(decisions, decision, loaded.slice(index + 1), facts);
        // Policies write nothing, so those behind the first deny need not be asked: its words win anyway.
        if (decision.verdict === 'deny') return decision;
        decisions.push(decision);
      }
      return unite(decisions);
    },
  };

  /** From the first asynchronous policy on, all are asked at once, so that deadlines run side by side. */
  async function judgeRest(
    before: readonly Decision[],
    first: Promise<Decision>,
    rest: Asked,
    facts: PolicyFacts,
  ): Promise<Decision> {
    const behind = rest.map((entry) => askOne(entry, facts));
    return unite([...before, await first, ...(await Promise.all(behind))]);
  }
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function describeShape(value: unknown): string {
  if (value === null || typeof value !== 'object') return String(value).slice(0, 100);
  return `an object with the members ${Object.keys(value).slice(0, 10).join(', ')}`;
}
