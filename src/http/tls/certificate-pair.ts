// A certificate and its private key, checked before a client ever meets them: they must be readable, belong together
// and be in force. What is wrong is said in one line that never holds a byte of the key.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { EpochMs } from '../../core/clock.ts';

export interface CertificatePair {
  /** PEM: the leaf first, then its chain. */
  readonly cert: string;
  /** PEM, not encrypted. */
  readonly key: string;
  readonly notBefore: EpochMs;
  readonly notAfter: EpochMs;
  /** DNS names of the leaf, in lower case; a wildcard as it stands there. */
  readonly names: readonly string[];
}

export type PairReading =
  | { readonly ok: true; readonly pair: CertificatePair }
  /** `part` says whose file is at fault. */
  | { readonly ok: false; readonly part: 'certificate' | 'key'; readonly problem: string };

const BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
/** A block of any kind: a key may stand beside the certificate. */
const WHOLE_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----(?:(?!-----)[^])*-----END \1-----/g;

export function readPair(certPem: string, keyPem: string, now: EpochMs): PairReading {
  const chain = readChain(certPem);
  if (chain === undefined) {
    return { ok: false, part: 'certificate', problem: 'holds no readable PEM certificate (BEGIN CERTIFICATE)' };
  }
  if (certPem.replaceAll(WHOLE_BLOCK, '').includes('-----')) {
    return { ok: false, part: 'certificate', problem: 'is cut off within its chain; write the whole of it' };
  }
  const { leaf } = chain;
  const fault = keyFault(leaf, keyPem);
  if (fault !== undefined) return { ok: false, part: 'key', problem: fault };
  const notBefore = leaf.validFromDate.getTime();
  const notAfter = leaf.validToDate.getTime();
  if (now >= notAfter) return { ok: false, part: 'certificate', problem: `expired on ${day(notAfter)}; renew it` };
  if (now < notBefore - CLOCK_SKEW_MS) {
    return {
      ok: false,
      part: 'certificate',
      problem: `is valid from ${day(notBefore)} on; is the clock of this machine right?`,
    };
  }
  return { ok: true, pair: { cert: certPem, key: keyPem, notBefore, notAfter, names: dnsNames(leaf) } };
}

/** A certificate that an authority has just dated with its own clock is in force, though ours may be behind. */
const CLOCK_SKEW_MS = 5 * 60_000;

const day = (at: EpochMs): string => new Date(at).toISOString().slice(0, 16).replace('T', ' ');

/** Every block must be a certificate: a client would stumble over a broken chain later than we can say so. */
function readChain(pem: string): { readonly leaf: X509Certificate } | undefined {
  try {
    const [leaf] = [...pem.matchAll(BLOCK)].map(([block]) => new X509Certificate(block));
    return leaf === undefined ? undefined : { leaf };
  } catch {
    return undefined;
  }
}

function keyFault(leaf: X509Certificate, keyPem: string): string | undefined {
  if (/ENCRYPTED/.test(keyPem)) return 'is encrypted; store it without a passphrase, readable by the service alone';
  try {
    return leaf.checkPrivateKey(createPrivateKey(keyPem)) ? undefined : 'does not belong to the certificate';
  } catch {
    return 'holds no readable PEM private key (BEGIN PRIVATE KEY)';
  }
}

const dnsNames = (leaf: X509Certificate): readonly string[] =>
  [...(leaf.subjectAltName ?? '').matchAll(/DNS:([^,\s"]+)/g)].map(([, name = '']) => name.toLowerCase());
