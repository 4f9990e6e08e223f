// The passage between a client's protocol and an upstream: as it is where the upstream speaks it, else translated to
// the first protocol of the upstream's that can be.

import type { Offer } from '../domain/catalog/catalog.ts';
import type { Dialect } from '../plugin/codec.ts';
import type { Protocol } from '../plugin/protocol.ts';
import { protocolOf } from '../protocols/protocols.ts';

export interface Passage {
  /** What is spoken to the upstream. */
  readonly protocol: Protocol;
  readonly translated: boolean;
  /** How the upstream's model differs from it; undefined where its provider says nothing. */
  readonly dialect: Partial<Dialect> | undefined;
}

/** The catalog makes new offers when anything about an upstream changes. */
const passages = new WeakMap<Offer, Map<Protocol, Passage | undefined>>();

/** Undefined: the upstream cannot be reached from that protocol. */
export function passageOf(offer: Offer, client: Protocol): Passage | undefined {
  let known = passages.get(offer);
  if (known === undefined) passages.set(offer, (known = new Map()));
  if (known.has(client)) return known.get(client);
  const passage = findPassage(offer, client);
  known.set(client, passage);
  return passage;
}

function findPassage({ upstream, model }: Offer, client: Protocol): Passage | undefined {
  const { provider } = upstream;
  const spoken = provider.speaks[client.operation] ?? [];
  const native = spoken.includes(client.name);
  if (!native && client.codec === undefined) return undefined;
  const name = native ? client.name : spoken.find((each) => protocolOf(each).codec !== undefined);
  if (name === undefined) return undefined;
  return { protocol: protocolOf(name), translated: !native, dialect: provider.dialect?.(model, name) };
}
