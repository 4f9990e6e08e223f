// The successor's ledger as the process that goes sees it: closings and extensions as messages, each answered once.

import type { DistantLedger } from '../../domain/ledger/movable-ledger.ts';
import { usageRecordJson } from '../../domain/ledger/record-json.ts';
import { unavailableError } from '../../store/journal.ts';
import type { FromPredecessor, FromSuccessor } from './messages.ts';

type Answer = Extract<FromSuccessor, { readonly call: number }>;
type Call = Extract<FromPredecessor, { readonly call: number }>;
type Unnumbered<T> = T extends unknown ? Omit<T, 'call'> : never;

export interface DistantOwner extends DistantLedger {
  answered(answer: Answer): void;
  /** Nobody answers any more: what waits is refused, and what comes. */
  lost(): void;
}

export function distantOwner(say: (message: Call) => void): DistantOwner {
  const waiting = new Map<number, PromiseWithResolvers<Answer>>();
  let calls = 0;
  let isLost = false;
  const ask = async (question: Unnumbered<Call>): Promise<Answer> => {
    if (isLost) throw lostError();
    calls += 1;
    const call = calls;
    const answer = Promise.withResolvers<Answer>();
    waiting.set(call, answer);
    say({ ...question, call });
    return answer.promise;
  };
  return {
    async close(closing) {
      const answer = await ask({ kind: 'close', record: usageRecordJson(closing, 0n, 0n) });
      if (answer.kind !== 'closed') throw refusedError(answer);
      return answer.lossNano === null ? { closed: false } : { closed: true, lossNano: BigInt(answer.lossNano) };
    },
    async extendHold(requestId, byNano) {
      const answer = await ask({ kind: 'extend', requestId, byNano: `${byNano}` });
      return answer.kind === 'extended' && answer.carried;
    },
    answered(answer) {
      waiting.get(answer.call)?.resolve(answer);
      waiting.delete(answer.call);
    },
    lost() {
      isLost = true;
      for (const { reject } of waiting.values()) reject(lostError());
      waiting.clear();
    },
  };
}

const lostError = () => unavailableError('the process that took the ledger over is gone');
const refusedError = (answer: Answer) =>
  unavailableError(`the process that took the ledger over says: ${answer.kind === 'refused' ? answer.message : answer.kind}`);
