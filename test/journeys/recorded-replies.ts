// The recorded replies that this gateway's protocols speak, and a config that offers each as a model of its own. Read
// from the folder, so that new files count without new code.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Operation } from '../../src/plugin/index.ts';
import { field, recordingsFolder } from '../support/gateway.ts';

export interface RecordedReply {
  readonly id: string;
  readonly provider: string;
  readonly operation: Operation;
  readonly stream: boolean;
  readonly status: number;
  readonly request: Readonly<Record<string, unknown>>;
  readonly response: Buffer;
  /** The reply's own usage block; undefined if it has none. */
  readonly usage: unknown;
  /** By the folder's one rule; undefined where it gives none. */
  readonly expected: unknown;
  /** The stream ends with `data: [DONE]`. */
  readonly endsInDone: boolean;
}

const operations: Readonly<Record<string, Operation>> = {
  'openai-chat': 'chat',
  'openai-completions': 'completions',
  'openai-embeddings': 'embeddings',
};
export const paths: Readonly<Record<Operation, string>> = {
  chat: '/chat/completions',
  completions: '/completions',
  embeddings: '/embeddings',
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function readJson(path: string): Record<string, unknown> {
  const parsed: unknown = JSON.parse(readFileSync(join(recordingsFolder, path), 'utf8'));
  return isRecord(parsed) ? parsed : {};
}

/** Where no request was recorded, one that would have got such a reply. */
const madeUp = (operation: Operation, stream: boolean): Record<string, unknown> => {
  switch (operation) {
    case 'chat':
      return { messages: [{ role: 'user', content: 'Hello' }], ...(stream ? { stream } : {}) };
    case 'completions':
      return { prompt: 'Hello', ...(stream ? { stream } : {}) };
    case 'embeddings':
      return { input: 'Hello' };
  }
};

/** The last usage block of a stream, or that of a whole reply. */
function usageIn(response: Buffer, stream: boolean): unknown {
  if (!stream) return field(JSON.parse(response.toString()), 'usage') ?? undefined;
  let usage: unknown;
  for (const line of response.toString().split(/\r\n|\n|\r/)) {
    if (!line.startsWith('data: {')) continue;
    const parsed: unknown = JSON.parse(line.slice('data: '.length));
    usage = field(parsed, 'usage') ?? field(parsed, 'x_groq', 'usage') ?? usage;
  }
  return usage;
}

export function recordedReplies(): readonly RecordedReply[] {
  const replies: RecordedReply[] = [];
  for (const line of readFileSync(join(recordingsFolder, 'index.jsonl'), 'utf8').split('\n')) {
    if (line === '') continue;
    const entry: unknown = JSON.parse(line);
    const operation = operations[String(field(entry, 'format'))];
    if (operation === undefined) continue;
    const stream = field(entry, 'stream') === true;
    const response = readFileSync(join(recordingsFolder, String(field(entry, 'response'))));
    const request = field(entry, 'request');
    const status = Number(field(entry, 'status'));
    replies.push({
      id: String(field(entry, 'id')),
      provider: String(field(entry, 'provider')),
      operation,
      stream,
      status,
      response,
      request: typeof request === 'string' ? readJson(request) : madeUp(operation, stream),
      usage: status === 200 ? usageIn(response, stream) : undefined,
      expected: field(entry, 'usage_expected') ?? undefined,
      endsInDone: response.includes('data: [DONE]'),
    });
  }
  return replies;
}

/** Micro-units per million; each part has another price, so that none can stand for another. */
export const rates = { input: 123_457n, cacheRead: 12_347n, output: 765_433n, reasoning: 987_653n };

/** The config as a file that an operator could have written: the executable loads it, and so does this process. */
export function configText(replies: readonly RecordedReply[]): string {
  const price = `{ currency: 'USD', rates: { ${Object.entries(rates)
    .map(([part, rate]) => `${part}: ${rate}n`)
    .join(', ')} } }`;
  const models = replies.map(({ id, operation, stream, endsInDone }) => {
    const upstream = stream && !endsInDone ? 'ends-with-finish-reason' : 'ends-with-done';
    return `    { name: 'replay-${id}', operations: ['${operation}'], contextTokens: 1_000_000, outputTokensMax: 131_072,
      price, offers: [{ upstream: '${upstream}', model: 'sim/replay/${id}' }] },`;
  });
  return `import { defineGateway, named, simulatorAddress } from 'tollgate/plugin';
import { openAiCompatible, tokenPrice, weighted } from 'tollgate/plugins';

const price = ${price};

export default defineGateway({
  providers: [
    named('with-done', openAiCompatible({ needsCredential: false })),
    named('without-done', openAiCompatible({ needsCredential: false, end: 'finish-reason' })),
  ],
  routing: [weighted()],
  billing: [tokenPrice()],
  policies: [],
  upstreams: [
    { name: 'ends-with-done', provider: 'with-done', baseUrl: simulatorAddress, addresses: 'any' },
    { name: 'ends-with-finish-reason', provider: 'without-done', baseUrl: simulatorAddress, addresses: 'any' },
  ],
  models: [
${models.join('\n')}
  ],
});
`;
}
