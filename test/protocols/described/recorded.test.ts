// Every recorded reply of the four chat protocols, written for clients of the others: each body and each event is one
// of their SDK's types, and for OpenAI's also of its description.

import { describe, expect, setDefaultTimeout, test } from 'bun:test';
import type { JsonValue } from '../../../src/plugin/conversation.ts';
import type { UsageParts } from '../../../src/plugin/usage.ts';
import { protocolOf } from '../../../src/protocols/protocols.ts';
import { translateRefusal, translateReply } from '../../../src/protocols/translation/translate.ts';
import { TranslatedTap } from '../../../src/protocols/translation/translated-tap.ts';
import { chatProtocols } from '../../journeys/crossed/read-with-sdk.ts';
import { replays } from '../../journeys/crossed/replay-gateway.ts';
import type { Replay } from '../../journeys/crossed/replay-gateway.ts';
import { haveRecordings } from '../../support/gateway.ts';
import { testContext, translated } from '../translation-kit.ts';
import { wrongInError, wrongInReply, wrongInStream } from './emitted.ts';
import type { ChatProtocol } from './emitted.ts';

// The first check of each type makes its schema.
setDefaultTimeout(60_000);

const everyPart: UsageParts = {
  input: 11,
  cacheRead: 2,
  cacheWrite5m: 3,
  cacheWrite1h: 4,
  audioInput: 5,
  imageInput: 6,
  output: 7,
  reasoning: 8,
  audioOutput: 9,
  imageOutput: 10,
  toolCalls: 1,
};
const usages: readonly ((raw: JsonValue) => UsageParts | undefined)[] = [() => everyPart, () => ({}), () => undefined];

const codecOf = (protocol: ChatProtocol) => {
  const { codec } = protocolOf(protocol);
  if (codec === undefined) throw new Error(`${protocol} has no codec`);
  return codec;
};

type Usage = (typeof usages)[number];

function wrongWith({ protocol, stream, response }: Replay, client: ChatProtocol, usageOf: Usage): string {
  const [from, to] = [codecOf(protocol), codecOf(client)];
  const context = testContext(usageOf);
  if (stream) return wrongInStream(client, translated(from, to, [response], context).body);
  return wrongInReply(client, translateReply(from, to, response, context)?.body ?? '');
}

/** A stream that broke off in its middle, ended by us both ways. */
function wrongCut({ protocol, response }: Replay, client: ChatProtocol): string {
  const cut = () => {
    const context = testContext(() => everyPart);
    const tap = new TranslatedTap(codecOf(protocol), codecOf(client), context, { hideUsage: false, end: 'done' });
    return { tap, sent: tap.push(response.subarray(0, response.length / 2)) ?? new Uint8Array() };
  };
  const [failed, short] = [cut(), cut()];
  const error = failed.tap.errorEvent('upstream_failed', { message: 'It broke off.' }, 'req_1');
  return (
    wrongInStream(client, Buffer.concat([failed.sent, error]).toString()) ||
    wrongInStream(client, Buffer.concat([short.sent, short.tap.shortEnd()]).toString())
  );
}

const isArray = ({ response }: Replay): boolean => response.toString().trimStart().startsWith('[');
const all = haveRecordings ? replays() : [];
const crossed = (some: readonly Replay[]) =>
  some.flatMap((replay) =>
    chatProtocols.filter((client) => client !== replay.protocol).map((client) => [replay.id, client, replay] as const),
  );
const cases = crossed(all.filter((replay) => replay.status === 200 && !isArray(replay)));
const refusals = crossed(all.filter((replay) => replay.status !== 200));

describe.skipIf(!haveRecordings)('recorded replies (skipped without recordings)', () => {
  test('there are some', () => expect(cases.length).toBeGreaterThan(100));

  test.each(cases)('%s as %s is what its SDK says', (_id, client, replay) => {
    for (const usageOf of usages) expect(wrongWith(replay, client, usageOf)).toBe('');
    if (replay.stream) expect(wrongCut(replay, client)).toBe('');
  });

  test.each(refusals)('the refusal %s as %s is what its SDK says', (_id, client, { protocol, status, response }) => {
    const body = translateRefusal(codecOf(protocol), codecOf(client), response, status, 'req_1');
    if (body !== undefined) expect(wrongInError(client, body)).toBe('');
  });
});
