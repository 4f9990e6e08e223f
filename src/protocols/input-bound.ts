// The most tokens that a request's input can have, from its bytes. A token is at least one byte, unless the
// body refers to something outside itself: then it says nothing. Erring is allowed to one side only: a bound
// may be too high.

import { isNull } from '../core/json-scan.ts';
import type { FieldSpans } from '../core/json-scan.ts';
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
const partWords = ['_url', 'file', 'image', 'video', 'document'] as const;
const parts = partWords.map((word) => Buffer.from(`${word}"`));
/** An earlier spoken reply is referred to from the message itself, without a list of parts. */
const spokenWord = 'audio';
const spoken = Buffer.from(`${spokenWord}"`);
/** What a scan is to notice for `refersOutside`: where no string of a body ends so, nothing need be searched. */
export const outsideWords: readonly string[] = [...partWords, spokenWord];
/** `\u005f`, `\u0061` …: letters and the underscore written as escapes, which no honest encoder does. */
const escaped = Buffer.from('\\u00');

/**
 * Whether anything in these bytes may stand for content that is not in them. `opening` is the bracket without
 * which, beyond the value's own, there are no parts: messages have them in lists, inputs of embeddings as
 * objects. `noticed`: some string of the body ends with one of `outsideWords`.
 */
export function refersOutside(body: Uint8Array, span: Span, opening: '[' | '{', noticed: boolean): boolean {
  if (!noticed) return hasEscaped(body, span);
  const bracket = body.indexOf(opening.charCodeAt(0), span.start + 1);
  const mayHaveParts = bracket > 0 && bracket < span.end;
  return names(body, span, spoken) || (mayHaveParts && namesPart(body, span)) || hasEscaped(body, span);
}

/** Whether one of these members is set, that bring in what is not in the body. */
export function setsAny<F extends string>(body: Uint8Array, spans: FieldSpans<F>, fields: readonly F[]): boolean {
  return fields.some((field) => {
    const span = spans.get(field);
    return span !== undefined && !isNull(body, span);
  });
}

function namesPart(body: Uint8Array, span: Span): boolean {
  for (const part of parts) if (names(body, span, part)) return true;
  return false;
}

/** Where that text stands within the span, from a place on; -1 if it does not. */
function indexWithin(body: Uint8Array, { end }: Span, text: Buffer, from: number): number {
  const at = indexOf.call(body, text, from);
  return at < 0 || at + text.length > end ? -1 : at;
}

function names(body: Uint8Array, span: Span, ending: Buffer): boolean {
  for (let at = indexWithin(body, span, ending, span.start + 1); at > 0; at = indexWithin(body, span, ending, at + 1)) {
    if (ending[0] === 0x5f || body[at - 1] === 0x22 || body[at - 1] === 0x5f) return true;
  }
  return false;
}

/** `least`: the digit behind `\u00` from which on letters count; capitals begin at 4. */
export function hasEscaped(body: Uint8Array, span: Span, least = 0x35): boolean {
  for (let at = indexWithin(body, span, escaped, span.start); at >= 0; at = indexWithin(body, span, escaped, at + 1)) {
    const digit = body[at + escaped.length] ?? 0;
    if (digit >= least && digit <= 0x37) return true;
  }
  return false;
}

const { indexOf } = Buffer.prototype;
