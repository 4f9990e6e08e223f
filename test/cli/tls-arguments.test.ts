// What an operator may write about TLS, and what he is told when it cannot be meant.

import { expect, test } from 'bun:test';
import { serveSettings } from '../../src/cli/arguments.ts';
import { readEnvironment } from '../../src/environment.ts';

const settings = (argv: readonly string[], environment: Readonly<Record<string, string>> = {}) =>
  serveSettings(argv, readEnvironment(environment));
const acme = ['--acme-domains', 'GW.example.com, api.example.com', '--acme-agree'] as const;

test('without a word there is no TLS', () => {
  expect(settings([]).tls).toBeUndefined();
});

test('names are allowed, the first is the public one, and Let’s Encrypt is asked', () => {
  const { tls, hostNames, publicUrl } = settings(acme);
  expect(tls).toEqual({
    kind: 'acme',
    domains: ['gw.example.com', 'api.example.com'],
    email: undefined,
    directory: 'https://acme-v02.api.letsencrypt.org/directory',
    caFile: undefined,
    httpPort: undefined,
  });
  expect(hostNames).toContain('api.example.com');
  expect(publicUrl).toBe('https://gw.example.com');
  expect(settings([...acme, '--public-url', 'https://other.example']).publicUrl).toBe('https://other.example');
  expect(settings([...acme, '--acme-directory', 'staging']).tls).toMatchObject({
    directory: 'https://acme-staging-v02.api.letsencrypt.org/directory',
  });
  expect(settings([...acme, '--acme-directory', 'http://127.0.0.1:14000/dir']).tls).toMatchObject({
    directory: 'http://127.0.0.1:14000/dir',
  });
});

test('every flag has a twin', () => {
  expect(settings([], { TOLLGATE_TLS_CERT: 'c', TOLLGATE_TLS_KEY: 'k', TOLLGATE_HTTP_PORT: '80' }).tls).toEqual({
    kind: 'files',
    certFile: 'c',
    keyFile: 'k',
    httpPort: 80,
  });
  const twins = {
    TOLLGATE_ACME_DOMAINS: 'a.example',
    TOLLGATE_ACME_AGREE: '1',
    TOLLGATE_ACME_EMAIL: 'ops@a.example',
    TOLLGATE_ACME_DIRECTORY: 'https://ca.example/dir',
    TOLLGATE_ACME_CA: 'root.pem',
  };
  expect(settings([], twins).tls).toEqual({
    kind: 'acme',
    domains: ['a.example'],
    email: 'ops@a.example',
    directory: 'https://ca.example/dir',
    caFile: 'root.pem',
    httpPort: undefined,
  });
});

test.each([
  [['--tls-cert', 'c'], '--tls-key: give the private key of --tls-cert too'],
  [['--tls-key', 'k'], '--tls-cert: give the certificate'],
  [['--tls-cert', 'c', ...acme], '--acme-domains: give either'],
  [['--http-port', '80'], '--http-port: stands beside TLS'],
  [[...acme, '--http-port', '99999'], "--http-port: '99999' is not a port"],
  [['--acme-email', 'a@b.example'], '--acme-email: means nothing without --acme-domains'],
  [['--acme-domains', 'a.example'], '--acme-agree: a certificate is only asked for'],
  [['--acme-domains', '*.a.example', '--acme-agree'], 'is a wildcard'],
  [['--acme-domains', '192.0.2.1', '--acme-agree'], 'is not a full host name'],
  [['--acme-domains', 'localhost', '--acme-agree'], 'is not a full host name'],
  [['--acme-domains', 'a_b.example', '--acme-agree'], 'is not a full host name'],
  [['--acme-domains', 'bücher.example', '--acme-agree'], 'xn-- for other scripts'],
  [['--acme-domains', ',', '--acme-agree'], 'give 1 to 100 names'],
  [[...acme, '--acme-directory', 'http://ca.example/dir'], 'must be https, unless it is on loopback'],
  [[...acme, '--acme-directory', 'https://u:p@ca.example/dir'], 'must not hold a user name or password'],
  [[...acme, '--acme-directory', 'production'], 'is not an address'],
  [[...acme, '--acme-email', 'a@b.example,c@d.example'], 'is not one mail address'],
] as const)('%j is refused', (argv, said) => {
  expect(() => settings(argv)).toThrow(said);
});
