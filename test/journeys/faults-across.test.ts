// Every upstream fault of the simulator's list, in the other protocols: each client on an upstream of its own, and on
// one of another. However an upstream fails: an answer in the client's form, no end that is faked, one settlement.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { chargeTable, outcomes } from '../../src/domain/ledger/charge-table.ts';
import { faultModelNames } from '../../src/simulator/faults/index.ts';
import { wrongInError, wrongInReply, wrongInStream } from '../protocols/described/emitted.ts';
import { field } from '../support/gateway.ts';
import type { ChatProtocol } from './crossed/read-with-sdk.ts';
import {
  addressFaultNames,
  alone,
  heardOf,
  nanoOf,
  startFaultStage,
  contextTokens,
  outputTokensMax,
  prompt,
  quickDeadlines,
  upstreamOf,
} from './fault-stage.ts';
import type { FaultStage, Heard } from './fault-stage.ts';
import { endless, endlessDeadlines } from './fault-table.ts';

setDefaultTimeout(120_000);

const pairs: readonly (readonly [client: ChatProtocol, upstream: ChatProtocol])[] = [
  ['openai-responses', 'openai-responses'],
  ['anthropic-messages', 'anthropic-messages'],
  ['gemini-generate', 'gemini-generate'],
  ['openai-chat', 'anthropic-messages'],
  ['openai-responses', 'gemini-generate'],
  ['anthropic-messages', 'openai-responses'],
  ['gemini-generate', 'openai-chat'],
];

const faults = [...faultModelNames, ...addressFaultNames];

interface ClientForm {
  request(model: string, stream: boolean): { readonly path: string; readonly body: object };
  /** How a stream says that it is whole. */
  readonly terminal: RegExp;
}

const messages = [{ role: 'user', content: prompt }];
const forms: Readonly<Record<ChatProtocol, ClientForm>> = {
  'openai-chat': {
    request: (model, stream) => ({ path: '/v1/chat/completions', body: { model, messages, stream } }),
    terminal: /^data: ?\[DONE\]/m,
  },
  'openai-responses': {
    request: (model, stream) => ({ path: '/v1/responses', body: { model, input: prompt, stream } }),
    terminal: /"type": ?"response\.(?:completed|incomplete)"/,
  },
  'anthropic-messages': {
    request: (model, stream) => ({ path: '/v1/messages', body: { model, messages, stream, max_tokens: 500 } }),
    terminal: /"type": ?"message_stop"/,
  },
  'gemini-generate': {
    request: (model, stream) => ({
      path: `/v1beta/models/${model}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
      body: { contents: [{ role: 'user', parts: [{ text: prompt }] }] },
    }),
    terminal: /"finishReason"/,
  },
};

async function ask({ gateway }: FaultStage, client: ChatProtocol, fault: string, stream: boolean): Promise<Heard> {
  const { path, body } = forms[client].request(alone(fault), stream);
  const answer = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return heardOf(gateway, answer);
}

function chargedByTable({ record }: Heard): void {
  const outcome = outcomes.find((name) => name === record['outcome']);
  if (outcome === undefined) throw new Error(`outcome ${String(record['outcome'])}`);
  const charge = BigInt(String(record['chargeNano']));
  const row = chargeTable[outcome];
  if ((record['usageSource'] === 'upstream' ? row.withUsage : row.withoutUsage) === 'none') expect(charge).toBe(0n);
  expect(charge).toBeLessThanOrEqual(nanoOf(contextTokens, outputTokensMax));
  expect(record['lossNano']).toBe('0');
}

function answeredInForm(stage: FaultStage, client: ChatProtocol, { status, headers, text, cut }: Heard): void {
  expect([status === 200 || status >= 500, cut]).toEqual([true, false]);
  expect(headers.get('location')).toBeNull();
  for (const secret of [`:${stage.failing.port}`, '127.0.0.1', '169.254.169.254', '.invalid', '<html'])
    expect(text).not.toContain(secret);
  if (status !== 200) expect(wrongInError(client, text)).toBe('');
}

/** What we wrote ourselves is as the client's SDK types it. */
function writtenInForm(client: ChatProtocol, stream: boolean, { status, text }: Heard): void {
  if (status === 200) expect((stream ? wrongInStream : wrongInReply)(client, text)).toBe('');
}

/** A stream that was not seen to its end ends in an error, and not as if it were whole. */
function endedHonestly(client: ChatProtocol, translated: boolean, { text, record }: Heard): void {
  const whole = forms[client].terminal.test(text);
  if (record['outcome'] === 'finished' || record['outcome'] === 'empty') {
    expect(whole).toBe(true);
    return;
  }
  expect(text).toMatch(/"error"|event: error/);
  // What the upstream itself sent behind its error goes on where both speak one protocol.
  if (translated) expect(whole).toBe(false);
}

for (const [client, upstream] of pairs) {
  describe(`${client} on ${upstream}`, () => {
    let stage: FaultStage;
    /** With a short deadline for all of a call: those that never end by themselves wait for it. */
    let endlessStage: FaultStage;
    const stageOf = (fault: string): FaultStage => (endless.test(fault) ? endlessStage : stage);
    const heard = new Map<string, Heard>();
    beforeAll(async () => {
      stage = await startFaultStage(quickDeadlines, upstream);
      endlessStage = await startFaultStage(endlessDeadlines, upstream);
      const cases = faults.flatMap((fault) => [true, false].map((stream) => ({ fault, stream })));
      const slow = /u03|u04|u13|u14|u26|u28/;
      const listen = async ({ fault, stream }: (typeof cases)[number]) =>
        void heard.set(`${fault} ${stream}`, await ask(stageOf(fault), client, fault, stream));
      const quick = cases.filter(({ fault }) => !slow.test(fault));
      const worker = async () => {
        for (let next = quick.shift(); next !== undefined; next = quick.shift()) await listen(next);
      };
      await Promise.all([...cases.filter(({ fault }) => slow.test(fault)).map(listen), worker(), worker()]);
    });
    afterAll(() => Promise.all([stage.stop(), endlessStage.stop()]));

    for (const fault of faults) {
      for (const stream of [true, false]) {
        test(`${fault}, ${stream ? 'streamed' : 'whole'}`, () => {
          const answer = heard.get(`${fault} ${stream}`);
          if (answer === undefined) throw new Error('it was not asked');
          answeredInForm(stageOf(fault), client, answer);
          chargedByTable(answer);
          if (client !== upstream) writtenInForm(client, stream, answer);
          if (stream && answer.status === 200) endedHonestly(client, client !== upstream, answer);
        });
      }
    }

    test('every call left one record, and no hold is open', async () => {
      const { body } = await stage.gateway.admin('GET', '/holds?limit=10').catch(() => ({ body: {} }));
      expect(field(body, 'items') ?? []).toEqual([]);
      expect(stage.gateway.serving.gateway.ledger.available).toBe(true);
    });

    test('an upstream whose streams break off is marked', async () => {
      const { body } = await stage.gateway.admin('GET', `/upstreams/${upstreamOf('sim/u05')}`);
      expect(JSON.stringify(body)).not.toContain('"failures":0');
    });
  });
}
