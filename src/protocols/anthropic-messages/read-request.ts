// What the gateway must know of a request of Anthropic's messages, from its bytes.

import { fieldSet, isNull, readInteger, readBoolean, scanBody } from '../../core/json-scan.ts';
import type { RequestFacts, RequestLine } from '../../plugin/protocol.ts';
import { refersOutside, templateTokensMax } from '../input-bound.ts';
import { readModel, readTokenLimit } from '../openai-request.ts';

const fields = fieldSet(
  'model',
  'stream',
  'max_tokens',
  'messages',
  'system',
  'tools',
  'top_k',
  'container',
  'mcp_servers',
  'context_management',
);
/** A tool of the vendor's puts what it finds into the prompt. */
const serverTool = Buffer.from('"type"');

export function readRequest(body: Uint8Array, line: RequestLine): RequestFacts {
  const scanned = scanBody(body, fields);
  const { spans } = scanned;
  const named = readModel(body, scanned, line);
  const stream = readBoolean(body, spans.get('stream'), 'stream') === true;
  const outputLimit = readTokenLimit(body, spans, 'max_tokens', 1);
  readInteger(body, spans.get('top_k'), 'top_k', 0, 1_000_000);
  let outside = false;
  for (const field of ['messages', 'system'] as const) {
    const span = spans.get(field);
    outside ||= span !== undefined && refersOutside(body, span, '[');
  }
  for (const field of ['container', 'mcp_servers', 'context_management'] as const) {
    const span = spans.get(field);
    outside ||= span !== undefined && !isNull(body, span);
  }
  const tools = spans.get('tools');
  if (tools !== undefined) {
    const at = Buffer.from(body.buffer, body.byteOffset, body.byteLength).indexOf(serverTool, tools.start);
    outside ||= at > 0 && at < tools.end && hasServerTool(body, tools.start, tools.end);
  }
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

/** `web_search_20250305` and the like: their types end in a date. */
const dated = /"type"\s*:\s*"[a-z_]+_\d{8}"/;

function hasServerTool(body: Uint8Array, start: number, end: number): boolean {
  return dated.test(Buffer.from(body.buffer, body.byteOffset + start, end - start).toString('latin1'));
}
