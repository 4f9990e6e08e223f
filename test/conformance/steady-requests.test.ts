// Every recorded request of every protocol, written for an OpenAI-like upstream and sent to a server that checks it
// against OpenAI's own description.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { TollgateError } from '../../src/core/errors.ts';
import { carryUnmapped, LossList } from '../../src/protocols/translation/carriage.ts';
import { dialectOf } from '../../src/protocols/translation/dialects.ts';
import { protocolOf } from '../../src/protocols/protocols.ts';
import { field, haveRecordings, recordingsFolder } from '../support/gateway.ts';
import { recordedRequests } from './request-corpus.ts';
import type { RecordedRequest } from './request-corpus.ts';

setDefaultTimeout(30_000);

const description = join(recordingsFolder, '../descriptions/openai-openapi.json');
const have = haveRecordings && existsSync(description);
const requests = have ? recordedRequests() : [];
const targets = { 'openai-chat': '/chat/completions', 'openai-responses': '/responses' } as const;
type Target = keyof typeof targets;

/** What would be sent to a model of that upstream; undefined where the translation refuses the request. */
function written({ protocol, body, line }: RecordedRequest, target: Target): string | undefined {
  const client = protocolOf(protocol).codec;
  const upstream = protocolOf(target).codec;
  if (client === undefined || upstream === undefined) throw new Error('a chat protocol without a codec');
  const carriage = new LossList(target);
  try {
    const conversation = client.parseRequest(body, line);
    carryUnmapped(conversation, carriage);
    const dialect = dialectOf(target, undefined);
    const asked = { model: 'gpt-5.2', stream: false, dialect, outputTokensMax: 16_384, askUsage: false };
    return upstream.renderRequest({ ...conversation, stream: false }, asked, carriage);
  } catch (error) {
    if (error instanceof TollgateError && error.code === 'invalid_request') return undefined;
    throw error;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve, reject) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (typeof address === 'object' && address) resolve(address.port);
      else reject(new Error('no port was given'));
    });
  });
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

// The description is data that a checkout need not have.
describe.skipIf(!have)("requests against OpenAI's description (skipped without ../shared)", () => {
  let child: Bun.Subprocess;
  let origin = '';
  beforeAll(async () => {
    const port = await freePort();
    origin = `http://127.0.0.1:${port}`;
    const steady = join(import.meta.dir, '../../node_modules/@stdy/cli/steady.js');
    child = Bun.spawn(['node', steady, '--port', String(port), '--host', '127.0.0.1', '--quiet', description], {
      stdout: 'ignore',
      stderr: 'ignore',
    });
    const untilMs = performance.now() + 20_000;
    for (;;) {
      const up = await fetch(`${origin}/models`).then(
        () => true,
        () => false,
      );
      if (up) return;
      if (performance.now() > untilMs || child.exitCode !== null) throw new Error('the checking server did not start');
      await Bun.sleep(20);
    }
  });
  afterAll(() => child.kill());

  async function checked(target: Target, body: string): Promise<{ readonly valid: boolean; readonly text: string }> {
    const response = await fetch(`${origin}${targets[target]}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer sk-x' },
      body,
    });
    return { text: await response.text(), valid: response.headers.get('x-steady-request-valid') === 'true' };
  }

  /** It takes an input in which two messages have lists of parts for a wrong one: then each item is asked for alone. */
  async function eachItemValid(target: Target, body: string): Promise<boolean> {
    const parsed: unknown = JSON.parse(body);
    const input = field(parsed, 'input');
    if (!Array.isArray(input) || input.length < 2) return false;
    for (const item of input) {
      const alone = JSON.stringify({ ...Object(parsed), input: [item] });
      if (!(await checked(target, alone)).valid) return false;
    }
    return true;
  }

  for (const target of ['openai-chat', 'openai-responses'] as const) {
    test(`written for ${target} they are valid`, async () => {
      let sent = 0;
      const refused: string[] = [];
      const wrong: string[] = [];
      for (const request of requests) {
        // Where both speak it, the client's own bytes go on.
        if (request.protocol === target) continue;
        const body = written(request, target);
        if (body === undefined) {
          refused.push(request.name);
          continue;
        }
        sent += 1;
        const { valid, text } = await checked(target, body);
        if (valid || (await eachItemValid(target, body))) continue;
        wrong.push(`${request.name} (${request.protocol}): ${text.slice(0, 600)}`);
      }
      expect(wrong).toEqual([]);
      // Most of what clients send can be carried; what cannot is refused by name.
      expect(sent).toBeGreaterThan(refused.length * 2);
    });
  }
});
