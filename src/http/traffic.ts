// Which way requests go that a server has accepted: to the faces here, or to the process that takes over. When no more
// should come on a connection it ends with a reply that says so: an idle one is never closed under a client's hands.

import { clientError } from './client-error.ts';

export type Answer = Response | Promise<Response>;

/** Answers in place of the faces here. Resolves with undefined where they are to answer after all. */
export type Detour = (request: Request, peer: string) => Promise<Response | undefined>;

export interface Traffic {
  /** Asked for every request: true while anything here is not as usual. */
  readonly unusual: boolean;
  /** Requests that a face other than `/v1` is answering. */
  readonly facesBusy: number;
  /** From now on each reply is its connection's last. */
  lastReplies(on: boolean): void;
  /** Where requests go from now on; undefined: to the faces here. */
  divert(detour: Detour | undefined): void;
  /** Whatever is unusual. `here` asks the faces. */
  answer(request: Request, peer: string, here: () => Answer): Answer;
  counted(answer: Answer): Answer;
}

export function createTraffic(): Traffic {
  let detour: Detour | undefined;
  let last = false;
  let facesBusy = 0;
  const around = async (request: Request, peer: string, way: Detour, here: () => Answer): Promise<Response> => {
    try {
      return (await way(request, peer)) ?? (await here());
    } catch {
      return clientError('shutting_down', { message: 'This gateway is being replaced. Try again.', retryAfterSeconds: 1 });
    }
  };
  return {
    get unusual() {
      return last || detour !== undefined;
    },
    get facesBusy() {
      return facesBusy;
    },
    lastReplies: (on) => void (last = on),
    divert: (way) => void (detour = way),
    async answer(request, peer, here) {
      const answer = await (detour === undefined ? here() : around(request, peer, detour, here));
      // Asked again: what was usual when the request came may not be so now.
      if (last) answer.headers.set('connection', 'close');
      return answer;
    },
    counted(answer) {
      if (!(answer instanceof Promise)) return answer;
      facesBusy += 1;
      void answer.catch(() => {}).finally(() => (facesBusy -= 1));
      return answer;
    },
  };
}
