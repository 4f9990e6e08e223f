// The reverse proxies themselves, as the system has them. Where one is missing and this is a machine for tests alone,
// it is installed once; where that cannot be, its tests say what they want.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folders = ['/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin'] as const;
const INSTALL_MAX_MS = 180_000;

const find = (name: string): string | undefined =>
  Bun.which(name) ?? folders.map((folder) => join(folder, name)).find((file) => existsSync(file));

function install(packageName: string): void {
  const run = (...words: readonly string[]) =>
    Bun.spawnSync(['apt-get', '-qq', ...words], {
      stdio: ['ignore', 'ignore', 'ignore'],
      timeout: INSTALL_MAX_MS,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    }).exitCode === 0;
  const wanted = ['install', '-y', '--no-install-recommends', packageName] as const;
  if (!run(...wanted) && run('update')) run(...wanted);
}

/** Path of the program; undefined if it is not here and cannot be had. */
export function proxyProgram(name: string, packageName: string): string | undefined {
  const found = find(name);
  const mayInstall = process.env['CI'] === 'true' && process.getuid?.() === 0 && Bun.which('apt-get') !== null;
  if (found !== undefined || !mayInstall) return found;
  install(packageName);
  return find(name);
}

export interface RunningProxy {
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts it in a folder of its own and waits until it takes connections. */
export async function startProxy(
  port: number,
  files: Readonly<Record<string, string>>,
  command: (folder: string) => readonly string[],
): Promise<RunningProxy> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-proxy-'));
  for (const [name, text] of Object.entries(files))
    writeFileSync(join(folder, name), text.replaceAll('FOLDER', folder));
  const child = Bun.spawn([...command(folder)], {
    cwd: folder,
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
    env: { HOME: folder, PATH: '/usr/sbin:/usr/bin:/bin' },
  });
  const stop = async () => {
    child.kill('SIGTERM');
    await child.exited;
    rmSync(folder, { recursive: true, force: true });
  };
  for (let tries = 0; tries < 1_000; tries++) {
    const open = await Bun.connect({ hostname: '127.0.0.1', port, socket: { data() {} } }).catch(() => undefined);
    if (open !== undefined) {
      open.end();
      return { port, stop };
    }
    if (child.exitCode !== null) break;
    await Bun.sleep(10);
  }
  child.kill('SIGKILL');
  const said = await new Response(child.stderr).text();
  await stop();
  throw new Error(`the proxy did not start:\n${said}`);
}

/** A port that nobody has now. */
export function freePort(): number {
  const probe = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}
