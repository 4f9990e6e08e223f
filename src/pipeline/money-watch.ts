// Long streams extend their hold as they go, and end cleanly when the money is out: the client set no such limit, so
// nothing is cut that could have been paid for.

import { TollgateError } from '../core/errors.ts';
import type { Routed } from './exchange.ts';
import { estimatedOutput } from './meter.ts';
import { priceTermsOf } from './reserve.ts';
import type { PipelineServices } from './services.ts';
import type { StreamRelay, StreamWatch } from './stream-relay.ts';

/** Bytes of stream after which the hold is looked at again; about twenty small events. */
const EVERY_BYTES = 4_096;
/** Most tokens that come between two looks: no event around a token is smaller than this many bytes. */
const EVERY_TOKENS = EVERY_BYTES / 64;

export function moneyWatch(services: PipelineServices, routed: Routed, relay: StreamRelay): StreamWatch | undefined {
  const perChoice = Math.min(routed.facts.outputLimit ?? routed.model.outputTokensMax, routed.model.outputTokensMax);
  const most = perChoice * routed.facts.choices;
  let heldTokens = routed.bound.output ?? 0;
  if (heldTokens >= most) return undefined;
  const step = services.streamHoldTokens * routed.facts.choices;
  const terms = priceTermsOf(routed.terms);
  const costs = (output: number) => routed.model.rule.estimate(terms, { ...routed.bound, output }).totalNano;
  let asking = false;
  /** Nothing more can be held: what is held is still used up. */
  let exhausted = false;
  const extend = async (produced: number) => {
    try {
      // A whole step beyond what came; where the money does not carry that, the largest half of a half that it does.
      for (
        let more = Math.max(0, produced - heldTokens) + step;
        more >= Math.min(step, EVERY_TOKENS) && !relay.ended;
        more = Math.floor(more / 2)
      ) {
        const next = Math.min(most, heldTokens + more);
        if (!(await services.ledger.extendHold(routed.requestId, costs(next) - costs(heldTokens)))) continue;
        heldTokens = next;
        return;
      }
      exhausted = true;
    } catch (error) {
      if (!(error instanceof TollgateError))
        services.log.error('hold-not-extended', { request: routed.requestId, detail: String(error) });
      relay.cut('money-out');
    } finally {
      asking = false;
    }
  };
  const look = () => {
    if (asking || heldTokens >= most || relay.ended) return;
    const produced = estimatedOutput(routed, relay.tap.reading());
    if (exhausted) {
      if (produced > heldTokens - EVERY_TOKENS) relay.cut('money-out');
      return;
    }
    if (produced < heldTokens - Math.max(step / 4, EVERY_TOKENS)) return;
    asking = true;
    void extend(produced).then(look);
  };
  return {
    everyBytes: EVERY_BYTES,
    progressed: look,
  };
}
