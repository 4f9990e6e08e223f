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

export function moneyWatch(services: PipelineServices, routed: Routed, relay: StreamRelay): StreamWatch | undefined {
  const perChoice = Math.min(routed.facts.outputLimit ?? routed.model.outputTokensMax, routed.model.outputTokensMax);
  const most = perChoice * routed.facts.choices;
  let heldTokens = routed.bound.output ?? 0;
  if (heldTokens >= most) return undefined;
  const step = services.streamHoldTokens * routed.facts.choices;
  const terms = priceTermsOf(routed.terms);
  const costs = (output: number) => routed.model.rule.estimate(terms, { ...routed.bound, output }).totalNano;
  let asking = false;
  const extend = async () => {
    const next = Math.min(most, heldTokens + step);
    try {
      if (await services.ledger.extendHold(routed.requestId, costs(next) - costs(heldTokens))) heldTokens = next;
      else relay.cut('money-out');
    } catch (error) {
      if (!(error instanceof TollgateError)) services.log.error('hold-not-extended', { request: routed.requestId, detail: String(error) });
      relay.cut('money-out');
    }
    asking = false;
  };
  return {
    everyBytes: EVERY_BYTES,
    progressed() {
      if (asking || heldTokens >= most || relay.ended) return;
      if (estimatedOutput(routed, relay.tap.reading()) < heldTokens - step / 4) return;
      asking = true;
      void extend();
    },
  };
}
