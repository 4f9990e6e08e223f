// OpenAI-compatible against recorded replies: what is read out of each must be what the recording says it used.

import { describe, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Operation, Provider } from 'tollgate/plugin';
import { openAiCompatible } from '../../../plugins/providers/openai-compatible.ts';

function create(entry = openAiCompatible()): Provider {
  return entry.create(entry.options);
}

interface Recording {
  readonly id: string;
  readonly format: string;
  readonly provider: string;
  readonly status: number;
  readonly stream: boolean;
  readonly response: string;
  readonly usage?: unknown;
  readonly usage_expected?: {
    input_total: number;
    output_total: number;
    cached_read: number;
    reasoning: number;
  } | null;
}

const protocols = {
  chat: 'openai-chat',
  completions: 'openai-completions',
  embeddings: 'openai-embeddings',
} as const;
const folder = process.env.TOLLGATE_RECORDINGS ?? join(import.meta.dir, '../../../../shared/recordings');
const formats: Readonly<Record<string, Operation>> = {
  'openai-chat': 'chat',
  'openai-completions': 'completions',
  'openai-embeddings': 'embeddings',
};

function readIndex(): readonly Recording[] {
  const lines = readFileSync(join(folder, 'index.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Recording).filter(({ format }) => formats[format] !== undefined);
}

/** The last usage block in a reply of ours to read: the object's own, or the last event's that has one. */
function statedUsage(recording: Recording, body: string): unknown {
  const documents = recording.stream
    ? body
        .split('\n')
        .filter((line) => line.startsWith('data: {'))
        .map((line) => line.slice(6))
    : [body];
  return documents
    .map((text) => (JSON.parse(text) as { usage?: unknown }).usage)
    .findLast((usage) => usage !== undefined && usage !== null);
}

describe.skipIf(!existsSync(folder))(`openai-compatible and the recordings (skipped without ${folder})`, () => {
  const recordings = existsSync(folder) ? readIndex() : [];
  const openAi = recordings.filter(({ provider }) => provider === 'openai');

  test.each(openAi.map((recording) => [recording.id, recording] as const))('OpenAI %s', (_id, recording) => {
    const provider = create();
    const operation = formats[recording.format] ?? 'chat';
    const body = readFileSync(join(folder, recording.response), 'utf8');
    if (recording.status !== 200) {
      const expected = recording.status === 401 ? 'credential' : recording.status === 404 ? 'model' : 'request';
      expect(provider.classify({ status: recording.status, headers: new Map(), body })).toBe(expected);
      return;
    }
    const stated = statedUsage(recording, body) as { prompt_tokens: number; completion_tokens?: number };
    const reading = provider.usage(stated, operation, protocols[operation]);
    const { input = 0, cacheRead = 0, output = 0, reasoning = 0 } = reading?.parts ?? {};
    const expected = recording.usage_expected;
    expect(reading?.flags).toEqual([]);
    expect(input + cacheRead).toBe(expected?.input_total ?? stated.prompt_tokens);
    expect(output + reasoning).toBe(expected?.output_total ?? stated.completion_tokens ?? 0);
    if (expected) expect([cacheRead, reasoning]).toEqual([expected.cached_read, expected.reasoning]);
  });

  test('the recordings of OpenAI are not empty', () => expect(openAi.length).toBeGreaterThanOrEqual(10));
});
