// The engine: who is asked, whose words win, what is united, and what a policy that fails costs whom.

import { describe, expect, test } from 'bun:test';
import type { LoadedPolicy, PolicyFault, StartTimer } from '../../../src/domain/compliance/ask-policy.ts';
import { createJudge } from '../../../src/domain/compliance/judge.ts';
import {
  allow,
  type CompliancePolicy,
  type Decision,
  type Obligation,
  type PolicyFacts,
} from '../../../src/plugin/policy.ts';
import { ordinaryFacts } from '../../../policies/cases/case.ts';

const deny = (clause: string): Decision => ({
  verdict: 'deny',
  code: 'policy_refused',
  clause,
  message: `refused by ${clause}`,
  remedy: 'none',
  link: undefined,
});
const record = (document: string): Obligation => ({
  kind: 'record-acceptance',
  document,
  version: '1',
  sha256: 'ab',
});
const demand = (...documents: string[]): Decision => ({
  verdict: 'allow',
  obligations: documents.map(record),
});

type Answer = (facts: PolicyFacts) => Decision | Promise<Decision>;
const loaded = (name: string, judge: Answer, more: Partial<CompliancePolicy> = {}): LoadedPolicy => ({
  name,
  policy: {
    gates: ['use'],
    asks: 'request',
    clauses: [`${name}.1`],
    onFailure: 'deny',
    deadlineMs: 1_000,
    judge,
    ...more,
  },
});
const facts = (): PolicyFacts => ({
  ...ordinaryFacts,
  account: { id: 'acc_1', kind: 'person', groups: ['a'] },
});

/** Timers that ring when the test says so. */
function handTimers(): {
  readonly timer: StartTimer;
  readonly ringAll: () => void;
  readonly running: () => number;
} {
  const bells = new Map<number, () => void>();
  let next = 0;
  return {
    timer: (_delayMs, ring) => {
      const id = next++;
      bells.set(id, ring);
      return () => bells.delete(id);
    },
    ringAll: () => {
      for (const ring of bells.values()) ring();
    },
    running: () => bells.size,
  };
}

function judging(policies: readonly LoadedPolicy[], timer?: StartTimer) {
  const faults: PolicyFault[] = [];
  return { engine: createJudge(policies, (fault) => faults.push(fault), timer), faults };
}

describe('who is asked', () => {
  test('nobody: allowed, nothing allocated, and the caller need not gather facts', () => {
    const { engine } = judging([]);
    expect(engine.asks('use', 'request')).toBe(false);
    const unfrozen = facts();
    expect(engine.judge('request', unfrozen)).toBe(allow);
    expect(Object.isFrozen(unfrozen)).toBe(false);
  });

  test('a policy is asked at its gates and about its question only', () => {
    const { engine } = judging([
      loaded('a', () => deny('a.1'), { gates: ['register', 'top-up'] }),
      loaded('b', () => deny('b.1'), { asks: 'upstream' }),
    ]);
    expect(engine.judge('request', facts())).toBe(allow);
    expect(engine.judge('upstream', facts())).toMatchObject({ clause: 'b.1' });
    expect(engine.judge('request', { ...facts(), gate: 'top-up' })).toMatchObject({ clause: 'a.1' });
    expect(engine.asks('use', 'upstream')).toBe(true);
    expect(engine.asks('register', 'upstream')).toBe(false);
  });

  test('policies see frozen facts', () => {
    const { engine, faults } = judging([
      loaded('writer', (given) => {
        Object.assign(given, { country: 'local' });
        return allow;
      }),
      loaded('deep', (given) => {
        Object.assign(given.account ?? {}, { id: 'acc_2' });
        return allow;
      }),
    ]);
    expect(engine.judge('request', facts())).toMatchObject({ verdict: 'deny', clause: 'writer.1' });
    expect(faults.map((fault) => fault.because)).toEqual(['threw']);
  });
});

describe('what comes of several answers', () => {
  test('any deny wins and the first in config order gives the words', () => {
    const { engine } = judging([
      loaded('a', () => demand('x')),
      loaded('b', () => deny('b.1')),
      loaded('c', () => deny('c.1')),
    ]);
    expect(engine.judge('request', facts())).toMatchObject({ verdict: 'deny', clause: 'b.1' });
  });

  test('an asynchronous deny that stands first gives the words, however late it comes', async () => {
    const { engine } = judging([
      loaded('slow', () => Promise.resolve().then(() => deny('slow.1'))),
      loaded('quick', () => deny('quick.1')),
    ]);
    expect(await engine.judge('request', facts())).toMatchObject({ clause: 'slow.1' });
  });

  test('obligations are united without duplicates', () => {
    const { engine } = judging([
      loaded('a', () => demand('x', 'y')),
      loaded('b', () => allow),
      loaded('c', () => demand('y', 'z')),
    ]);
    expect(engine.judge('request', facts())).toEqual(demand('x', 'y', 'z'));
  });

  test('synchronous policies cost no promise; one asynchronous makes it one', async () => {
    expect(
      judging([loaded('a', () => allow), loaded('b', () => allow)]).engine.judge('request', facts()),
    ).toBe(allow);
    const mixed = judging([loaded('a', () => demand('x')), loaded('b', async () => demand('y'))]).engine;
    const answer = mixed.judge('request', facts());
    expect(answer).toBeInstanceOf(Promise);
    expect(await answer).toEqual(demand('x', 'y'));
  });
});

describe('a policy that fails', () => {
  const boom = (): never => {
    throw new Error('secret detail');
  };

  test('denies when it throws, and its words stay with the operator', () => {
    const { engine, faults } = judging([loaded('a', boom)]);
    const decision = engine.judge('request', facts());
    expect(decision).toMatchObject({ verdict: 'deny', code: 'policy_refused', clause: 'a.1' });
    expect(JSON.stringify(decision)).not.toContain('secret detail');
    expect(faults).toEqual([{ policy: 'a', gate: 'use', because: 'threw', detail: 'secret detail' }]);
  });

  test('allows when its entry says so, and others still have their say', () => {
    expect(judging([loaded('a', boom, { onFailure: 'allow' })]).engine.judge('request', facts())).toBe(allow);
    const { engine } = judging([loaded('a', boom, { onFailure: 'allow' }), loaded('b', () => deny('b.1'))]);
    expect(engine.judge('request', facts())).toMatchObject({ clause: 'b.1' });
  });

  test('denies when its promise rejects', async () => {
    const { engine, faults } = judging([loaded('a', () => Promise.reject(new Error('down')))]);
    expect(await engine.judge('request', facts())).toMatchObject({ verdict: 'deny' });
    expect(faults[0]?.because).toBe('threw');
  });

  test('denies when it misses its deadline; a late allow changes nothing, and a late rejection goes nowhere', async () => {
    const late = Promise.withResolvers<Decision>();
    const { timer, ringAll, running } = handTimers();
    const { engine, faults } = judging([loaded('a', () => late.promise)], timer);
    const answer = engine.judge('request', facts());
    ringAll();
    expect(await answer).toMatchObject({ verdict: 'deny', clause: 'a.1' });
    expect(faults[0]?.because).toBe('missed-deadline');
    late.reject(new Error('too late'));
    await Promise.resolve();
    expect(running()).toBe(0);
    expect(faults.length).toBe(1);
  });

  test('an answer in time stops its timer', async () => {
    const { timer, running } = handTimers();
    await judging([loaded('a', async () => allow)], timer).engine.judge('request', facts());
    expect(running()).toBe(0);
  });

  test('denies when its answer is no decision', async () => {
    const shapes: readonly unknown[] = [
      undefined,
      null,
      'allow',
      { verdict: 'allow' },
      { verdict: 'allow', obligations: [{ kind: 'delete-everything' }] },
      { verdict: 'deny', code: 'no_such_code', clause: 'x', message: 'm', remedy: 'r', link: undefined },
      {
        verdict: 'deny',
        code: 'policy_refused',
        clause: 'x',
        message: 'm',
        remedy: 'r',
        link: 'https://evil.example/',
      },
      { verdict: 'maybe' },
    ];
    for (const shape of shapes) {
      const twisted = loaded('a', () => allow);
      Object.assign(twisted.policy, { judge: () => shape });
      const { engine, faults } = judging([twisted]);
      expect(await engine.judge('request', facts())).toMatchObject({ verdict: 'deny', clause: 'a.1' });
      expect(faults[0]?.because).toBe('malformed-answer');
    }
  });
});
