// What is measured beside Tollgate: the mock itself, a bare pass-through and its twin; as peers, nginx and Portkey.

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cores, freePort, outFolder, startChild, untilPrinted, type Child } from './children.ts';

export interface Target {
  readonly name: string;
  readonly url: string;
  /** Header lines of every request. */
  readonly headers: readonly string[];
  /** The process that is charged with the CPU and memory. */
  readonly child: Child;
  /** Too slow for 500 requests a second: left out where the rate is fixed. */
  readonly slow: boolean;
  /** Starts it again, with what it kept, and does not wait: for the time to the first served request. */
  readonly restart?: () => Target;
}

const chatUrl = (port: string | number): string => `http://127.0.0.1:${port}/v1/chat/completions`;
const anyKey = ['authorization: Bearer sk-bench-0123456789abcdef0123456789abcdef'];

export interface Upstream {
  readonly child: Child;
  readonly origin: string;
}

export async function startMock(): Promise<Upstream> {
  const child = startChild({
    name: 'mock',
    core: cores.load,
    command: [process.execPath, 'mock.ts'],
  });
  const [, port = ''] = await untilPrinted(child, /port (\d+)/);
  return { child, origin: `http://127.0.0.1:${port}` };
}

export const directTarget = (upstream: Upstream): Target => ({
  name: 'direct',
  url: `${upstream.origin}/v1/chat/completions`,
  headers: anyKey,
  child: upstream.child,
  slow: false,
});

export function startBare(name: string, upstream: Upstream): Target {
  const port = freePort();
  const child = startChild({
    name,
    core: cores.gateway,
    command: [process.execPath, 'pass-through.ts'],
    environment: { PORT: String(port), UPSTREAM: upstream.origin, BUN_CONFIG_MAX_HTTP_REQUESTS: '65535' },
  });
  const restart = (): Target => startBare(`${name}-again`, upstream);
  return { name, url: chatUrl(port), headers: anyKey, child, slow: false, restart };
}

const nginxConfig = (port: number, upstream: Upstream): string => `
worker_processes 1; daemon off; pid nginx.pid; error_log stderr warn;
events { worker_connections 30000; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 300s; tcp_nodelay on;
  client_body_buffer_size 2m; client_max_body_size 64m;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  upstream mock { server ${new URL(upstream.origin).host}; keepalive 1200; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_buffering off; proxy_read_timeout 600s;
    }
  }
}
`;

/** Undefined where nginx is not installed. */
export async function startNginx(upstream: Upstream): Promise<Target | undefined> {
  const nginx = Bun.which('nginx') ?? (existsSync('/usr/sbin/nginx') ? '/usr/sbin/nginx' : null);
  if (nginx === null) return undefined;
  const folder = join(outFolder, 'nginx');
  mkdirSync(folder, { recursive: true });
  const port = freePort();
  await Bun.write(join(folder, 'nginx.conf'), nginxConfig(port, upstream));
  const child = startChild({
    name: 'nginx',
    core: cores.gateway,
    command: [nginx, '-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')],
  });
  return { name: 'nginx', url: chatUrl(port), headers: anyKey, child, slow: false };
}

const portkeyPackage = {
  name: 'bench-peers',
  private: true,
  dependencies: { '@portkey-ai/gateway': '1.15.2', '@hono/node-server': '1.13.8' },
  // Newer versions break its streaming on Node.
  overrides: { '@hono/node-server': '$@hono/node-server' },
};

/** Undefined where Node or the package cannot be had. */
export async function startPortkey(upstream: Upstream): Promise<Target | undefined> {
  const node = Bun.which('node');
  const npm = Bun.which('npm');
  if (node === null || npm === null) return undefined;
  const folder = join(outFolder, 'peers');
  const entry = join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js');
  if (!existsSync(entry)) {
    await Bun.write(join(folder, 'package.json'), JSON.stringify(portkeyPackage, null, 2));
    const flags = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
    const install = Bun.spawn([npm, 'install', ...flags], { cwd: folder, stdin: 'ignore', timeout: 180_000 });
    if ((await install.exited) !== 0 || !existsSync(entry)) return undefined;
  }
  const port = freePort();
  const child = startChild({
    name: 'portkey',
    core: cores.gateway,
    command: [node, entry, `--port=${port}`, '--headless'],
    environment: { NODE_ENV: 'production' },
    folder,
  });
  const custom = ['x-portkey-provider: openai', `x-portkey-custom-host: ${upstream.origin}/v1`];
  return { name: 'portkey', url: chatUrl(port), headers: [...anyKey, ...custom], child, slow: true };
}
