// The most tokens that a request's input can have, from its bytes. A token is at least one byte, unless the
// body refers to something outside itself: then it says nothing. Erring is allowed to one side only: a bound
// may be too high.

import type { Span } from '../plugin/protocol.ts';

/**
 * What a vendor's chat template adds of its own: role marks, a default system text, the preamble that
 * describes tools. Up to 500 tokens more than the body has bytes were seen with tools; the body's own
 * punctuation covers the rest.
 */
export const templateTokensMax = 1_024;

/**
 * How the names of members and part types end that stand for pictures, sound, films and files: `"image_url"`,
 * `"input_audio"`, `"file"` … Inside a text the closing quote would be escaped, and before the word stands a
 * quote or an underscore, so that writing about pictures raises no bound.
 */
const parts = ['_url"', 'file"', 'image"', 'video"', 'document"'].map((text) => Buffer.from(text));
/** An earlier spoken reply is referred to from the message itself, without a list of parts. */
const spoken = Buffer.from('audio"');
/** `\u005f`, `\u0061` …: letters and the underscore written as escapes, which no honest encoder does. */
const escaped = Buffer.from('\\u00');

/**
 * Whether anything in these bytes may stand for content that is not in them. `opening` is the bracket without
 * which, beyond the value's own, there are no parts: messages have them in lists, inputs of embeddings as
 * objects.
 */
export function refersOutside(body: Uint8Array, span: Span, opening: '[' | '{'): boolean {
  const view = Buffer.from(body.buffer, body.byteOffset + span.start, span.end - span.start);
  const mayHaveParts = view.indexOf(opening.charCodeAt(0), 1) > 0;
  return names(view, spoken) || (mayHaveParts && parts.some((part) => names(view, part))) || hasEscaped(view);
}

function names(view: Buffer, ending: Buffer): boolean {
  for (let at = view.indexOf(ending); at > 0; at = view.indexOf(ending, at + 1)) {
    if (ending[0] === 0x5f || view[at - 1] === 0x22 || view[at - 1] === 0x5f) return true;
  }
  return false;
}

function hasEscaped(view: Buffer): boolean {
  for (let at = view.indexOf(escaped); at >= 0; at = view.indexOf(escaped, at + 1)) {
    const digit = view[at + escaped.length] ?? 0;
    if (digit >= 0x35 && digit <= 0x37) return true;
  }
  return false;
}
