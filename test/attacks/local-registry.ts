// A package registry of this test's own, on loopback, with packages that somebody evil published: whether their scripts
// run, whether a fresh version is taken, whether a changed archive passes, is asked of the real installer.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Published {
  readonly version: string;
  readonly publishedAt: Date;
  /** Beside name and version. */
  readonly manifest?: Readonly<Record<string, unknown>>;
  readonly code?: string;
}

export interface LocalRegistry {
  readonly url: string;
  /** Takes the place of what has that version. */
  publish(name: string, published: Published): void;
  stop(): void;
}

interface Stored extends Published {
  readonly archive: Uint8Array<ArrayBuffer>;
}

export function startLocalRegistry(): LocalRegistry {
  const packages = new Map<string, Map<string, Stored>>();
  const work = mkdtempSync(join(tmpdir(), 'tollgate-registry-'));
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request, self): Response {
      const [, name = '', version] = new URL(request.url).pathname.split('/');
      const stored = packages.get(decodeURIComponent(name));
      if (stored === undefined) return new Response('{}', { status: 404 });
      if (version !== undefined) return new Response(stored.get(version.replace(/\.tgz$/, ''))?.archive);
      const versions = [...stored.values()].map((each) => [
        each.version,
        {
          name,
          version: each.version,
          ...each.manifest,
          hasInstallScript: true,
          dist: {
            tarball: `${self.url.origin}/${name}/${each.version}.tgz`,
            integrity: `sha512-${new Bun.CryptoHasher('sha512').update(each.archive).digest('base64')}`,
          },
        },
      ]);
      const time = [...stored.values()].map((each) => [each.version, each.publishedAt.toISOString()]);
      return Response.json({
        name,
        'dist-tags': { latest: [...stored.keys()].at(-1) },
        versions: Object.fromEntries(versions),
        time: Object.fromEntries(time),
      });
    },
  });
  return {
    url: server.url.href,
    publish(name, published) {
      const folder = mkdtempSync(join(work, 'made-'));
      mkdirSync(join(folder, 'package'));
      const manifest = { name, version: published.version, ...published.manifest };
      writeFileSync(join(folder, 'package/package.json'), JSON.stringify(manifest));
      writeFileSync(join(folder, 'package/index.js'), published.code ?? 'module.exports = 1;\n');
      Bun.spawnSync(['tar', 'czf', 'made.tgz', 'package'], { cwd: folder });
      const known = packages.get(name) ?? new Map<string, Stored>();
      known.set(published.version, { ...published, archive: new Uint8Array(readFileSync(join(folder, 'made.tgz'))) });
      packages.set(name, known);
    },
    stop() {
      void server.stop(true);
      rmSync(work, { recursive: true, force: true });
    },
  };
}
