// A small mixed load on one gateway until it is dead: calls of many keys, clients that leave, top-ups (some sent twice
// at once, some of long ago sent again), keys made and deleted, accounts made.

import type { Chance } from '../../src/core/clock.ts';
import { createAccount, issueKey, sendTopUp, askAdmin } from './kill-gateway-admin.ts';
import type { DriverBooks, IssuedKey, RoundNotes, TopUp } from './kill-gateway-books.ts';
import { makeCall, sendCall } from './kill-gateway-calls.ts';

/** Moments that a kill can be aimed at, beside plain time. */
export type Moment = 'reply' | 'first-byte' | 'top-up' | 'api-key' | 'account';

export interface LoadOptions {
  readonly origin: string;
  readonly chance: Chance;
  readonly books: DriverBooks;
  readonly notes: RoundNotes;
  /** Names the round in idempotency keys. */
  readonly round: string;
  /** Whether accounts with hardly any money call too. Their refusals need the tokenizer, which is slow to load. */
  readonly tight: boolean;
  /** Called in the very turn in which the driver sees it. */
  readonly saw: (moment: Moment) => void;
  readonly stopped: () => boolean;
}

const WORKERS = 12;
const CALLS_MAX = 800;
const KEYS_PER_ROUND = 4;
const KEYS_KEPT = 24;
const BASE_KEYS = 9;

export async function runLoad(options: LoadOptions): Promise<void> {
  const { books, notes, chance } = options;
  // What was made long ago is left aside, so that a round is as long as the others.
  if (books.keys.length > KEYS_KEPT) books.keys.splice(BASE_KEYS, books.keys.length - KEYS_KEPT);
  let serial = 0;
  const worker = async (): Promise<void> => {
    while (!options.stopped() && serial < CALLS_MAX) {
      const dice = chance();
      if (dice < 0.12) await topUp(options);
      else if (dice < 0.14 && notes.issued.length < KEYS_PER_ROUND) await makeKey(options);
      else if (dice < 0.147 && notes.accounts.length === 0) await makeAccount(options);
      else {
        const key = books.keys[Math.floor(chance() * books.keys.length)];
        if (key === undefined || key.deletion !== 'none' || (key.tight && !options.tight)) continue;
        const call = makeCall(chance, ++serial, key);
        notes.calls.push(call);
        await sendCall(options.origin, call, {
          firstByte: () => options.saw('first-byte'), complete: () => options.saw('reply'),
        });
      }
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
}

/** Runs an operator's action; a gateway that is gone is what this test is about. */
async function attempt(options: LoadOptions, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!options.stopped()) options.notes.wrong.push(`the admin API failed before the kill: ${String(error)}`);
  }
}

async function topUp(options: LoadOptions): Promise<void> {
  const { books, chance, notes, origin, round } = options;
  const accounts = [...books.accounts.values()];
  const account = accounts[Math.floor(chance() * accounts.length)];
  if (account === undefined) return;
  const fresh: TopUp = {
    idempotencyKey: `${round}-${notes.topUps.length}`, accountId: account.id,
    amountNano: BigInt(20_000 + Math.floor(chance() * 120_000)), movementId: undefined,
  };
  books.topUps.set(fresh.idempotencyKey, fresh);
  notes.topUps.push(fresh);
  const send = () => attempt(options, async () => {
    const { status } = await sendTopUp(origin, fresh, books, notes.wrong);
    if (status === 201) options.saw('top-up');
  });
  if (chance() < 0.2) await Promise.all([send(), send()]);
  else await send();
  if (chance() < 0.1) await send();
}

async function makeKey(options: LoadOptions): Promise<void> {
  const { books, chance, notes, origin } = options;
  const accounts = [...books.accounts.values()];
  const account = accounts[Math.floor(chance() * accounts.length)];
  if (account === undefined) return;
  await attempt(options, async () => {
    const key = await issueKey(origin, account.id, account.tight);
    notes.issued.push(key);
    options.saw('api-key');
    if (chance() < 0.3) await deleteKey(options, key);
    else books.keys.push(key);
  });
}

async function deleteKey(options: LoadOptions, key: IssuedKey): Promise<void> {
  key.deletion = 'asked';
  options.notes.deleted.push(key);
  const { status } = await askAdmin(options.origin, 'DELETE', `api-keys/${key.apiKeyId}`);
  if (status >= 300) options.notes.wrong.push(`deleting ${key.apiKeyId} was answered ${status}`);
  key.deletion = 'acknowledged';
}

async function makeAccount(options: LoadOptions): Promise<void> {
  await attempt(options, async () => {
    const id = await createAccount(options.origin, `Kill ${options.round}`);
    options.notes.accounts.push(id);
    options.saw('account');
  });
}
