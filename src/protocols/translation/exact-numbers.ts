// Whole numbers that are too long for ours, such as ids in the arguments of a call: from one protocol's JSON into
// another's with every digit. While a conversation is in our hands they are strings with a mark that nobody can know.

import { bounds } from '../../core/bounds.ts';
import type { JsonValue } from '../../plugin/conversation.ts';
import { longNumberMark as mark, parsedJson } from '../json-fields.ts';

/** Most texts have no such number outside of their strings, nor inside. */
const mayBeLong = /\d{16}/;
const whole = /^-?[1-9]\d{15,}$/;

/** As `parsedJson`, but for such numbers. What is written from it must go through `withExactNumbers`. */
export function exactJson(text: string, depthMax: number = bounds.parsedDepth): JsonValue | undefined {
  return parsedJson(mayBeLong.test(text) ? withMarks(text) : text, depthMax);
}

/** The JSON text with its numbers as they came. */
export function withExactNumbers(text: string): string {
  let written = '';
  let done = 0;
  for (let at = text.indexOf(mark); at >= 0; at = text.indexOf(mark, done)) {
    const start = at + mark.length;
    let end = start;
    while (isOfNumber(text.charCodeAt(end))) end++;
    const quote = quoteBefore(text, at, done);
    const quoted = quote !== '' && text.startsWith(quote, end);
    written += text.slice(done, quoted ? at - quote.length : at) + text.slice(start, end);
    done = quoted ? end + quote.length : end;
  }
  return done === 0 ? text : written + text.slice(done);
}

/** As text in JSON in text in JSON, the quotes of a string have the same backslashes before them at both ends. */
function quoteBefore(text: string, at: number, from: number): string {
  if (text.charCodeAt(at - 1) !== 0x22) return '';
  let start = at - 1;
  while (start > from && text.charCodeAt(start - 1) === 0x5c) start--;
  return text.slice(start, at);
}

function withMarks(text: string): string {
  let marked = '';
  let done = 0;
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === 0x22) at = stringEnd(text, at + 1);
    else if (isOfNumber(code)) {
      let end = at + 1;
      while (end < text.length && isOfNumber(text.charCodeAt(end))) end++;
      const number = text.slice(at, end);
      if (whole.test(number) && !Number.isSafeInteger(Number(number))) {
        marked += `${text.slice(done, at)}"${mark}${number}"`;
        done = end;
      }
      at = end;
    } else at++;
  }
  return marked + text.slice(done);
}

/** Behind the quotation mark that ends the string. */
function stringEnd(text: string, start: number): number {
  let at = start;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return at + 1;
    at += code === 0x5c ? 2 : 1;
  }
  return at;
}

/** Digits, `-`, `+`, `.`, `e` and `E`. */
const isOfNumber = (code: number): boolean =>
  (code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x2b || code === 0x2e || code === 0x65 || code === 0x45;
