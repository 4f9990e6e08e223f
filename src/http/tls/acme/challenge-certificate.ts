// The certificate that proves a name by TLS-ALPN-01 (RFC 8737): self-signed, for that name alone, with the hash of the
// proof in a critical extension. The client library makes one too, but without the right to sign a handshake, which
// our TLS insists on.

import {
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { EpochMs } from '../../../core/clock.ts';

const ACME_IDENTIFIER = '1.3.6.1.5.5.7.1.31';
const DAY_MS = 86_400_000;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export async function challengeCertificate(
  domain: string,
  keyAuthorization: string,
  now: EpochMs,
): Promise<{ readonly cert: string; readonly key: string }> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const digest = Bun.SHA256.hash(keyAuthorization);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=ACME challenge',
      notBefore: new Date(now - DAY_MS),
      notAfter: new Date(now + DAY_MS),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new SubjectAlternativeNameExtension([{ type: 'dns', value: domain }]),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        // An octet string of 32 bytes, in DER.
        new Extension(ACME_IDENTIFIER, true, Uint8Array.from([4, digest.length, ...digest])),
      ],
    },
    crypto,
  );
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const lines = pkcs8.match(/.{1,64}/g) ?? [];
  return {
    cert: certificate.toString('pem'),
    key: ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----', ''].join('\n'),
  };
}
