// Case C8 of the attack catalogue: an upstream that cannot be reached, for whichever reason, looks the same to
// a client, so that the gateway is no scanner of the network that it stands in.

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createHttp1Transport } from '../../src/pipeline/transport/http1-transport.ts';
import { brokenTlsBaseUrl, refusedBaseUrl } from '../../src/simulator/addresses.ts';
import { startSimulator, type Simulator } from '../../src/simulator/server.ts';
import { startUpstream, type FakeUpstream } from '../pipeline/transport/fake-upstream.ts';
import { simulatorModel } from '../support/gateway.ts';
import { startImpatientGateway, type ImpatientGateway } from './impatient-gateway.ts';
import { chatBody, reply, requestBytes } from './raw-http.ts';

describe('C8: what failed, and where', () => {
  let failing: ImpatientGateway;
  let simulator: Simulator;
  let plain: FakeUpstream;
  const addresses: Readonly<Record<string, readonly string[]>> = {
    'blocked.test': ['10.0.0.1'],
    'metadata.test': ['169.254.169.254'],
    'unknown.test': [],
  };
  beforeAll(async () => {
    simulator = startSimulator();
    plain = startUpstream({ onRequest: (socket) => void socket.end('nonsense\r\n\r\n') });
    const bases: Readonly<Record<string, readonly [baseUrl: string, addresses: 'any' | 'public']>> = {
      refused: [await refusedBaseUrl(), 'any'],
      blocked: ['http://blocked.test/v1', 'public'],
      metadata: ['http://metadata.test/v1', 'any'],
      dns: ['http://unknown.test/v1', 'public'],
      tls: [brokenTlsBaseUrl(simulator.port), 'any'],
      garbage: [`http://127.0.0.1:${plain.port}/v1`, 'any'],
    };
    const names = Object.keys(bases);
    failing = await startImpatientGateway({
      deadlines: { connectMs: 2_000 },
      transport: createHttp1Transport({
        async resolve(host) {
          const found = addresses[host];
          if (found === undefined || found.length === 0) throw new Error(`canary resolver failure for ${host}`);
          return found;
        },
      }),
      config: {
        upstreams: Object.entries(bases).map(([name, [baseUrl, rule]]) => ({
          name: `canary-${name}`,
          provider: 'simulator',
          baseUrl,
          addresses: rule,
        })),
        models: names.map((name) =>
          simulatorModel(`sim/${name}`, { offers: [{ upstream: `canary-${name}`, model: 'sim/fast' }] }),
        ),
      },
    });
  });
  afterAll(async () => {
    await failing.stop();
    simulator.close();
    plain.stop();
  });

  test('refused, blocked, unresolvable, without TLS, not HTTP: one answer for all', async () => {
    const answers: (readonly [number, string, string])[] = [];
    for (const name of ['refused', 'blocked', 'metadata', 'dns', 'tls', 'garbage']) {
      for (const stream of [false, true]) {
        const { status, headers, body } = await reply(
          failing.port,
          requestBytes(
            'POST /v1/chat/completions HTTP/1.1',
            ['host: 127.0.0.1', `authorization: Bearer ${failing.apiKey}`, 'content-type: application/json'],
            chatBody('x', { model: `sim/${name}`, stream }),
          ),
        );
        expect([name, status, body.includes('"upstream_failed"')]).toEqual([name, 502, true]);
        answers.push([status, [...headers.keys()].toSorted().join(), body]);
      }
    }
    expect(new Set(answers.map((answer) => answer.join('\n'))).size).toBe(1);
    for (const word of [
      'canary',
      '127.0.0.1',
      '10.0.0.1',
      '169.254',
      '.test',
      'ECONN',
      'refused',
      'resolve',
      'TLS',
      'certificate',
    ]) {
      expect(answers[0]?.[2].toLowerCase()).not.toContain(word.toLowerCase());
    }
    const records = await failing.usage();
    expect(records.every((record) => JSON.stringify(record).includes('"chargeNano":"0"'))).toBe(true);
  });
});
