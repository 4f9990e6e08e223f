// The server answers the calls of /v1 by a short way around the router. Both ways must be one handler: the same status,
// headers and body for good and bad requests alike.

import { afterAll, beforeAll, expect, test } from 'bun:test';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { fixedPaths } from '../../src/http/proxy/served-paths.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway();
});
afterAll(() => gateway.stop());

const messages = [{ role: 'user', content: 'Hello' }];
const cases: readonly (readonly [name: string, body: unknown, key: boolean])[] = [
  ['a good call', { model: 'sim/fast', messages, prompt: 'Hello', input: 'Hello' }, true],
  ['a stream', { model: 'sim/fast', messages, prompt: 'Hello', input: 'Hello', stream: true }, true],
  ['no model', { messages }, true],
  ['an unknown model', { model: 'nothing', messages, prompt: 'x', input: 'x' }, true],
  ['no key', { model: 'sim/fast', messages }, false],
];

const verbs = ['/v1/models/sim%2Ffast:generateContent', '/v1beta/models/sim/fast:streamGenerateContent'];
for (const path of [...fixedPaths.keys(), ...verbs, '/openai/deployments/sim%2Ffast/chat/completions']) {
  test.each([...cases])(`${path}: %s is answered alike on both ways`, async (_name, body, key) => {
    const { faces } = gateway.serving.gateway;
    const request = () => new Request(`${gateway.url}${path}`, {
      method: 'POST', body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${gateway.apiKey}` } : {}) },
    });
    const serve = faces.servedBy(path, '');
    if (serve === undefined) throw new Error(`${path} has no short way`);
    const [short, routed] = [await serve(request(), '127.0.0.1'), await (await faces.client())(request())];
    const shown = async (response: Response) => {
      const headers = Object.fromEntries(response.headers);
      expect(headers['x-request-id']).toStartWith('req_');
      delete headers['x-request-id'];
      delete headers['request-id'];
      return { status: response.status, headers, body: (await response.text()).replaceAll(/req_[0-9a-f]+/g, 'req_') };
    };
    expect(await shown(short)).toEqual(await shown(routed));
  });
}

test('no other path has a short way', () => {
  for (const path of ['/v1/models', '/v1/chat', '/admin/v1/accounts', '/v1/chat/completions/']) {
    expect(gateway.serving.gateway.faces.servedBy(path, '')).toBeUndefined();
  }
});
