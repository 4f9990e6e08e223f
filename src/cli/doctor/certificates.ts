// The certificate and key that TLS is to be served with: there, readable, in force, for our names, and nobody else's.

import { readFileSync, statSync } from 'node:fs';
import { readPair } from '../../http/tls/certificate-pair.ts';
import type { CertificateSettings } from '../../http/tls/tls-settings.ts';
import { good, risky, wrong, type Finding } from './finding.ts';

const OTHERS_READ = 0o004;
const DAY_MS = 86_400_000;
const SOON_MS = 14 * DAY_MS;

type Files = Pick<CertificateSettings, 'certFile' | 'keyFile'>;

/** `names`: what clients call us. Nothing of a key is ever part of a finding. */
export function certificateFindings(
  { certFile, keyFile }: Files,
  names: readonly string[],
  now: number,
): readonly Finding[] {
  const why = 'a start fails, or clients refuse the connection';
  const texts: string[] = [];
  for (const [flag, file] of [['--tls-cert', certFile], ['--tls-key', keyFile]] as const) {
    try {
      texts.push(readFileSync(file, 'utf8'));
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
      return [wrong(`${flag} ${file}`, `it cannot be read (${code})`, why, 'let the user that serves read it')];
    }
  }
  const [cert = '', key = ''] = texts;
  const reading = readPair(cert, key, now);
  if (!reading.ok) {
    const [flag, file] = reading.part === 'key' ? ['--tls-key', keyFile] : ['--tls-cert', certFile];
    return [wrong(`${flag} ${file}`, `it ${reading.problem}`, why, 'give a certificate in force, and its own key')];
  }
  const findings: Finding[] = [];
  if ((statSync(keyFile).mode & OTHERS_READ) !== 0) {
    const remedy = 'chmod 640 it, with the group of the user that serves';
    findings.push(risky(`--tls-key ${keyFile}`, 'other users can read it', 'they can pass for this gateway', remedy));
  }
  const { notAfter, names: certified } = reading.pair;
  const days = Math.floor((notAfter - now) / DAY_MS);
  const about = `--tls-cert ${certFile}`;
  if (notAfter - now < SOON_MS)
    findings.push(risky(about, `it ends on ${new Date(notAfter).toISOString().slice(0, 10)}`, why, 'renew it; the file is read again when it changes'));
  for (const name of names.filter((each) => /[a-z]/i.test(each) && !covers(certified, each.toLowerCase())))
    findings.push(wrong(about, `it is not for ${name}`, 'clients refuse the connection', `get one that names ${name}`));
  return findings.length > 0 ? findings : [good(about, `it is in force for ${days} days`)];
}

/** A wildcard stands for one label. */
const covers = (certified: readonly string[], name: string): boolean =>
  certified.some((each) =>
    each.startsWith('*.') ? name.slice(name.indexOf('.')) === each.slice(1) : each === name,
  );
