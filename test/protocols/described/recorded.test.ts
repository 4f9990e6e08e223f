// Every recorded reply of the four chat protocols, written for clients of the others: each body and each event is one
// of their SDK's types, and for OpenAI's also of its description.

import { describe, expect, test } from 'bun:test';
import type { JsonValue } from '../../../src/plugin/conversation.ts';
import type { UsageParts } from '../../../src/plugin/usage.ts';
import { protocolOf } from '../../../src/protocols/protocols.ts';
import { translateReply } from '../../../src/protocols/translation/translate.ts';
import { chatProtocols } from '../../journeys/crossed/read-with-sdk.ts';
import { replays } from '../../journeys/crossed/replay-gateway.ts';
import type { Replay } from '../../journeys/crossed/replay-gateway.ts';
import { haveRecordings } from '../../support/gateway.ts';
import { testContext, translated } from '../translation-kit.ts';
import { wrongInReply, wrongInStream } from './emitted.ts';
import type { ChatProtocol } from './emitted.ts';

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

function wrongWith({ protocol, stream, response }: Replay, client: ChatProtocol, usageOf: (typeof usages)[number]) {
  const [from, to] = [codecOf(protocol), codecOf(client)];
  const context = testContext(usageOf);
  if (stream) return wrongInStream(client, translated(from, to, [response], context).body);
  return wrongInReply(client, translateReply(from, to, response, context)?.body ?? '');
}

const isArray = ({ response }: Replay): boolean => response.toString().trimStart().startsWith('[');
const all = haveRecordings ? replays().filter((replay) => replay.status === 200 && !isArray(replay)) : [];
const cases = all.flatMap((replay) =>
  chatProtocols.filter((client) => client !== replay.protocol).map((client) => [replay.id, client, replay] as const),
);

describe.skipIf(!haveRecordings)('recorded replies (skipped without recordings)', () => {
  test('there are some', () => expect(cases.length).toBeGreaterThan(100));

  test.each(cases)('%s as %s is what its SDK says', (_id, client, replay) => {
    for (const usageOf of usages) expect(wrongWith(replay, client, usageOf)).toBe('');
  });
});
