// A conversation that another vendor answered before goes on at Anthropic: what was shown to the client in its stead,
// thinking under an envelope or unsigned and citations of pages without an index, would be refused, and is taken out.
// All other bytes go on as they came.

import { textBetween } from '../../core/byte-text.ts';
import { fieldSet, scanBody, scanObject } from '../../core/json-scan.ts';
import type { JsonObject } from '../../plugin/conversation.ts';
import type { BodyAdaptation, Span } from '../../plugin/protocol.ts';
import { elementsOf } from '../json-elements.ts';
import { listOf, objectOf, parsedJson } from '../json-fields.ts';
import { markBase64, openSignature } from '../translation/signature-envelope.ts';

const bodyFields = fieldSet('messages');
const messageFields = fieldSet('role', 'content');
const signatureKey = Buffer.from('"signature"');
const indexKey = Buffer.from('"encrypted_index"');
const mark = Buffer.from(markBase64);
const { indexOf } = Buffer.prototype;

export function adaptMessages(body: Uint8Array): BodyAdaptation | undefined {
  // Nearly always it ends here: the bytes are searched, and nothing is parsed.
  if (!mayHold(body, signatureKey) && !mayHold(body, indexKey)) return undefined;
  const messages = scanBody(body, bodyFields).spans.get('messages');
  if (messages === undefined) return undefined;
  const kept: string[] = [];
  const losses = new Set<string>();
  for (const message of elementsOf(body, messages)) {
    const text = textBetween(body, message.start, message.end);
    const without = body[message.start] === 0x7b ? withoutForeign(body, message, losses) : undefined;
    if (without !== '') kept.push(without ?? text);
  }
  if (losses.size === 0) return undefined;
  return { edits: [{ span: messages, text: `[${kept.join(',')}]` }], losses: [...losses] };
}

/** Whether a member of that name, anywhere, is empty or begins an envelope. */
function mayHold(body: Uint8Array, key: Buffer): boolean {
  for (let at = indexOf.call(body, key, 0); at >= 0; at = indexOf.call(body, key, at + key.length)) {
    let value = at + key.length;
    while (isBetween(body[value])) value++;
    if (body[value] !== 0x22) continue;
    if (body[value + 1] === 0x22 || startsWith(body, value + 1, mark)) return true;
  }
  return false;
}

/** White space, or the colon. */
const isBetween = (byte: number | undefined): boolean =>
  byte === 0x3a || byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

function startsWith(body: Uint8Array, at: number, text: Buffer): boolean {
  for (let i = 0; i < text.length; i++) if (body[at + i] !== text[i]) return false;
  return true;
}

/** The message without such blocks; empty if it has no others; undefined if it has none of them. */
function withoutForeign(body: Uint8Array, message: Span, losses: Set<string>): string | undefined {
  const [role, content] = roleAndContent(body, message);
  if (role === undefined || content === undefined || textBetween(body, role.start, role.end) !== '"assistant"') {
    return undefined;
  }
  const blocks: string[] = [];
  let changed = false;
  for (const span of elementsOf(body, content)) {
    const text = textBetween(body, span.start, span.end);
    const block = objectOf(parsedJson(text));
    if (isForeign(block)) {
      changed = true;
      losses.add('thinking-history');
    } else {
      const cited = withoutPages(block);
      if (cited !== undefined) {
        changed = true;
        losses.add('citations');
      }
      blocks.push(cited ?? text);
    }
  }
  if (!changed) return undefined;
  if (blocks.length === 0) return '';
  const before = textBetween(body, message.start, content.start);
  return `${before}[${blocks.join(',')}]${textBetween(body, content.end, message.end)}`;
}

function roleAndContent(body: Uint8Array, message: Span): readonly (Span | undefined)[] {
  try {
    const { spans } = scanObject(body, message, messageFields, 'messages');
    return [spans.get('role'), spans.get('content')];
  } catch {
    // It has a key twice: what that means is for the upstream to say.
    return [];
  }
}

function isForeign({ type, signature }: JsonObject): boolean {
  if (type !== 'thinking') return false;
  return signature === '' || (typeof signature === 'string' && openSignature(signature) !== undefined);
}

/** A text without its citations of pages that another vendor found; undefined if it has none. */
function withoutPages(block: JsonObject): string | undefined {
  const given = listOf(block['citations']);
  const citations = given.filter((each) => objectOf(each)['encrypted_index'] !== '');
  if (block['type'] !== 'text' || citations.length === given.length) return undefined;
  return JSON.stringify({ ...block, citations: citations.length > 0 ? citations : undefined });
}
