// Pebble, the test authority of Let's Encrypt's makers, with a name server that leads every name to loopback. Built
// once from its published source where Go and a network are; kept beside the installed packages.

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { makeCertificate } from '../../pipeline/transport/certificates.ts';
import { freePort } from '../../proxies/proxy-programs.ts';

const VERSION = 'v2.10.1';
const BUILD_MAX_MS = 240_000;
const cache = resolve(import.meta.dir, '../../../node_modules/.cache', `pebble-${VERSION}`);
const programs = ['pebble', 'pebble-challtestsrv'] as const;

/** Folder of the programs; undefined if they are not here and cannot be built. */
export function pebbleFolder(): string | undefined {
  const built = () => programs.every((name) => existsSync(join(cache, name)));
  if (built()) return cache;
  const go = Bun.which('go') ?? ['/usr/local/go/bin/go', '/usr/lib/go/bin/go'].find((file) => existsSync(file));
  if (go === undefined) return undefined;
  mkdirSync(cache, { recursive: true });
  const packages = programs.map((name) => `github.com/letsencrypt/pebble/v2/cmd/${name}@${VERSION}`);
  Bun.spawnSync([go, 'install', ...packages], {
    stdio: ['ignore', 'ignore', 'ignore'],
    timeout: BUILD_MAX_MS,
    env: { ...process.env, GOBIN: cache, GOFLAGS: '-mod=mod', CGO_ENABLED: '0' },
  });
  return built() ? cache : undefined;
}

export interface Pebble {
  readonly directory: string;
  /** PEM file with the root of the authority's own address. */
  readonly caFile: string;
  /** Where it proves names. */
  readonly httpPort: number;
  readonly tlsPort: number;
  stop(): Promise<void>;
}

export async function startPebble(folder: string): Promise<Pebble> {
  const work = mkdtempSync(join(tmpdir(), 'tollgate-pebble-'));
  const { cert, key } = makeCertificate('IP:127.0.0.1');
  const [port, management, httpPort, tlsPort, names, namesManagement] = Array.from({ length: 6 }, freePort);
  const caFile = join(work, 'cert.pem');
  writeFileSync(caFile, cert);
  writeFileSync(join(work, 'key.pem'), key);
  writeFileSync(
    join(work, 'config.json'),
    JSON.stringify({
      pebble: {
        listenAddress: `127.0.0.1:${port}`,
        managementListenAddress: `127.0.0.1:${management}`,
        certificate: caFile,
        privateKey: join(work, 'key.pem'),
        httpPort,
        tlsPort,
        retryAfter: { authz: 1, order: 1 },
        profiles: { default: { description: 'ninety days', validityPeriod: 7_776_000 } },
      },
    }),
  );
  const run = (name: (typeof programs)[number], words: readonly string[]) =>
    Bun.spawn([join(folder, name), ...words], {
      cwd: work,
      stdio: ['ignore', 'ignore', 'ignore'],
      // No pause before a proof; one of five nonces is refused.
      env: { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '20' },
    });
  const off = ['http01', 'https01', 'tlsalpn01', 'doh', 'defaultIPv6'].map((name) => `-${name}=`);
  const nameServer = run('pebble-challtestsrv', [
    '-defaultIPv4=127.0.0.1',
    `-dnsserver=127.0.0.1:${names}`,
    `-management=127.0.0.1:${namesManagement}`,
    ...off,
  ]);
  const authority = run('pebble', ['-config', join(work, 'config.json'), '-dnsserver', `127.0.0.1:${names}`]);
  const directory = `https://127.0.0.1:${port}/dir`;
  const stop = async () => {
    for (const child of [authority, nameServer]) child.kill('SIGKILL');
    await Promise.all([authority.exited, nameServer.exited]);
    rmSync(work, { recursive: true, force: true });
  };
  for (let tries = 0; tries < 500; tries++) {
    const answer = await fetch(directory, { tls: { ca: cert } }).catch(() => undefined);
    if (answer?.ok === true) return { directory, caFile, httpPort: httpPort ?? 0, tlsPort: tlsPort ?? 0, stop };
    await Bun.sleep(20);
  }
  await stop();
  throw new Error('pebble did not start');
}
