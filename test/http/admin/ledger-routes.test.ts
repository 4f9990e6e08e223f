// Money by hand: exact amounts as text, two legs, a reason, an operator; a repetition books nothing, and a
// refund never exceeds its top-up.

import { describe, expect, test } from 'bun:test';
import { MOVEMENT_NANO_MAX } from '../../../src/http/admin/routes/ledger.ts';
import { accountId, adminHarness } from './admin-harness.ts';
import type { CallOptions } from './admin-harness.ts';

const base = `/admin/v1/accounts/${accountId}`;
const topUp = {
  amountNano: '5000000000',
  currency: 'USD',
  source: 'cash',
  processor: 'bank-transfer',
  reason: 'Invoice 17 was paid',
  reference: 'inv-17',
};
const adjustment = {
  amountNano: '-250000000',
  currency: 'USD',
  against: 'revenue',
  reason: 'Charged twice by mistake',
};
const send = (body: unknown, key?: string): CallOptions => ({
  body,
  headers: key === undefined ? {} : { 'idempotency-key': key },
});

describe('top-ups', () => {
  test('book two legs with reason, actor and reference', async () => {
    const { call, ledger } = adminHarness();
    const answer = await call('POST', `${base}/top-ups`, send(topUp));
    expect(answer.status).toBe(201);
    expect(answer.json).toMatchObject({
      kind: 'top-up',
      reason: 'Invoice 17 was paid',
      reference: 'inv-17',
      actor: 'operator:opk_admin',
      idempotencyKey: null,
      at: '2026-01-31T12:00:00.000Z',
      entries: [
        { address: `account/${accountId}`, currency: 'USD', amountNano: '5000000000' },
        { address: 'house/cash/bank-transfer', currency: 'USD', amountNano: '-5000000000' },
      ],
    });
    expect(ledger.movements).toHaveLength(1);
    expect((await call('GET', `${base}/balance`)).json).toEqual({
      accountId,
      currency: 'USD',
      postedNano: '5000000000',
      heldNano: '0',
      overdraftNano: '0',
      availableNano: '5000000000',
    });
  });

  test('the same idempotency key books once; with another amount it is refused', async () => {
    const { call, ledger } = adminHarness();
    const first = await call('POST', `${base}/top-ups`, send(topUp, 'pay-17'));
    const second = await call('POST', `${base}/top-ups`, send(topUp, 'pay-17'));
    const third = await call('POST', `${base}/top-ups`, send({ ...topUp, amountNano: '1' }, 'pay-17'));
    expect(second.json).toEqual(first.json);
    expect(second.status).toBe(201);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(third.json['code']).toBe('idempotency_mismatch');
    expect(ledger.movements).toHaveLength(1);
    expect(ledger.movements[0]).toMatchObject({
      idempotencyKey: 'pay-17',
      inputSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  test.each([
    ['amountNano', 5_000_000_000],
    ['amountNano', '0'],
    ['amountNano', '-1'],
    ['amountNano', '1.5'],
    ['amountNano', '1e9'],
    ['amountNano', '01'],
    ['amountNano', ' 1'],
    ['amountNano', '9'.repeat(40)],
    ['amountNano', (MOVEMENT_NANO_MAX + 1n).toString()],
    ['amountNano', '9223372036854775808'],
    ['amountNano', undefined],
    ['currency', 'usd'],
    ['currency', 'EUR'],
    ['reason', ''],
    ['reason', '   '],
    ['reason', undefined],
    ['reason', 'x'.repeat(4_001)],
    ['source', 'gift'],
    ['processor', '../revenue'],
    ['processor', 'a/b'],
    ['reference', 'x'.repeat(201)],
    ['entries', []],
    ['actor', 'system'],
    ['kind', 'charges'],
  ])('refuse %s = %p and book nothing', async (field, value) => {
    const { call, ledger } = adminHarness();
    const answer = await call('POST', `${base}/top-ups`, send({ ...topUp, [field]: value }));
    expect(answer.status).toBe(400);
    expect(answer.json['field']).toBe(field);
    expect(ledger.movements).toEqual([]);
  });

  test('the largest one is booked exactly', async () => {
    const { call, ledger } = adminHarness();
    await call('POST', `${base}/top-ups`, send({ ...topUp, amountNano: MOVEMENT_NANO_MAX.toString() }));
    expect(ledger.movements[0]?.entries.map((entry) => entry.amountNano)).toEqual([
      MOVEMENT_NANO_MAX,
      -MOVEMENT_NANO_MAX,
    ]);
  });

  test('a promotion has no processor', async () => {
    const { call, ledger } = adminHarness();
    expect((await call('POST', `${base}/top-ups`, send({ ...topUp, source: 'promotion' }))).json['field']).toBe(
      'processor',
    );
    const { processor: _, ...gift } = topUp;
    expect((await call('POST', `${base}/top-ups`, send({ ...gift, source: 'promotion' }))).status).toBe(201);
    expect(ledger.movements[0]?.entries[1]?.address).toBe('house/promotion');
  });

  test.each(['acc_nobody', 'usr_1', '%2e%2e', 'acc_' + 'x'.repeat(60), "acc_'--"])(
    'there is no account %p',
    async (id) => {
      const { call, ledger } = adminHarness();
      const answer = await call('POST', `/admin/v1/accounts/${id}/top-ups`, send(topUp));
      expect(answer.status).toBe(404);
      expect(ledger.movements).toEqual([]);
    },
  );

  test.each([
    ['insufficient', 409, 'conflict'],
    ['unavailable', 503, 'money_unavailable'],
    ['out-of-range', 400, 'invalid_request'],
    ['unbalanced', 500, 'internal_error'],
  ] as const)('when the ledger says %s the answer is %d', async (because, status, code) => {
    const { call, ledger } = adminHarness();
    ledger.refuseWith = because;
    const answer = await call('POST', `${base}/adjustments`, send(adjustment));
    expect([answer.status, answer.json['code']]).toEqual([status, code]);
  });
});

describe('adjustments', () => {
  test.each([
    ['revenue', 'house/revenue'],
    ['promotion', 'house/promotion'],
    ['loss', 'house/loss/adjustment'],
    ['suspense', 'house/suspense'],
  ])('against %s', async (against, address) => {
    const { call, ledger } = adminHarness();
    expect((await call('POST', `${base}/adjustments`, send({ ...adjustment, against }))).status).toBe(201);
    expect(ledger.movements[0]?.entries).toEqual([
      { address: `account/${accountId}`, currency: 'USD', amountNano: -250_000_000n },
      { address: expect.stringContaining(address), currency: 'USD', amountNano: 250_000_000n },
    ]);
  });

  test('of nothing is refused', async () => {
    const { call } = adminHarness();
    expect((await call('POST', `${base}/adjustments`, send({ ...adjustment, amountNano: '0' }))).json['field']).toBe(
      'amountNano',
    );
  });
});

describe('refunds', () => {
  const refund = (id: unknown, amountNano: string) => ({
    topUp: id,
    amountNano,
    currency: 'USD',
    reason: 'Wanted back',
  });
  const paid = async () => {
    const harness = adminHarness();
    const { json } = await harness.call('POST', `${base}/top-ups`, send(topUp));
    return { ...harness, id: json['id'] };
  };

  test('go back where the money came from', async () => {
    const { call, id } = await paid();
    const { status, json } = await call('POST', `${base}/refunds`, send(refund(id, '2000000000')));
    expect(status).toBe(201);
    expect(json).toMatchObject({
      kind: 'refund',
      reference: id,
      entries: [
        { address: `account/${accountId}`, amountNano: '-2000000000' },
        { address: 'house/cash/bank-transfer', amountNano: '2000000000' },
      ],
    });
  });

  test('never add up to more than the top-up, also when they come at once', async () => {
    const { call, id, ledger } = await paid();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => call('POST', `${base}/refunds`, send(refund(id, '2000000000')))),
    );
    expect(answers.map((answer) => answer.status).toSorted()).toEqual([201, 201, 409, 409, 409, 409, 409, 409]);
    const last = await call('POST', `${base}/refunds`, send(refund(id, '1000000001')));
    expect(last.json['detail']).toContain('1000000000 nano-units');
    expect((await call('POST', `${base}/refunds`, send(refund(id, '1000000000')))).status).toBe(201);
    expect(ledger.movements.filter((movement) => movement.kind === 'refund')).toHaveLength(3);
  });

  test('a repetition of the last one is the same one', async () => {
    const { call, id, ledger } = await paid();
    const first = await call('POST', `${base}/refunds`, send(refund(id, '5000000000'), 'back-1'));
    const second = await call('POST', `${base}/refunds`, send(refund(id, '5000000000'), 'back-1'));
    expect(second.json).toEqual(first.json);
    expect(ledger.movements).toHaveLength(2);
  });

  test('only of a top-up of this account', async () => {
    const { call } = await paid();
    const { json } = await call('POST', `${base}/adjustments`, send({ ...adjustment, amountNano: '1' }));
    expect((await call('POST', `${base}/refunds`, send(refund(json['id'], '1')))).json['field']).toBe('topUp');
    expect((await call('POST', `${base}/refunds`, send(refund('mov_nothing', '1')))).json['field']).toBe('topUp');
    expect((await call('POST', `${base}/refunds`, send(refund('req_1', '1')))).json['field']).toBe('topUp');
  });
});

describe('reading', () => {
  test('movements come newest first, in pages that join', async () => {
    const { call } = adminHarness();
    for (let index = 1; index <= 5; index++)
      await call('POST', `${base}/top-ups`, send({ ...topUp, amountNano: String(index) }));
    const amounts: unknown[] = [];
    let cursor: string | undefined;
    for (let pages = 0; pages < 5; pages++) {
      const { json } = await call('GET', `${base}/movements?limit=2${cursor === undefined ? '' : `&cursor=${cursor}`}`);
      const items = Array.isArray(json['items']) ? json['items'] : [];
      amounts.push(...items.map((item) => item.entries[0].amountNano));
      if (typeof json['nextCursor'] !== 'string') break;
      cursor = json['nextCursor'];
    }
    expect(amounts).toEqual(['5', '4', '3', '2', '1']);
  });

  test.each([
    'cursor=%00',
    'cursor=bXVtYm8',
    'limit=0',
    'limit=1000',
    'limit=all',
    'since=yesterday',
    'since=2026-02-31T00:00:00Z',
    'order=asc',
    'limit=1&limit=2',
  ])('the query %p is refused', async (query) => {
    const { call } = adminHarness();
    expect((await call('GET', `${base}/movements?${query}`)).status).toBe(400);
  });

  test('of an account that does not exist', async () => {
    const { call } = adminHarness();
    expect((await call('GET', '/admin/v1/accounts/acc_none/movements')).status).toBe(404);
    expect((await call('GET', '/admin/v1/accounts/acc_none/balance')).status).toBe(404);
  });

  test('the trial balance adds up', async () => {
    const { call } = adminHarness();
    await call('POST', `${base}/top-ups`, send(topUp));
    const { json } = await call('GET', '/admin/v1/ledger/trial-balance');
    expect(json['balanced']).toBe(true);
    expect(json['rows']).toContainEqual({
      address: 'account/*',
      currency: 'USD',
      amountNano: '5000000000',
      entries: 1,
    });
  });
});
