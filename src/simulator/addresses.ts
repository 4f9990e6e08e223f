// Upstream addresses that fail before HTTP begins: faults U1 and U31, which no server can show by an answer.

import { createServer } from 'node:net';

/** U1: a base URL whose port refuses connections: it was free a moment ago and nothing listens on it. */
export async function refusedBaseUrl(): Promise<string> {
  const server = createServer();
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (typeof address === 'object' && address) resolve(address.port);
      else reject(new Error('no port was given'));
    });
  });
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return `http://127.0.0.1:${port}/v1`;
}

/** U31, DNS: a name under the top-level domain that never resolves (RFC 6761). */
export const unresolvableBaseUrl = 'http://simulator.invalid/v1';

/** U31, TLS: https spoken to a port that answers in plain HTTP, so that no handshake succeeds. */
export function brokenTlsBaseUrl(port: number): string {
  return `https://127.0.0.1:${port}/v1`;
}
