// A chat request for a vendor who has the role `developer` or the newer limit under an older name, or takes ids of
// calls in an alphabet of its own: the words are changed in their places, and nothing else is touched.

import { decode, fieldSet, scanBody, scanObject } from '../../core/json-scan.ts';
import type { Dialect } from '../../plugin/codec.ts';
import type { BodyAdaptation, BodyEdit, Span } from '../../plugin/protocol.ts';
import { elementsOf } from '../json-elements.ts';
import { mappedCallId } from '../translation/call-ids.ts';

const bodyFields = fieldSet('messages', 'max_tokens', 'max_completion_tokens');
const messageFields = fieldSet('role');
const messageCalls = fieldSet('tool_calls', 'tool_call_id');
const callFields = fieldSet('id');
const callKeys = ['"tool_calls"', '"tool_call_id"'].map((key) => Buffer.from(key));
const developer = Buffer.from('"developer"');
const systemRole = '"system"';
const systemBytes = Buffer.from(systemRole);
const newerKey = Buffer.from('"max_completion_tokens"');

export function adaptChat(body: Uint8Array, dialect: Partial<Dialect>): BodyAdaptation | undefined {
  const older = dialect.tokenLimit === 'max_tokens' && includes(body, newerKey);
  const system = dialect.developerRole === false && includes(body, developer);
  const ids = dialect.toolIds === 'nine-alphanumeric' && callKeys.some((key) => includes(body, key));
  if (!older && !system && !ids) return undefined;
  const { spans } = scanBody(body, bodyFields);
  const messages = spans.get('messages');
  const newer = spans.get('max_completion_tokens');
  const edits: BodyEdit[] = [];
  /** Both authorities speak, and become one. */
  let merged = false;
  if (system && messages !== undefined) {
    for (const message of elementsOf(body, messages)) {
      if (body[message.start] !== 0x7b) continue;
      const role = scanObject(body, message, messageFields, 'messages').spans.get('role');
      if (role === undefined) continue;
      if (holds(body, role, developer)) edits.push({ span: role, text: systemRole });
      else if (holds(body, role, systemBytes)) merged = true;
    }
    merged &&= edits.length > 0;
  }
  if (ids && messages !== undefined) edits.push(...callIdEdits(body, messages));
  const key = older && newer !== undefined ? keyBefore(body, newer) : undefined;
  if (key !== undefined && newer !== undefined) {
    if (spans.get('max_tokens') === undefined) edits.push({ span: key, text: '"max_tokens"' });
    else edits.push({ span: memberAround(body, key, newer), text: '' });
  }
  return edits.length === 0 ? undefined : { edits, losses: merged ? ['developer-role'] : [] };
}

/**
 * Calls of a conversation that another vendor began, and their results, by ids that this one takes. The two stay
 * together, since the same id always becomes the same.
 */
function callIdEdits(body: Uint8Array, messages: Span): readonly BodyEdit[] {
  const edits: BodyEdit[] = [];
  const map = (span: Span | undefined): void => {
    if (span === undefined || body[span.start] !== 0x22) return;
    const id = decode(body, span.start + 1, span.end - 1);
    const mapped = id === undefined ? undefined : mappedCallId(id, 'nine-alphanumeric');
    if (mapped !== undefined && mapped !== id) edits.push({ span, text: JSON.stringify(mapped) });
  };
  for (const message of elementsOf(body, messages)) {
    if (body[message.start] !== 0x7b) continue;
    const { spans } = scanObject(body, message, messageCalls, 'messages');
    map(spans.get('tool_call_id'));
    const calls = spans.get('tool_calls');
    for (const call of calls === undefined ? [] : elementsOf(body, calls))
      if (body[call.start] === 0x7b) map(scanObject(body, call, callFields, 'messages').spans.get('id'));
  }
  return edits;
}

const includes = (body: Uint8Array, text: Buffer): boolean =>
  Buffer.from(body.buffer, body.byteOffset, body.byteLength).includes(text);

function holds(body: Uint8Array, span: Span, text: Buffer): boolean {
  if (span.end - span.start !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (body[span.start + i] !== text[i]) return false;
  return true;
}

/** The key of a value, where it is written without escapes. */
function keyBefore(body: Uint8Array, value: Span): Span | undefined {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const start = bytes.lastIndexOf(newerKey, value.start);
  if (start < 0) return undefined;
  const between = bytes.toString('latin1', start + newerKey.length, value.start);
  return /^\s*:\s*$/.test(between) ? { start, end: start + newerKey.length } : undefined;
}

/** A member with the comma behind it, or else the one before it. */
function memberAround(body: Uint8Array, key: Span, value: Span): Span {
  let end = value.end;
  while (isBlank(body[end])) end++;
  if (body[end] === 0x2c) return { start: key.start, end: end + 1 };
  let { start } = key;
  while (isBlank(body[start - 1])) start--;
  return { start: body[start - 1] === 0x2c ? start - 1 : key.start, end: value.end };
}

const isBlank = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
