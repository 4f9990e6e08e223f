// Requests that real clients sent: those of the recordings and of the recorded clients, by protocol.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonValue } from '../../src/plugin/conversation.ts';
import type { RequestLine } from '../../src/plugin/protocol.ts';
import { isObject, parsedJson } from '../../src/protocols/json-fields.ts';
import { field, recordingsFolder } from '../support/gateway.ts';

export interface RecordedRequest {
  readonly name: string;
  readonly protocol: 'openai-chat' | 'openai-responses' | 'anthropic-messages' | 'gemini-generate';
  readonly body: JsonValue;
  readonly line: RequestLine;
}

const plain: RequestLine = { model: undefined, stream: undefined, framing: 'sse' };
const verb = /\/models\/([^/]+):(generateContent|streamGenerateContent)/;

function requestOf(name: string, path: string, body: JsonValue | undefined): readonly RecordedRequest[] {
  if (!isObject(body)) return [];
  const [, model, asked] = verb.exec(path) ?? [];
  if (model !== undefined) {
    const line = {
      model: decodeURIComponent(model),
      stream: asked === 'streamGenerateContent',
      framing: 'sse',
    } as const;
    return [{ name, protocol: 'gemini-generate', body, line }];
  }
  if (/\/chat\/completions/.test(path)) return [{ name, protocol: 'openai-chat', body, line: plain }];
  if (/\/responses(?:\?|$)/.test(path)) return [{ name, protocol: 'openai-responses', body, line: plain }];
  if (/\/messages(?:\?|$)/.test(path)) return [{ name, protocol: 'anthropic-messages', body, line: plain }];
  return [];
}

function linesOf(file: string): readonly unknown[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line): unknown => JSON.parse(line));
}

/** Only requests that their vendor took. */
export function recordedRequests(): readonly RecordedRequest[] {
  const recorded = linesOf(join(recordingsFolder, 'index.jsonl')).flatMap((entry) => {
    const request = field(entry, 'request');
    if (typeof request !== 'string' || field(entry, 'status') !== 200) return [];
    const format = String(field(entry, 'format'));
    const body = parsedJson(readFileSync(join(recordingsFolder, request), 'utf8'));
    const path = String(field(entry, 'path'));
    return requestOf(String(field(entry, 'id')), format === 'openai-chat' ? '/chat/completions' : path, body);
  });
  const folder = join(recordingsFolder, '../client-requests');
  if (!existsSync(folder)) return recorded;
  const sent = readdirSync(folder).flatMap((file) =>
    linesOf(join(folder, file)).flatMap((entry, index) => {
      const body = field(entry, 'body');
      const parsed = typeof body === 'string' ? parsedJson(body) : parsedJson(JSON.stringify(body ?? null));
      const path = String(field(entry, 'path') ?? field(entry, 'url') ?? '');
      return requestOf(`${file}:${index + 1}`, path, parsed);
    }),
  );
  return [...recorded, ...sent];
}
