// Asks one policy and turns whatever comes of it into a decision: a throw, a rejection, a missed deadline and
// an answer of the wrong shape all deny, unless the policy's entry says otherwise. Nothing that a policy does
// escapes from here.

import {
  allow,
  type CompliancePolicy,
  type Decision,
  type Gate,
  type Obligation,
  type PolicyFacts,
} from '../../plugin/policy.ts';

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

export type AskPolicy = (loaded: LoadedPolicy, facts: PolicyFacts) => Decision | Promise<Decision>;

const startTimer: StartTimer = (delayMs, ring) => {
  const timer = setTimeout(ring, delayMs);
  return () => clearTimeout(timer);
};

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

const refusalCodes: ReadonlySet<string> = new Set(['region_restricted', 'terms_required', 'policy_refused']);

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
    refusalCodes.has(value.code) &&
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

/**
 * What a policy that failed means. The fault goes to the operator; the caller learns only which policy it
 * was.
 */
function failureOf({ name, policy }: LoadedPolicy): Decision {
  if (policy.onFailure === 'allow') return allow;
  return {
    verdict: 'deny',
    code: 'policy_refused',
    clause: policy.clauses[0] ?? name,
    message: `The policy "${name}" could not be asked, and what it guards is refused meanwhile.`,
    remedy: 'Try again later; if it stays so, tell the operator of this service.',
    link: undefined,
  };
}

/** The answer is a promise only where the policy's own is one. */
export function createAskPolicy(
  report: (fault: PolicyFault) => void,
  timer: StartTimer = startTimer,
): AskPolicy {
  const failed = (
    loaded: LoadedPolicy,
    gate: Gate,
    because: PolicyFault['because'],
    detail: unknown,
  ): Decision => {
    const words = detail instanceof Error ? detail.message : String(detail);
    report({ policy: loaded.name, gate, because, detail: words });
    return failureOf(loaded);
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

  return (loaded, facts) => {
    try {
      const answer: unknown = loaded.policy.judge(facts);
      return isPromiseLike(answer) ? inTime(loaded, facts.gate, answer) : checked(loaded, facts.gate, answer);
    } catch (error) {
      return failed(loaded, facts.gate, 'threw', error);
    }
  };
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function describeShape(value: unknown): string {
  if (value === null || typeof value !== 'object') return String(value).slice(0, 100);
  return `an object with the members ${Object.keys(value).slice(0, 10).join(', ')}`;
}
