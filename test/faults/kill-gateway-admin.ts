// The operator's side: accounts, money and keys through the admin API. An answer counts once its whole body is here.

import type { DriverBooks, IssuedKey, TopUp } from './kill-gateway-books.ts';
import { operatorKey } from './kill-gateway-child.ts';

export interface Answer {
  readonly status: number;
  readonly replayed: boolean;
  readonly body: Readonly<Record<string, unknown>>;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Throws when the gateway is gone before the answer was complete. */
export async function askAdmin(
  origin: string, method: string, path: string, body?: unknown, idempotencyKey?: string,
): Promise<Answer> {
  const response = await fetch(`${origin}/admin/v1/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${operatorKey}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const parsed: unknown = text === '' ? {} : JSON.parse(text);
  return {
    status: response.status, replayed: response.headers.get('idempotency-replayed') === 'true',
    body: isRecord(parsed) ? parsed : {},
  };
}

export function textIn(answer: Answer, name: string): string {
  const found = answer.body[name];
  if (typeof found !== 'string') throw new Error(`no ${name} in ${answer.status} ${JSON.stringify(answer.body)}`);
  return found;
}

/** Sends it, for the first time or again. The same key must always give the same movement. */
export async function sendTopUp(origin: string, topUp: TopUp, books: DriverBooks, wrong: string[]): Promise<Answer> {
  const answer = await askAdmin(origin, 'POST', `accounts/${topUp.accountId}/top-ups`, {
    amountNano: topUp.amountNano.toString(), currency: 'USD', source: 'cash', processor: 'bank-transfer',
    reason: 'kill test', reference: topUp.idempotencyKey,
  }, topUp.idempotencyKey);
  if (answer.status !== 201) {
    wrong.push(`top-up ${topUp.idempotencyKey} was answered ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer;
  }
  const id = textIn(answer, 'id');
  if (topUp.movementId === undefined) {
    topUp.movementId = id;
    const account = books.accounts.get(topUp.accountId);
    if (account !== undefined) account.balanceNano += topUp.amountNano;
  } else if (topUp.movementId !== id) {
    wrong.push(`top-up ${topUp.idempotencyKey} was movement ${topUp.movementId} and is now ${id}`);
  }
  return answer;
}

export async function createAccount(origin: string, name: string): Promise<string> {
  const answer = await askAdmin(origin, 'POST', 'accounts', { kind: 'company', name, currency: 'USD' });
  return textIn(answer, 'id');
}

export async function issueKey(
  origin: string, accountId: string, tight: boolean, settings: Readonly<Record<string, unknown>> = {},
): Promise<IssuedKey> {
  const answer = await askAdmin(origin, 'POST', 'api-keys', { accountId, name: 'kill test', ...settings });
  if (answer.status !== 201) throw new Error(`a key was refused: ${answer.status} ${JSON.stringify(answer.body)}`);
  return { accountId, apiKeyId: textIn(answer, 'id'), apiKey: textIn(answer, 'key'), tight, deletion: 'none' };
}

const UNIT_NANO = 1_000_000_000n;

/** Two accounts with plenty, two with hardly anything, several keys, one of them with a budget. */
export async function setUpBooks(origin: string, books: DriverBooks, wrong: string[]): Promise<void> {
  for (const [index, tight] of [false, false, true, true].entries()) {
    const id = await createAccount(origin, `Kill ${index}`);
    books.accounts.set(id, { id, tight, balanceNano: 0n });
    const topUp: TopUp = {
      idempotencyKey: `set-up-${index}`, accountId: id, amountNano: tight ? 200_000n : 1_000_000n * UNIT_NANO,
      movementId: undefined,
    };
    books.topUps.set(topUp.idempotencyKey, topUp);
    await sendTopUp(origin, topUp, books, wrong);
    books.keys.push(await issueKey(origin, id, tight), await issueKey(origin, id, tight));
  }
  const [first] = books.accounts.values();
  if (first === undefined) throw new Error('no account was made');
  const capNano = 20_000_000n;
  const budgeted = await issueKey(origin, first.id, true, { budgets: { total: { capNano: capNano.toString() } } });
  books.budgets.set(budgeted.apiKeyId, { capNano, chargedNano: 0n });
  books.keys.push(budgeted);
}
