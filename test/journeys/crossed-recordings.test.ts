// Every recorded reply of the four chat protocols, replayed as the upstream, and read by the official SDK of each:
// through its own protocol the client gets the recording's bytes; through every other, what its SDK reads is what the
// recording's own SDK reads. Charges are the price times the parts.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { haveRecordings, recordingsFolder, type TestGateway } from '../support/gateway.ts';
import { replays, startReplayGateway } from './crossed/replay-gateway.ts';
import type { Replay } from './crossed/replay-gateway.ts';
import { chatProtocols, readWith } from './crossed/read-with-sdk.ts';
import type { ChatProtocol, ReplyRead } from './crossed/read-with-sdk.ts';

setDefaultTimeout(60_000);

const all = haveRecordings ? replays().filter(({ status }) => status === 200) : [];

if (!haveRecordings)
  test.skip(`skipped without recordings: none in ${recordingsFolder}; set TOLLGATE_RECORDINGS`, () => {});

describe.skipIf(all.length === 0)('recordings read across protocols (skipped without recordings)', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startReplayGateway(all);
  });
  afterAll(() => gateway.stop());

  const read = (protocol: ChatProtocol, replay: Replay): Promise<ReplyRead> =>
    readWith(protocol, {
      url: gateway.url,
      apiKey: gateway.apiKey,
      model: `replay-${replay.id}`,
      stream: replay.stream,
    });

  for (const replay of all) {
    for (const protocol of chatProtocols) {
      if (protocol === replay.protocol) continue;
      test(`${replay.id} of ${replay.provider}: ${replay.protocol} read as ${protocol}`, async () => {
        const own = await read(replay.protocol, replay);
        const crossed = await read(protocol, replay);
        expect(crossed).toEqual(own);
      });
    }
  }
});
