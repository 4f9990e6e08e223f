// The plain port: challenges, health and the way to https, and nothing that a stranger could bend.

import { expect, test } from 'bun:test';
import { httpPortAnswer } from '../../../src/http/tls/http-port.ts';

const token = 'evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA';
const proof = `${token}.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI`;
const answer = httpPortAnswer({
  hostNames: ['gw.example', 'api.gw.example'],
  publicUrl: () => 'https://gw.example:8443',
  challenges: new Map([[token, { domain: 'gw.example', keyAuthorization: proof }]]),
});
const ask = (path: string, host = 'gw.example', init: RequestInit = {}) =>
  answer(new Request(`http://gw.example${path}`, { ...init, headers: { ...init.headers, host } }));
const challenge = `/.well-known/acme-challenge/${token}`;

test('a challenge is answered under its name alone', async () => {
  const response = ask(challenge, 'gw.example:80');
  expect(response.status).toBe(200);
  expect(await response.text()).toBe(proof);
  expect(ask(challenge, 'GW.example').status).toBe(200);
  expect(ask(challenge, 'api.gw.example').status).toBe(404);
  expect(ask(challenge, '127.0.0.1').status).toBe(404);
  expect(ask(challenge, 'evil.example').status).toBe(421);
  expect(ask(challenge, 'gw.example', { method: 'POST' }).status).toBe(404);
});

test.each(['/x', '', '/..%2f..%2fetc%2fpasswd', `/${token}/`, `/${token}%00`, '/constructor', `/${'a'.repeat(5_000)}`])(
  'no other path is answered there: %s',
  (rest) => {
    expect(ask(`/.well-known/acme-challenge${rest}`).status).toBe(rest === '' ? 308 : 404);
  },
);

test('readers are sent to names that we know, and nowhere else', () => {
  const target = (path: string, host?: string) => ask(path, host).headers.get('location');
  expect(target('/terms?version=2')).toBe('https://gw.example:8443/terms?version=2');
  expect(target('/', 'api.gw.example:80')).toBe('https://api.gw.example:8443/');
  expect(target('/', '192.0.2.7')).toBe('https://gw.example:8443/');
  expect(target('/', 'localhost')).toBe('https://gw.example:8443/');
  expect(ask('/', 'evil.example').status).toBe(421);
  expect(ask('/', 'gw.example@evil.example').status).toBe(400);
  expect(ask('/', 'gw.example, evil.example').status).toBe(400);
  expect(ask('//evil.example/').status).toBe(404);
});

test('a credential that came in the clear is refused, not sent on', async () => {
  const calls: readonly RequestInit[] = [
    { headers: { authorization: 'Bearer tg_secret' } },
    { headers: { 'x-api-key': 'tg_secret' } },
    { method: 'POST', body: '{}' },
  ];
  for (const init of calls) {
    const response = ask('/v1/chat/completions', 'gw.example', init);
    expect(response.status).toBe(426);
    expect(response.headers.get('location')).toBeNull();
    const text = await response.text();
    expect(text).toContain('https://gw.example:8443');
    expect(text).not.toContain('tg_secret');
  }
  expect(ask('/v1beta/models?key=tg_secret').status).toBe(426);
});

test('health is told, and nothing else of the service', async () => {
  expect(await ask('/healthz', '10.0.0.1').json()).toEqual({ status: 'ok' });
  expect(ask('/metrics').status).toBe(308);
  expect(ask('/status').status).toBe(308);
});
