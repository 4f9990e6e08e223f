// Gemini's stream as one JSON array, as clients get it that do not ask for `alt=sse`: from an upstream of Gemini's and
// from one of another protocol, whole and broken off.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { defineGateway, named, simulatorAddress } from '../../src/plugin/index.ts';
import { simulator, tokenPrice, weighted } from '../../plugins/index.ts';
import type { JsonValue } from '../../src/plugin/index.ts';
import { listOf, objectOf, parsedJson, stringOf } from '../../src/protocols/json-fields.ts';
import { eventsIn } from '../protocols/translation-kit.ts';
import { field, simulatorModel, startTestGateway, type TestGateway } from '../support/gateway.ts';

const upstreams = ['gemini-generate', 'openai-chat'] as const;
const text = 'Hello there, 你好 🦊';

const config = defineGateway({
  providers: upstreams.map((protocol) => named(protocol, simulator({ protocols: [protocol] }))),
  routing: [weighted()],
  billing: [tokenPrice()],
  policies: [],
  upstreams: upstreams.map((name) => ({ name, provider: name, baseUrl: simulatorAddress, addresses: 'any' as const })),
  models: upstreams.flatMap((upstream) => [
    simulatorModel(`to-${upstream}`, { offers: [{ upstream, model: 'sim/echo' }] }),
    simulatorModel(`cut-${upstream}`, { offers: [{ upstream, model: 'sim/u06' }] }),
  ]),
});

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({ config });
});
afterAll(() => gateway.stop());

async function asked(model: string, query = ''): Promise<{ response: Response; body: string }> {
  const response = await fetch(`${gateway.url}/v1beta/models/${model}:streamGenerateContent${query}`, {
    method: 'POST',
    headers: { 'x-goog-api-key': gateway.apiKey, 'content-type': 'application/json' },
    body: JSON.stringify({ contents: [{ role: 'user', parts: [{ text }] }] }),
  });
  return { response, body: await response.text() };
}

const candidateOf = (reply: JsonValue | undefined) => objectOf(listOf(objectOf(reply)['candidates'])[0]);
const said = (replies: readonly JsonValue[]): string =>
  replies
    .flatMap((reply) => listOf(objectOf(candidateOf(reply)['content'])['parts']))
    .map((part) => stringOf(objectOf(part)['text']) ?? '')
    .join('');

describe.each([...upstreams])('an array of replies from %s', (upstream) => {
  test('is JSON, says what the event stream says, and ends with reason and usage', async () => {
    const { response, body } = await asked(`to-${upstream}`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^application\/json(?:; charset=UTF-8)?$/);
    const replies = listOf(parsedJson(body));
    expect(said(replies)).toContain(text);
    expect(candidateOf(replies.at(-1))['finishReason']).toBe('STOP');
    expect(Number(field(replies.at(-1), 'usageMetadata', 'promptTokenCount'))).toBeGreaterThan(0);
    const events = await asked(`to-${upstream}`, '?alt=sse');
    expect(events.response.headers.get('content-type')).toStartWith('text/event-stream');
    const payloads = eventsIn(events.body).map(({ data }) => parsedJson(data) ?? null);
    expect(said(payloads)).toBe(said(replies));
  });

  test('is JSON, too, where the upstream broke off, and says so', async () => {
    const { response, body } = await asked(`cut-${upstream}`);
    expect(response.status).toBe(200);
    const replies = listOf(parsedJson(body));
    expect(field(replies.at(-1), 'error')).toMatchObject({ code: 502, status: 'UNAVAILABLE' });
    expect(body).not.toContain('finishReason');
  });
});
