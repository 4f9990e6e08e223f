// A real browser for tests, with every way out closed: what is not loopback goes to a proxy of the test's own,
// which counts it and refuses. The browser comes with the packages (Linux, x64) or from the system, whichever
// is there.

import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';
import type { Browser } from 'puppeteer-core';

const packages = join(import.meta.dir, '../../node_modules');
const systemNames = [
  'chromium-headless-shell',
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
];

export interface FoundBrowser {
  readonly executable: string;
  /** What it needs to find its own libraries and fonts; empty for a browser of the system, which knows. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The browser that tests can use, or why there is none. */
export async function findBrowser(): Promise<FoundBrowser | { readonly missing: string }> {
  if (process.platform === 'linux' && process.arch === 'x64') {
    const packed = await unpackBrowser();
    if (packed !== undefined && starts(packed)) return packed;
  }
  for (const name of systemNames) {
    const executable = Bun.which(name);
    if (executable !== null) return { executable, environment: {} };
  }
  return { missing: `@sparticuz/chromium does not run here, and none of ${systemNames.join(', ')} is on the PATH` };
}

/** A system with another C library cannot run it. */
const starts = ({ executable, environment }: FoundBrowser): boolean =>
  Bun.spawnSync([executable, '--version'], { env: environment, stdio: ['ignore', 'ignore', 'ignore'] }).success;

/**
 * The package carries the browser compressed, with the libraries that a bare system lacks. It is unpacked once, beside
 * the package, and moved into place whole.
 */
async function unpackBrowser(): Promise<FoundBrowser | undefined> {
  const root = join(packages, '@sparticuz/chromium');
  const manifest = Bun.file(join(root, 'package.json'));
  if (!(await manifest.exists())) return undefined;
  const { version } = (await manifest.json()) as { readonly version: string };
  const cache = join(packages, '.cache');
  const folder = join(cache, `chromium-${version}`);
  const found = {
    executable: join(folder, 'chromium'),
    environment: { LD_LIBRARY_PATH: join(folder, 'al2023/lib'), FONTCONFIG_FILE: join(folder, 'own-fonts.conf') },
  };
  if (existsSync(found.environment.FONTCONFIG_FILE)) return found;
  await mkdir(cache, { recursive: true });
  const unpacking = await mkdtemp(join(cache, 'unpacking-'));
  const script = `
    import chromium, { inflate } from '@sparticuz/chromium';
    await chromium.executablePath();
    await inflate(${JSON.stringify(join(root, 'bin/al2023.tar.br'))});
  `;
  const child = Bun.spawn([process.execPath, '-e', script], {
    cwd: join(packages, '..'),
    env: { ...process.env, TMPDIR: unpacking },
    stdout: 'ignore',
    stderr: 'pipe',
  });
  if ((await child.exited) !== 0) {
    throw new Error(`the browser could not be unpacked: ${await new Response(child.stderr).text()}`);
  }
  await Bun.write(join(unpacking, 'own-fonts.conf'), fontSettings(folder));
  // Another test process may have been quicker: its copy serves as well.
  await rename(unpacking, folder).catch(() => rm(unpacking, { recursive: true }));
  return found;
}

/** The package's own settings name folders of another system; without any font the browser ends itself. */
const fontSettings = (folder: string): string => `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${join(folder, 'fonts')}</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>${join(folder, 'font-cache')}</cachedir>
</fontconfig>
`;

export interface ClosedBrowser {
  readonly browser: Browser;
  /** First lines of what tried to leave this machine. */
  readonly escapes: readonly string[];
  close(): Promise<void>;
}

/** Starts the browser without a way out. */
export async function launchClosed({ executable, environment }: FoundBrowser): Promise<ClosedBrowser> {
  const escapes: string[] = [];
  const trap = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      data(socket, bytes) {
        escapes.push(bytes.toString('latin1').split('\r\n', 1)[0] ?? '');
        socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
      },
    },
  });
  const browser = await puppeteer.launch({
    executablePath: executable,
    headless: 'shell',
    env: { ...process.env, ...environment },
    args: [
      `--proxy-server=http://127.0.0.1:${trap.port}`,
      '--proxy-bypass-list=127.0.0.1',
      // Tests run as root in containers too; the only pages are our own.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-pings',
      '--font-render-hinting=none',
    ],
  });
  return {
    browser,
    escapes,
    async close() {
      await browser.close();
      trap.stop(true);
    },
  };
}
