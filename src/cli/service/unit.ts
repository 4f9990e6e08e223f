// The text of a systemd unit: what runs, as whom, and how little it may do besides. Its first line says that we wrote
// it and carries a hash of the rest, so that a unit which somebody changed is never overwritten unasked.

import { sha256Hex } from '../../core/secrets.ts';

export interface UnitFacts {
  /** A unit of one user's own manager; otherwise of the system's. */
  readonly kind: 'system' | 'user';
  readonly executable: string;
  /** Arguments of `serve`, paths absolute. */
  readonly serveArguments: readonly string[];
  /** Who runs it; for a system unit. */
  readonly account: string;
  readonly environmentFile: string;
  /** Folders that it writes to. */
  readonly writable: readonly string[];
  /** It listens on a port below 1024. */
  readonly lowPort: boolean;
  /** Something it needs lies below /home, /root or /run/user. */
  readonly inHome: boolean;
  readonly drainSeconds: number;
}

/** Beyond the drain: for writing, closing, and a successor that waits for its predecessor. */
const STOP_SLACK_SECONDS = 15;
/** A start may change the schema of a large data folder first. */
const START_SECONDS = 300;
const FILES_MAX = 65_536;

const marker = (text: string): string => `# Written by 'tollgate service install'; sha256 ${sha256Hex(text)}\n`;

export function unitText(facts: UnitFacts): string {
  const text = `${sections(facts).join('\n')}\n`;
  return `${marker(text)}${text}`;
}

/** Whether a unit is as we wrote it. */
export function isOurs(unit: string): boolean {
  const end = unit.indexOf('\n') + 1;
  return end > 0 && unit.slice(0, end) === marker(unit.slice(end));
}

function sections(facts: UnitFacts): readonly string[] {
  const { kind, executable, serveArguments, account, environmentFile, drainSeconds } = facts;
  const system = kind === 'system';
  return [
    '[Unit]',
    'Description=Tollgate, LLM API gateway',
    ...(system ? ['Wants=network-online.target', 'After=network-online.target'] : []),
    '',
    '[Service]',
    '# It says itself when it serves, and after an upgrade which process is the main one.',
    'Type=notify',
    'NotifyAccess=all',
    `ExecStart=${[executable, 'serve', ...serveArguments].map(quoted).join(' ')}`,
    'ExecReload=/bin/kill -HUP $MAINPID',
    ...(system ? [`User=${account}`] : []),
    '# Secrets, one NAME=value a line; only its owner may read it.',
    `EnvironmentFile=-${environmentFile}`,
    'Restart=on-failure',
    'RestartSec=2',
    '# A config that cannot be used does not get better by trying.',
    'RestartPreventExitStatus=2',
    `TimeoutStartSec=${START_SECONDS}`,
    `TimeoutStopSec=${drainSeconds + STOP_SLACK_SECONDS}`,
    `LimitNOFILE=${FILES_MAX}`,
    '',
    '# MemoryDenyWriteExecute must stay off: the JavaScript engine writes machine code.',
    ...(system ? systemHardening(facts) : hardening),
    '',
    '[Install]',
    `WantedBy=${system ? 'multi-user.target' : 'default.target'}`,
  ];
}

/** What needs no namespace: a user's own manager may not make one everywhere. */
const hardening = [
  'UMask=0077',
  'NoNewPrivileges=yes',
  'LockPersonality=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'RestrictNamespaces=yes',
  'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK',
  'SystemCallArchitectures=native',
  'SystemCallFilter=@system-service',
  'SystemCallErrorNumber=EPERM',
] as const;

function systemHardening({ writable, lowPort, inHome }: UnitFacts): readonly string[] {
  return [
    ...hardening,
    'ProtectSystem=strict',
    `ReadWritePaths=${writable.map(quoted).join(' ')}`,
    `ProtectHome=${inHome ? 'read-only' : 'yes'}`,
    'PrivateTmp=yes',
    'PrivateDevices=yes',
    'ProtectKernelTunables=yes',
    'ProtectKernelModules=yes',
    'ProtectKernelLogs=yes',
    'ProtectControlGroups=yes',
    'ProtectClock=yes',
    'ProtectHostname=yes',
    'ProtectProc=invisible',
    'RemoveIPC=yes',
    `CapabilityBoundingSet=${lowPort ? 'CAP_NET_BIND_SERVICE' : ''}`,
    ...(lowPort ? ['AmbientCapabilities=CAP_NET_BIND_SERVICE'] : []),
  ];
}

/** As one word of a unit's line: nothing in it is a specifier, a variable or a quote. */
export function quoted(word: string): string {
  const escaped = word.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/%/g, '%%').replace(/\$/g, '$$$$');
  return /^[\w@%+=:,./-]+$/.test(escaped) ? escaped : `"${escaped}"`;
}
