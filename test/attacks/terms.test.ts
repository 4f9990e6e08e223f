// Attack case R7: nobody comes to have accepted terms in any other way than by accepting the version in
// force, for their own account, with the text that was published; and what was accepted cannot be changed
// afterwards.

import { describe, expect, test } from 'bun:test';
import { createJudge } from '../../src/domain/compliance/judge.ts';
import { createCompliance } from '../../src/domain/compliance/compliance.ts';
import { createCountrySource } from '../../src/domain/compliance/country.ts';
import type { PolicyFacts } from '../../src/plugin/policy.ts';
import { ordinaryFacts } from '../../policies/cases/case.ts';
import { termsAcceptance } from '../../policies/terms-acceptance.ts';
import { setUpTerms, someone, somewhere } from '../domain/terms/terms-store-setup.ts';
import { termsText } from '../domain/terms/terms-text.ts';
import { termsFace } from '../http/terms/terms-face.ts';

const v1 = termsText({ document: 'agreement', version: '1', acceptance: 'explicit' });
const v2 = termsText({
  document: 'agreement',
  version: '2',
  acceptance: 'explicit',
  effective: '2026-03-01',
});

async function world() {
  const setup = setUpTerms();
  const terms = await setup.open(v1, v2);
  const clock = { now: setup.now, monotonicMs: setup.now };
  const judge = createJudge([{ name: 'terms-acceptance', policy: termsAcceptance().create({}) }], () => {});
  const country = createCountrySource(
    { kind: 'none' },
    { clock, isTrusted: () => false, onBrokenFile: () => {} },
  );
  const compliance = createCompliance({ judge, country }, terms);
  const use = (account: 'acc_a' | 'acc_b', at = setup.now()) => {
    const facts: PolicyFacts = {
      ...ordinaryFacts,
      at,
      account: { id: account, kind: 'person', groups: [] },
      terms: compliance.standing(account, at),
    };
    return compliance.judge('request', facts);
  };
  const text = (version: string) => ({
    document: 'agreement',
    version,
    sha256: terms.version('agreement', version)?.sha256 ?? '',
  });
  return { setup, terms, compliance, use, text, ...termsFace(terms, setup.now) };
}

describe('R7', () => {
  test('use before acceptance is refused, with the clause and where to accept', async () => {
    const { use } = await world();
    expect(use('acc_a')).toMatchObject({
      verdict: 'deny',
      code: 'terms_required',
      clause: 'S7',
      link: '/terms/agreement',
    });
  });

  test('an old version is refused with 409 that names the current one, and nothing is accepted', async () => {
    const { setup, accept, text, use } = await world();
    setup.at('2026-03-01T00:00:00Z');
    const response = await accept(text('1'));
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({
      code: 'conflict',
      field: 'version',
      link: 'https://gateway.example/terms/agreement',
      detail: expect.stringContaining(`version 2 with sha256 ${text('2').sha256}`),
    });
    expect(use('acc_a')).toMatchObject({ verdict: 'deny' });
  });

  test('a wrong hash is refused with 409 that names the right one', async () => {
    const { accept, text, use } = await world();
    for (const sha256 of ['0'.repeat(64), text('2').sha256]) {
      const response = await accept({ ...text('1'), sha256 });
      expect(response.status).toBe(409);
      expect(await response.json()).toMatchObject({
        field: 'sha256',
        detail: expect.stringContaining(text('1').sha256),
      });
    }
    expect(use('acc_a')).toMatchObject({ verdict: 'deny' });
  });

  test('one account cannot accept for another', async () => {
    const { accept, text, use } = await world();
    expect((await accept({ ...text('1'), accountId: 'acc_b' })).status).toBe(400);
    expect((await accept(text('1'))).status).toBe(201);
    expect(use('acc_a')).toMatchObject({ verdict: 'allow' });
    expect(use('acc_b')).toMatchObject({ verdict: 'deny' });
  });

  test('a replayed acceptance is the first one: same record, first time and place', async () => {
    const { setup, accept, text, terms } = await world();
    const first = await (await accept(text('1'))).text();
    setup.at('2026-02-10T00:00:00Z');
    const replays = await Promise.all(Array.from({ length: 10 }, () => accept(text('1'))));
    for (const replay of replays) {
      expect(replay.status).toBe(200);
      expect(await replay.text()).toBe(first);
    }
    expect((await terms.acceptances({ limit: 100 })).length).toBe(1);
  });

  test('an acceptance of the old version does not carry over the deadline, to the millisecond', async () => {
    const { accept, text, use } = await world();
    await accept(text('1'));
    const deadline = Date.parse('2026-03-01T00:00:00Z');
    expect(use('acc_a', deadline - 1)).toMatchObject({ verdict: 'allow' });
    expect(use('acc_a', deadline)).toMatchObject({ verdict: 'deny' });
    // A clock that jumps back finds the old version again, and not a hole between the two.
    expect(use('acc_a', deadline - 1)).toMatchObject({ verdict: 'allow' });
    expect((await accept(text('2'))).status).toBe(201);
    expect(use('acc_a', deadline)).toMatchObject({ verdict: 'allow' });
  });

  test('mere use does not accept what wants a click', async () => {
    const { terms, text, use } = await world();
    await terms.recordAcceptance({ kind: 'record-acceptance', ...text('1') }, someone('a'), somewhere);
    expect(use('acc_a')).toMatchObject({ verdict: 'deny' });
  });

  test('evidence is immutable, and an acceptance that nobody published cannot be written', async () => {
    const { setup, accept, text, terms } = await world();
    await accept(text('1'));
    const before = await terms.acceptances({ limit: 10 });
    for (const statement of [
      `UPDATE terms_acceptance SET at = 0`,
      `DELETE FROM terms_acceptance`,
      `UPDATE terms_version SET text = 'You owe us everything.'`,
      `INSERT INTO terms_acceptance (id, account_id, document, version, sha256, at, address, country, method)
        VALUES ('tac_9', 'acc_9', 'agreement', '1', '${'0'.repeat(64)}', 0, '', '', 'explicit')`,
    ])
      expect(() => setup.database.run(statement)).toThrow();
    expect(await terms.acceptances({ limit: 10 })).toEqual(before);
  });
});
