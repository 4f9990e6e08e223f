// Signatures of thinking travel through another protocol's client in an envelope, and come back as they were. Inside is
// whose it is, so that it is given to nobody else: another protocol could not read it and would refuse the request.

import type { Signature } from '../../plugin/conversation.ts';
import { protocolNames } from '../../plugin/operations.ts';
import type { ProtocolName } from '../../plugin/operations.ts';

/** Base64 of "tollgate:1:" up to whole groups of three bytes: what every envelope begins with. */
const mark = 'tollgate:1::';
export const markBase64 = Buffer.from(mark).toString('base64');

const forms = ['signature', 'redacted', 'encrypted'] as const;

/** Standard base64, because Gemini's clients decode it. The value is not secret: the client could read it anyway. */
export function sealSignature({ protocol, form, value, id }: Signature): string {
  const inside = JSON.stringify([protocol, form, value, ...(id === undefined ? [] : [id])]);
  return Buffer.from(mark + inside).toString('base64');
}

/** A protocol's own as it is; another's in an envelope, that comes back to whom it belongs. */
export const signatureTextFor = (own: ProtocolName, signature: Signature): string =>
  signature.protocol === own ? signature.value : sealSignature(signature);

/** The signature in an envelope; undefined for any other text, which then is the protocol's own. */
export function openSignature(text: string): Signature | undefined {
  if (!text.startsWith(markBase64)) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(text, 'base64').toString('utf8').slice(mark.length));
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed)) return undefined;
  const [protocol, form, value, id]: readonly unknown[] = parsed;
  if (!isProtocol(protocol) || !isForm(form) || typeof value !== 'string') return undefined;
  return { protocol, form, value, ...(typeof id === 'string' ? { id } : {}) };
}

const isProtocol = (name: unknown): name is ProtocolName => protocolNames.some((each) => each === name);
const isForm = (name: unknown): name is Signature['form'] => forms.some((each) => each === name);
