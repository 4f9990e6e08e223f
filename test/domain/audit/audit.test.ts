import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { changeText, chainAfter, faultOf } from '../../../src/domain/audit/audit.ts';
import type { AuditEvent, AuditHead } from '../../../src/domain/audit/audit.ts';
import { auditHead, checkAuditChain, listAuditEvents } from '../../../src/domain/audit/audit-store.ts';
import { accountsRig, operator } from '../../fakes/accounts.ts';

async function withEvents(count: number) {
  const rig = await accountsRig();
  for (let index = 0; index < count; index++) await rig.users.create(`${operator}${index}`, { name: 'u' });
  return rig;
}

describe('the audit', () => {
  test('is one chain, however many write at once, and is read newest first', async () => {
    const rig = await accountsRig();
    await Promise.all(
      Array.from({ length: 30 }, (_, index) => rig.users.create(operator, { name: `u${index}` })),
    );
    const check = await checkAuditChain(rig.database);
    expect(check).toMatchObject({ whole: true, events: 30n });
    expect(await auditHead(rig.database)).toEqual(check.whole ? check.head : undefined);
    const events = await listAuditEvents(rig.database, { limit: 4, before: 10n });
    expect(events.map((event) => event.seq)).toEqual([9n, 8n, 7n, 6n]);
    const [one] = events;
    expect(await listAuditEvents(rig.database, { limit: 10, target: one?.target })).toEqual(
      one === undefined ? [] : [one],
    );
  });

  test('cannot be altered through the database', async () => {
    const { raw } = await withEvents(2);
    expect(() => raw.run("UPDATE audit_event SET actor = 'x'")).toThrow('append-only');
    expect(() => raw.run('DELETE FROM audit_event')).toThrow('append-only');
  });

  test.each([
    ['another actor', "UPDATE audit_event SET actor = 'x' WHERE seq = 3", 3n, 'hash'],
    ['another time', 'UPDATE audit_event SET at = at + 1 WHERE seq = 3', 3n, 'hash'],
    ['an event taken out', 'DELETE FROM audit_event WHERE seq = 3', 4n, 'gap'],
    ['a first event taken out', 'DELETE FROM audit_event WHERE seq = 1', 2n, 'gap'],
    ['another predecessor', "UPDATE audit_event SET prev_hash = 'x' WHERE seq = 3", 3n, 'link'],
  ] as const)('shows %s', async (_, statement, brokenAt, because) => {
    const { raw, database } = await withEvents(5);
    raw.run('DROP TRIGGER audit_event_stays');
    raw.run('DROP TRIGGER audit_event_remains');
    raw.run(statement);
    expect(await checkAuditChain(database)).toEqual({ whole: false, brokenAt, because });
  });

  test('is written with its change or not at all', async () => {
    const rig = await withEvents(1);
    rig.raw.run(
      "CREATE TRIGGER full_disk BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    );
    await expect(rig.users.create(operator, { name: 'v' })).rejects.toThrow('disk full');
    const { id } = (await rig.users.list({ limit: 10 }))[0] ?? { id: undefined };
    expect(await rig.users.list({ limit: 10 })).toHaveLength(1);
    if (id !== undefined)
      await expect(rig.users.update(operator, id, { name: 'w' })).rejects.toThrow('disk full');
    expect((await rig.users.list({ limit: 10 }))[0]?.name).toBe('u');
    rig.raw.run('DROP TRIGGER full_disk');
    await rig.users.create(operator, { name: 'v' });
    expect(await checkAuditChain(rig.database)).toMatchObject({ whole: true, events: 2n });
  });
});

test('no two different events have the same hash for moving text from one member into the next', () => {
  const text = fc.string({ maxLength: 8 });
  fc.assert(
    fc.property(
      fc.array(fc.record({ actor: text, action: text, target: text, change: text, at: fc.nat() }), {
        minLength: 2,
        maxLength: 2,
      }),
      ([left, right]) => {
        if (left === undefined || right === undefined) return;
        const same = JSON.stringify(left) === JSON.stringify(right);
        expect(chainAfter(undefined, left).hash === chainAfter(undefined, right).hash).toBe(same);
      },
    ),
  );
});

test('a chain built event by event has no fault', () => {
  let head: AuditHead | undefined;
  for (let index = 0; index < 5; index++) {
    const event: AuditEvent = chainAfter(head, {
      at: index,
      actor: 'a',
      action: 'b',
      target: 'c',
      change: '{}',
    });
    expect(faultOf(head, event)).toBeUndefined();
    head = event;
  }
});

test('a change keeps null, drops undefined, writes amounts as text and hides what is personal', () => {
  const text = changeText(
    { group: null, name: 'Ann', overdraftNano: 5n, gone: undefined, budgets: { day: 1n } },
    ['name', 'email'],
  );
  expect(JSON.parse(text)).toEqual({
    group: null,
    name: '(personal)',
    overdraftNano: '5',
    budgets: { day: '1' },
  });
});
