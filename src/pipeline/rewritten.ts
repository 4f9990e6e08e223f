// The client's body as an upstream of its own protocol gets it: with the upstream's name of the model, with its
// usage asked for, and with what the vendor has under another name. All else goes on as it came.

import type { Offer } from '../domain/catalog/catalog.ts';
import type { BodyEdit } from '../plugin/protocol.ts';
import { rewriteBody } from '../protocols/rewrite-body.ts';
import type { Routed } from './exchange.ts';
import type { Passage } from './passage.ts';

export interface Rewritten {
  readonly body: readonly Uint8Array[];
  readonly losses: readonly string[];
}

const noLosses: readonly string[] = [];

export function rewritten(
  { facts, protocol, line, body: { bytes } }: Routed,
  { model, upstream }: Offer,
  { dialect }: Passage,
): Rewritten {
  const adapted = dialect === undefined ? undefined : protocol.adapt?.(bytes, dialect);
  const asks = facts.forceUsage !== undefined && upstream.provider.quirks.usage === 'on-request';
  // A model that the path names is the one that is charged: what the body names beside it must not be served.
  const named = model !== facts.model || line.model !== undefined;
  if (!named && !asks && adapted === undefined) return { body: [bytes], losses: noLosses };
  const edits: BodyEdit[] = adapted === undefined ? [] : [...adapted.edits];
  if (named) {
    const { modelSpan, modelMissingAt } = facts;
    const text = JSON.stringify(model);
    if (modelSpan !== undefined) edits.push({ span: modelSpan, text });
    else if (modelMissingAt !== undefined)
      edits.push({ span: { start: modelMissingAt, end: modelMissingAt }, text: `"model":${text},` });
  }
  if (facts.forceUsage !== undefined && asks) edits.push(facts.forceUsage);
  return { body: rewriteBody(bytes, edits), losses: adapted?.losses ?? noLosses };
}
