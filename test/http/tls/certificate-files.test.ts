// The operator's certificate: what cannot be served is refused at the start with the remedy; later the one before
// stays.

import { afterAll, beforeEach, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '../../../src/core/log.ts';
import { openCertificateFiles, type CertificateFiles } from '../../../src/http/tls/certificate-files.ts';
import type { CertificatePair } from '../../../src/http/tls/certificate-pair.ts';
import { makeCertificate } from '../../pipeline/transport/certificates.ts';
import { settableClock, until } from './acme-stage.ts';

const one = makeCertificate('gw.example');
const two = makeCertificate('gw.example');
const old = makeCertificate('gw.example', { expired: true });
const folder = mkdtempSync(join(tmpdir(), 'tollgate-files-'));
const certFile = join(folder, 'cert.pem');
const keyFile = join(folder, 'key.pem');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let used: CertificatePair[] = [];
let lines: string[] = [];
let clock = settableClock();
let useFails = false;
const put = (cert: string, key: string) => {
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key, { mode: 0o600 });
};
const openFiles = (): CertificateFiles =>
  openCertificateFiles({
    certFile,
    keyFile,
    clock,
    log: createLog(
      clock,
      (line) => void lines.push(line),
      (text) => text,
    ),
    use: async (pair) => {
      used.push(pair);
      if (useFails) throw new Error('EMFILE');
    },
  });

beforeEach(() => {
  used = [];
  lines = [];
  useFails = false;
  clock = settableClock();
  put(one.cert, one.key);
  chmodSync(keyFile, 0o600);
});

test.each([
  ['another key', () => put(one.cert, two.key), /^--tls-key: \S+key\.pem does not belong to the certificate$/],
  [
    'an expired certificate',
    () => put(old.cert, old.key),
    /^--tls-cert: \S+cert\.pem expired on 2021-01-01 00:00; renew it$/,
  ],
  ['no certificate', () => put('hello', one.key), /^--tls-cert: .* holds no readable PEM certificate/],
  [
    'a broken chain',
    () => put(one.cert + one.cert.replace(/\nM.{40}/, `\n${'A'.repeat(41)}`), one.key),
    /^--tls-cert: .* no readable/,
  ],
  ['a chain that is cut off', () => put(one.cert + two.cert.slice(0, 300), one.key), /^--tls-cert: .* is cut off within/],
  ['a chain that is cut off early', () => put(`${one.cert}-----BEGIN CERTI`, one.key), /^--tls-cert: .* is cut off within/],
  ['a key for a certificate', () => put(one.key, one.key), /^--tls-cert: .* holds no readable PEM certificate/],
  ['no key', () => put(one.cert, ''), /^--tls-key: .* holds no readable PEM private key/],
  ['an encrypted key', () => put(one.cert, '-----BEGIN ENCRYPTED PRIVATE KEY-----'), /^--tls-key: .* is encrypted/],
  ['no file', () => rmSync(keyFile), /^--tls-key: \S+key\.pem: there is no such file$/],
  [
    'a folder',
    () => (rmSync(certFile), symlinkSync(folder, certFile)),
    /^--tls-cert: \S+: it cannot be read \(EISDIR\)/,
  ],
])('%s is refused at the start', (_name, spoil, said) => {
  spoil();
  let message = '';
  try {
    openFiles();
  } catch (error) {
    message = error instanceof Error ? error.message : '';
  }
  rmSync(certFile, { force: true });
  expect(message).toMatch(said);
  expect(message).not.toContain(one.key.split('\n')[1] ?? '');
});

test('a clock that is a little behind is no reason to refuse; one that is days behind is', () => {
  clock.advance(-60_000);
  expect(openFiles().first.names).toEqual(['gw.example']);
  clock.advance(-86_400_000);
  expect(openFiles).toThrow('is the clock of this machine right?');
});

test('new files are used once, however they came', () => {
  const files = openFiles();
  files.check();
  expect(used).toEqual([]);
  writeFileSync(join(folder, 'next.pem'), two.cert);
  renameSync(join(folder, 'next.pem'), certFile);
  // Half of a pair: said once, and looked at again.
  files.check();
  files.check();
  expect(lines.length).toBe(1);
  expect(lines[0]).toContain('does not belong to the certificate; the one before it is still served');
  writeFileSync(keyFile, two.key);
  files.check();
  files.check();
  expect(used.map(({ cert }) => cert)).toEqual([two.cert]);
  files.reload();
  expect(used.length).toBe(1);
  expect(lines.join('')).not.toContain('PRIVATE KEY');
});

test('what cannot be served later changes nothing', () => {
  const files = openFiles();
  for (const spoil of [() => put(old.cert, old.key), () => put('', ''), () => rmSync(certFile)]) {
    spoil();
    files.check();
  }
  expect(used).toEqual([]);
  expect(lines.length).toBe(3);
  put(one.cert, one.key);
  files.check();
  // The same as is served: nothing to do.
  expect(used).toEqual([]);
});

test('what could not be taken into use is tried again, and meanwhile the dates of the one before count', async () => {
  const files = openFiles();
  useFails = true;
  const longer = makeCertificate('gw.example', { days: 90 });
  put(longer.cert, longer.key);
  for (let looks = 0; looks < 2; looks++) {
    files.check();
    await Promise.resolve();
    await Promise.resolve();
  }
  expect([used.length, lines.length]).toEqual([2, 1]);
  expect(lines[0]).toContain('EMFILE');
  clock.advance(47 * 3_600_000);
  files.check();
  expect(lines[1] ?? '').toContain('expires soon');
  await Promise.resolve();
  await Promise.resolve();
  useFails = false;
  files.check();
  await until(() => lines.some((line) => line.includes('a new certificate is served')), 'the new one');
  files.check();
  expect(used.length).toBe(4);
});

test('a key that all may read, and an end that is near, are warned of', () => {
  chmodSync(keyFile, 0o644);
  const files = openFiles();
  expect(lines.some((line) => line.includes('every user of this machine can read the private key'))).toBeTrue();
  expect(lines.length).toBe(1);
  clock.advance(40 * 3_600_000);
  files.check();
  files.check();
  expect(lines.filter((line) => line.includes('expires soon')).length).toBe(1);
  clock.advance(24 * 3_600_000);
  files.check();
  expect(lines.at(-1)).toContain('has expired');
});
