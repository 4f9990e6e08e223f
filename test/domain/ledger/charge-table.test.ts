import { describe, expect, test } from 'bun:test';
import { chargedFor, chargeTable, mayCharge, outcomes } from '../../../src/domain/ledger/charge-table.ts';

describe('who pays', () => {
  test('refused, failed before output and recovered are free, whatever was reported', () => {
    for (const outcome of ['upstream-failed', 'upstream-refused', 'recovered'] as const) {
      for (const reported of [true, false]) {
        for (const delivered of [true, false]) expect(chargedFor(outcome, reported, delivered)).toBe('none');
      }
      expect(mayCharge(outcome, 'upstream')).toBe(false);
      expect(mayCharge(outcome, 'estimated')).toBe(false);
    }
  });

  test('broken off or empty: free unless the upstream reported usage', () => {
    for (const outcome of ['broken-off', 'empty'] as const) {
      expect([chargedFor(outcome, true, true), chargedFor(outcome, false, true)]).toEqual(['reported', 'none']);
      expect([mayCharge(outcome, 'upstream'), mayCharge(outcome, 'estimated')]).toEqual([true, false]);
    }
  });

  test('the client left: input and what was produced, reported or not', () => {
    expect([chargedFor('client-left', true, true), chargedFor('client-left', false, true)])
      .toEqual(['delivered', 'delivered']);
    expect(chargedFor('client-left', false, false)).toBe('delivered');
  });

  test('finished without usage is counted by us', () => {
    expect([chargedFor('finished', true, true), chargedFor('finished', false, true)]).toEqual(['reported', 'counted']);
  });

  test('ended by us: nothing beyond what was delivered', () => {
    for (const outcome of ['timed-out', 'shut-down', 'money-out'] as const) {
      for (const reported of [true, false]) {
        expect(chargedFor(outcome, reported, true)).toBe('delivered');
        expect(chargedFor(outcome, reported, false)).toBe('none');
      }
    }
  });

  test('each row has words for the documentation', () => {
    for (const outcome of outcomes) {
      expect(chargeTable[outcome].when).toEndWith('.');
      expect(chargeTable[outcome].pays).toEndWith('.');
    }
  });
});
