// The recordings of Gemini's generateContent, and the bodies that real clients sent it.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsedJson } from '../../../src/protocols/json-fields.ts';
import type { JsonValue } from '../../../src/plugin/conversation.ts';
import { field, haveRecordings, recordingsFolder } from '../../support/gateway.ts';

export interface Recorded {
  readonly id: string;
  readonly stream: boolean;
  readonly status: number;
  readonly response: Buffer;
  readonly request: JsonValue | undefined;
  readonly requestBytes: Uint8Array | undefined;
  /** As the recording's last block states it. */
  readonly usage: unknown;
  readonly expected: unknown;
}

export const recorded: readonly Recorded[] = haveRecordings
  ? readFileSync(join(recordingsFolder, 'index.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .flatMap((line): Recorded[] => {
        const entry: unknown = JSON.parse(line);
        if (field(entry, 'format') !== 'gemini-generate') return [];
        const request = field(entry, 'request');
        const bytes = typeof request === 'string' ? readFileSync(join(recordingsFolder, request)) : undefined;
        return [
          {
            id: String(field(entry, 'id')),
            stream: field(entry, 'stream') === true,
            status: Number(field(entry, 'status')),
            response: readFileSync(join(recordingsFolder, String(field(entry, 'response')))),
            request: bytes === undefined ? undefined : parsedJson(bytes.toString()),
            requestBytes: bytes === undefined ? undefined : new Uint8Array(bytes),
            usage: field(entry, 'usage') ?? undefined,
            expected: field(entry, 'usage_expected') ?? undefined,
          },
        ];
      })
  : [];

const clientsFolder = join(recordingsFolder, '../client-requests');

/** Names of the client with the body, for each request to generateContent. */
export const clientBodies: readonly (readonly [name: string, body: JsonValue])[] = existsSync(clientsFolder)
  ? readdirSync(clientsFolder)
      .filter((name) => name.endsWith('.jsonl'))
      .flatMap((name) =>
        readFileSync(join(clientsFolder, name), 'utf8')
          .trim()
          .split('\n')
          .flatMap((line, index): (readonly [string, JsonValue])[] => {
            const entry = parsedJson(line);
            if (!/:(?:g|streamG)enerateContent$/.test(String(field(entry, 'path')))) return [];
            const body = parsedJson(JSON.stringify(field(entry, 'body') ?? null)) ?? null;
            return [[`${name}:${index + 1}`, body]];
          }),
      )
  : [];
