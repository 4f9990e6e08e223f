// Where it would listen, what clients are told, and who may say where they come from.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { parseRanges } from '../../core/addresses.ts';
import type { ServeSettings } from '../arguments.ts';
import { good, risky, wrong, type Finding } from './finding.ts';

/** `free`, or the code of the error that listening gave. */
export type ListenProbe = (host: string, port: number) => string;

const PRIVILEGED_START = '/proc/sys/net/ipv4/ip_unprivileged_port_start';

export function portFindings(
  { host, port }: Pick<ServeSettings, 'host' | 'port'>,
  ownProcess: number | undefined,
  probe: ListenProbe = systemProbe,
  flag: '--port' | '--http-port' = '--port',
): readonly Finding[] {
  const about = `${flag} ${port}`;
  const outcome = probe(host, port);
  switch (outcome) {
    case 'free':
      return [good(about, 'it is free')];
    case 'EADDRINUSE': {
      const holder = holderOf(port);
      if (holder !== undefined && holder.pid === ownProcess)
        return [good(about, `process ${holder.pid} serves on it, from this data folder`)];
      const who = holder === undefined ? 'a process of another user' : `process ${holder.pid} (${holder.name})`;
      return [wrong(about, `it is taken by ${who}`, 'a start fails', 'stop that process, or choose another port')];
    }
    case 'EACCES':
      return [
        wrong(
          about,
          `this user may not listen below ${privilegedStart()}`,
          'a start fails',
          "let 'tollgate service install' give that right, or listen on 8787 behind a proxy",
        ),
      ];
    case 'EADDRNOTAVAIL':
      return [wrong(`--host ${host}`, 'this machine has no such address', 'a start fails', "see 'ip address'")];
    default:
      return [wrong(about, `it cannot be listened on (${outcome})`, 'a start fails', 'choose another')];
  }
}

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost']);

type Face = Pick<ServeSettings, 'host' | 'publicUrl' | 'hostNames' | 'trustedProxies'>;

/** `secured`: it serves TLS itself. `configTrusted`: proxies that the config names. */
export function addressFindings(
  settings: Face,
  secured: boolean,
  configTrusted: readonly string[],
): readonly Finding[] {
  const { host, publicUrl, hostNames } = settings;
  const trusted = [...settings.trustedProxies, ...configTrusted];
  const local = LOOPBACK.has(host);
  const findings = [...proxyFindings(trusted), ...nameFindings(hostNames)];
  const url = publicUrl === undefined ? undefined : new URL(publicUrl);
  if (!local && !secured && trusted.length === 0) {
    findings.push(
      risky(
        `--host ${host}`,
        'whoever reaches this machine is served over plain HTTP',
        'API keys and prompts can be read on the way',
        'serve TLS, or listen on 127.0.0.1 behind a proxy that does',
      ),
    );
  }
  if (url === undefined) {
    const why = 'links in refusals and terms lead to an address that only this machine knows, and names are refused';
    if (!local || trusted.length > 0)
      findings.push(risky('--public-url', 'it is not set', why, 'set it to the address that clients use'));
    return findings;
  }
  const about = `--public-url ${url.origin}`;
  const known = LOOPBACK.has(url.hostname);
  if (url.protocol === 'http:' && !known)
    findings.push(risky(about, 'it says http', 'clients would send their keys in the clear', 'make it https'));
  if (url.protocol === 'https:' && !secured && trusted.length === 0) {
    findings.push(
      wrong(
        about,
        'it says https, but neither TLS nor a trusted proxy is set',
        'behind a proxy every client has the proxy’s address: limits and regions by address fail',
        'set --trusted-proxy to the proxy’s address (127.0.0.1 for one on this machine), or the flags of TLS',
      ),
    );
  }
  if (local && known) findings.push(good(about, 'only this machine is meant'));
  return findings;
}

/** Widest that a network of proxies is likely to be, in leading bits. */
const NARROW_BITS = { v4: 8, v6: 16 } as const;
const SOMEWHERE_PUBLIC = ['203.0.114.7', '8.8.8.8', '2a00:1450::1'] as const;

function proxyFindings(trusted: readonly string[]): Finding[] {
  return trusted.flatMap((range) => {
    const about = `--trusted-proxy ${range}`;
    let covers: (address: string) => boolean;
    try {
      covers = parseRanges([range]);
    } catch (error) {
      const what = error instanceof Error ? error.message : 'it is no range';
      return [wrong(about, what, 'a start fails', 'write an address or a range as 10.0.0.0/8')];
    }
    const why = 'anybody in it can claim any address: limits, blocks and regions by address mean nothing';
    const bits = Number(/\/(\d+)$/.exec(range)?.[1] ?? 128);
    if (SOMEWHERE_PUBLIC.filter(covers).length > 1 || bits === 0)
      return [wrong(about, 'this is everybody', why, 'name the addresses of your proxies alone')];
    if (bits < (range.includes(':') ? NARROW_BITS.v6 : NARROW_BITS.v4))
      return [risky(about, 'this range is very wide', why, 'name the addresses of your proxies alone')];
    return [];
  });
}

function nameFindings(names: readonly string[]): Finding[] {
  return names
    .filter((name) => /[/*:]|^\.|\s/.test(name) && !/^\[?[0-9a-f:]+\]?$/i.test(name))
    .map((name) =>
      wrong(
        `--allowed-hosts ${name}`,
        'this is no host name',
        'no request will ever match it',
        'write the bare name: api.example.com, without scheme, port or wildcard',
      ),
    );
}

const privilegedStart = (): string => {
  try {
    return readFileSync(PRIVILEGED_START, 'utf8').trim();
  } catch {
    return '1024';
  }
};

/** Who listens there, as far as this user may see. */
export function holderOf(port: number): { readonly pid: number; readonly name: string } | undefined {
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of textOf(table).split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      const at = Number.parseInt(fields[1]?.split(':')[1] ?? '', 16);
      if (fields[3] === '0A' && at === port && fields[9] !== undefined) inodes.add(`socket:[${fields[9]}]`);
    }
  }
  if (inodes.size === 0) return undefined;
  for (const pid of namesIn('/proc').filter((name) => /^\d+$/.test(name))) {
    const holds = namesIn(`/proc/${pid}/fd`).some((fd) => inodes.has(linkOf(`/proc/${pid}/fd/${fd}`)));
    if (holds) return { pid: Number(pid), name: textOf(`/proc/${pid}/comm`).trim() };
  }
  return undefined;
}

const textOf = (path: string) => attempted(() => readFileSync(path, 'utf8')) ?? '';
const namesIn = (path: string) => attempted(() => readdirSync(path)) ?? [];
const linkOf = (path: string) => attempted(() => readlinkSync(path)) ?? '';

function attempted<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

export const systemProbe: ListenProbe = (hostname, port) => {
  try {
    Bun.listen({ hostname, port, socket: { data() {} } }).stop(true);
    return 'free';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  }
};
