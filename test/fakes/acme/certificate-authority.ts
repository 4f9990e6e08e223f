// A root with its key, which signs what the mock authority issues.

import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;

export interface CertificateAuthority {
  /** PEM of the root, for clients. */
  readonly root: string;
  /** PEM: the leaf, then the root. */
  issue(request: Buffer, names: readonly string[], days: number): Promise<string>;
}

export async function certificateAuthority(): Promise<CertificateAuthority> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const now = Date.now();
  const root = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=Mock Authority',
    notBefore: new Date(now - DAY_MS),
    notAfter: new Date(now + 3650 * DAY_MS),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 1, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.digitalSignature, true),
    ],
  });
  const rootPem = root.toString('pem');
  return {
    root: rootPem,
    async issue(request, names, days) {
      const asked = new Pkcs10CertificateRequest(request);
      const leaf = await X509CertificateGenerator.create({
        subject: '',
        issuer: root.subject,
        notBefore: new Date(Date.now() - 60_000),
        notAfter: new Date(Date.now() + days * DAY_MS),
        signingAlgorithm: algorithm,
        publicKey: asked.publicKey,
        signingKey: keys.privateKey,
        extensions: [
          new SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns' as const, value }))),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        ],
      });
      return `${leaf.toString('pem')}\n${rootPem}\n`;
    },
  };
}

/** The names that a request for a certificate asks for; throws if it is not signed by its own key. */
export async function namesOfRequest(request: Buffer): Promise<readonly string[]> {
  const asked = new Pkcs10CertificateRequest(request);
  if (!(await asked.verify())) throw new Error('the request is not signed by its key');
  return asked.extensions
    .filter((extension) => extension instanceof SubjectAlternativeNameExtension)
    .flatMap((extension) => extension.names.toJSON().map(({ value }) => value));
}
