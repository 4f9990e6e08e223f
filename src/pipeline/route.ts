// route: policies about upstreams have removed what may not serve, the model's strategy ranks the rest, the plan is
// bounded.

import { bounds } from '../core/bounds.ts';
import { TollgateError } from '../core/errors.ts';
import type { Offer } from '../domain/catalog/catalog.ts';
import type { Protocol } from '../plugin/protocol.ts';
import type { UpstreamView } from '../plugin/routing.ts';
import { useFacts } from './admit.ts';
import type { Admitted, Reserved, Routed } from './exchange.ts';
import { passageOf } from './passage.ts';
import type { PipelineServices } from './services.ts';

/** Waits only where a policy has to be asked about upstreams. */
export function route(services: PipelineServices, reserved: Reserved): Routed | Promise<Routed> {
  const { continues } = reserved.facts;
  if (continues !== undefined) return continued(services, reserved, continues);
  const offers = reachable(reserved);
  if (!services.compliance.asks('use', 'upstream')) return planned(services, reserved, offers);
  return permitted(services, reserved, offers).then((allowed) => planned(services, reserved, allowed));
}

/** Only the upstream that keeps a reply can go on from it, and only for the account that it was given to. */
async function continued(services: PipelineServices, reserved: Reserved, id: string): Promise<Routed> {
  const stored = await services.storedReplies.find(id, reserved.account.id);
  if (stored === undefined) {
    throw new TollgateError('not_found', {
      message: 'previous_response_id: there is no such response here, or it is not yours. Send the turns instead.',
      field: 'previous_response_id',
    });
  }
  const { operation, name } = reserved.protocol;
  const offers = reachable(reserved).filter(
    ({ upstream }) => upstream.id === stored.upstreamId && upstream.provider.speaks[operation]?.includes(name) === true,
  );
  return planned(services, reserved, await permitted(services, reserved, offers));
}

/** Offers whose upstream is on and can be reached from the client's protocol: nearly always all of them. */
function reachable({ model, protocol }: Reserved): readonly Offer[] {
  const { offers } = model;
  for (const offer of offers) {
    if (!reaches(offer, protocol)) return offers.filter((other) => reaches(other, protocol));
  }
  return offers;
}

const reaches = (offer: Offer, protocol: Protocol): boolean =>
  offer.upstream.enabled && passageOf(offer, protocol) !== undefined;

function planned(services: PipelineServices, reserved: Reserved, offers: readonly Offer[]): Routed {
  const only = offers[0];
  if (offers.length === 1 && only !== undefined) return { ...reserved, plan: offers };
  const plan = rank(services, reserved, offers);
  if (plan.length === 0) {
    throw new TollgateError('no_upstream', {
      message: 'No upstream may serve this model at the moment. Try again later.',
      retryAfterSeconds: 10,
    });
  }
  return { ...reserved, plan };
}

/** Those of the offers that every policy about upstreams lets this request go to. */
export async function permitted(
  services: PipelineServices,
  admitted: Admitted,
  offers: readonly Offer[],
): Promise<readonly Offer[]> {
  const allowed: Offer[] = [];
  for (const offer of offers) {
    const about = { name: offer.upstream.name, provider: offer.upstream.providerName, model: offer.model };
    const decision = await services.compliance.judge('upstream', useFacts(services, admitted, admitted.country, about));
    if (decision.verdict === 'allow') allowed.push(offer);
  }
  return allowed;
}

function rank(services: PipelineServices, reserved: Reserved, offers: readonly Offer[]): readonly Offer[] {
  const byId = new Map(offers.map((offer) => [offer.upstream.id as string, offer]));
  const views = offers.map((offer) => services.health.view(offer.upstream));
  let ranked: readonly UpstreamView[];
  try {
    ranked = reserved.model.strategy.rank(
      {
        operation: reserved.protocol.operation,
        model: reserved.model.name,
        stream: reserved.facts.stream,
        affinityKey: reserved.apiKey.id,
      },
      views,
      services.chance,
    );
  } catch (error) {
    services.log.error('plugin-fault', { plugin: 'routing', model: reserved.model.name, detail: String(error) });
    ranked = views;
  }
  const plan: Offer[] = [];
  for (const view of ranked) {
    const offer = byId.get(view.id);
    // An upstream that was invented or repeated is dropped: a plugin ranks what it was given.
    if (offer === undefined || !byId.delete(view.id)) continue;
    plan.push(offer);
    if (plan.length === bounds.attemptsMax) break;
  }
  return plan;
}
