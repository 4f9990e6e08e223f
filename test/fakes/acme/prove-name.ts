// How an authority proves a name, with every name on loopback: over HTTP (RFC 8555 section 8.3) and over TLS (RFC
// 8737).

import { createHash } from 'node:crypto';
import { connect } from 'node:tls';
import { SubjectAlternativeNameExtension, X509Certificate } from '@peculiar/x509';

const MAX_MS = 5_000;

/** What is wrong; undefined if the name is proven. */
export async function proveByHttp(
  domain: string,
  port: number,
  token: string,
  proof: string,
): Promise<string | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/.well-known/acme-challenge/${token}`, {
      headers: { host: domain },
      redirect: 'manual',
      signal: AbortSignal.timeout(MAX_MS),
    });
    const text = await response.text();
    return response.status === 200 && text.trimEnd() === proof
      ? undefined
      : `answered ${response.status}: ${text.slice(0, 80)}`;
  } catch (error) {
    return `cannot be reached: ${String(error)}`;
  }
}

export function proveByTls(domain: string, port: number, proof: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      servername: domain,
      ALPNProtocols: ['acme-tls/1'],
      rejectUnauthorized: false,
      timeout: MAX_MS,
    });
    const end = (fault: string | undefined) => {
      socket.destroy();
      resolve(fault);
    };
    socket.once('timeout', () => end('timed out'));
    socket.once('error', (error) => end(`cannot be reached: ${error.message}`));
    socket.once('close', () => end('was closed'));
    socket.once('secureConnect', () => {
      if (socket.alpnProtocol !== 'acme-tls/1') return end('acme-tls/1 was not negotiated');
      const shown = new X509Certificate(socket.getPeerCertificate().raw);
      const names = shown.getExtension(SubjectAlternativeNameExtension)?.names.toJSON() ?? [];
      if (names.length !== 1 || names[0]?.type !== 'dns' || names[0].value !== domain) return end('other names');
      const identifier = shown.getExtension('1.3.6.1.5.5.7.1.31');
      const digest = createHash('sha256').update(proof).digest();
      const right = identifier?.critical === true && Buffer.from(identifier.value).subarray(2).equals(digest);
      end(right ? undefined : 'another proof');
    });
  });
}
