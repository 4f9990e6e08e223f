// What the gateway must know of a request of Anthropic's messages, from its bytes.

import { stringEndings } from '../../core/json-cursor.ts';
import { fieldSet, readInteger, readBoolean, scanBody } from '../../core/json-scan.ts';
import type { RequestFacts, RequestLine, Span } from '../../plugin/protocol.ts';
import { outsideWords, refersOutside, setsAny, templateTokensMax } from '../input-bound.ts';
import { readModel, readTokenLimit } from '../openai-request.ts';

/** Members that bring in what is not in the body. */
const outsideFields = ['container', 'mcp_servers', 'context_management'] as const;

const fields = fieldSet('model', 'stream', 'max_tokens', 'messages', 'system', 'tools', 'top_k', ...outsideFields);
const endings = stringEndings(...outsideWords);

export function readRequest(body: Uint8Array, line: RequestLine): RequestFacts {
  const scanned = scanBody(body, fields, endings);
  const { spans, noticed } = scanned;
  const named = readModel(body, scanned, line);
  const stream = readBoolean(body, spans.get('stream'), 'stream') === true;
  // None at all fills the cache with the prompt.
  const outputLimit = readTokenLimit(body, spans, 'max_tokens', 0);
  readInteger(body, spans.get('top_k'), 'top_k', 0, 1_000_000);
  let outside = false;
  for (const field of ['messages', 'system'] as const) {
    const span = spans.get(field);
    outside ||= span !== undefined && refersOutside(body, span, '[', noticed);
  }
  outside ||= setsAny(body, spans, outsideFields);
  const tools = spans.get('tools');
  outside ||= tools !== undefined && hasVendorTool(body, tools);
  return {
    ...named,
    stream,
    outputLimit,
    choices: 1,
    inputBound: outside ? undefined : body.length + templateTokensMax,
    wantsUsage: true,
    forceUsage: undefined,
  };
}

/** What the names of the vendor's tools have before their date: `web_search_20250305`. */
const century = Buffer.from('_20');
const { indexOf } = Buffer.prototype;

/** A tool that runs at the vendor puts what it finds into the prompt. A text that ends like its name counts, too. */
function hasVendorTool(body: Uint8Array, { start, end }: Span): boolean {
  for (let at = indexOf.call(body, century, start); at >= 0 && at < end; at = indexOf.call(body, century, at + 1))
    if (isDateEnd(body, at + century.length)) return true;
  return false;
}

/** Six more digits, and the end of the string. */
function isDateEnd(body: Uint8Array, from: number): boolean {
  for (let i = from; i < from + 6; i++) if (!isDigit(body[i])) return false;
  return body[from + 6] === 0x22;
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;
