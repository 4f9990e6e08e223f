// The operator's own certificate and key, as files that somebody else renews. They are looked at by stat, and read
// again when they changed or when told to. What cannot be served is said in the log, and the one before it stays.

import { readFileSync, statSync } from 'node:fs';
import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import { TlsStartError } from './tls-settings.ts';
import { readPair, type CertificatePair } from './certificate-pair.ts';

export interface CertificateFilesOptions {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Takes a new pair into use; resolves when it is served. */
  readonly use: (pair: CertificatePair) => Promise<void>;
}

export interface CertificateFiles {
  /** The pair of the start. */
  readonly first: CertificatePair;
  /** Reads the files if they changed. To be called every minute. */
  check(): void;
  /** Reads them whether they changed or not. */
  reload(): void;
}

/** Somebody who renews by hand needs some days. */
const EXPIRY_WARNING_MS = 7 * 86_400_000;
const DAY_MS = 86_400_000;
const READABLE_BY_OTHERS = 0o004;
const FILE_BYTES_MAX = 1024 * 1024;

/** Throws an error with the remedy if the files cannot be served at the start. */
export function openCertificateFiles(options: CertificateFilesOptions): CertificateFiles {
  const { certFile, keyFile, clock, log } = options;
  let seen = signature(certFile, keyFile);
  const start = readFiles(certFile, keyFile, clock.now());
  if (!start.ok) throw new TlsStartError(start.message);
  let served = start.pair;
  /** On its way into use. */
  let taking: CertificatePair | undefined;
  let complaint: string | undefined;
  let warnedAt = -Infinity;

  const warnOfMode = () => {
    const mode = statSync(keyFile, { throwIfNoEntry: false })?.mode ?? 0;
    if (process.platform === 'win32' || (mode & READABLE_BY_OTHERS) === 0) return;
    log.warn('certificate', {
      file: keyFile,
      message: 'every user of this machine can read the private key; chmod 640 it',
    });
  };
  const load = (): void => {
    seen = signature(certFile, keyFile);
    const read = readFiles(certFile, keyFile, clock.now());
    if (!read.ok) {
      // One half of a pair that is being replaced is seen now and then: said once, and tried again.
      if (complaint !== read.message) {
        log.warn('certificate', { message: `${read.message}; the one before it is still served` });
      }
      complaint = read.message;
      return;
    }
    const { pair } = read;
    if (!samePair(pair, taking ?? served)) take(pair);
    else if (taking === undefined) complaint = undefined;
  };
  const take = (next: CertificatePair): void => {
    taking = next;
    options.use(next).then(
      () => {
        served = next;
        complaint = undefined;
        warnedAt = -Infinity;
        log.info('certificate', { message: 'a new certificate is served', file: certFile, until: day(next.notAfter) });
        warnOfMode();
        if (taking === next) taking = undefined;
      },
      (error: unknown) => {
        if (taking === next) taking = undefined;
        // With a complaint it is tried again at the next look.
        const message = `it cannot be served (${String(error)}); the one before it is still served`;
        if (complaint !== message) log.error('certificate', { message, file: certFile });
        complaint = message;
      },
    );
  };
  const warnOfExpiry = () => {
    const now = clock.now();
    const soonMs = Math.min(EXPIRY_WARNING_MS, (served.notAfter - served.notBefore) / 4);
    if (served.notAfter - now > soonMs || now - warnedAt < DAY_MS) return;
    warnedAt = now;
    log.warn('certificate', {
      message: now >= served.notAfter ? 'the certificate that is served has expired' : 'the certificate expires soon',
      file: certFile,
      until: day(served.notAfter),
    });
  };
  warnOfMode();
  warnOfExpiry();
  return {
    first: served,
    check() {
      if (complaint !== undefined || signature(certFile, keyFile) !== seen) load();
      warnOfExpiry();
    },
    reload: load,
  };
}

const samePair = (left: CertificatePair, right: CertificatePair): boolean =>
  left.cert === right.cert && left.key === right.key;

const day = (at: number): string => new Date(at).toISOString();

/** Changes with every replacement, also by a rename or behind a symbolic link. */
function signature(...files: readonly string[]): string {
  return files
    .map((file) => {
      try {
        const { ino, size, mtimeMs, ctimeMs } = statSync(file);
        return `${ino}:${size}:${mtimeMs}:${ctimeMs}`;
      } catch {
        return 'unreadable';
      }
    })
    .join(' ');
}

type FilesReading =
  { readonly ok: true; readonly pair: CertificatePair } | { readonly ok: false; readonly message: string };

function readFiles(certFile: string, keyFile: string, now: number): FilesReading {
  const cert = readText(certFile, '--tls-cert');
  if (!cert.ok) return cert;
  const key = readText(keyFile, '--tls-key');
  if (!key.ok) return key;
  const reading = readPair(cert.text, key.text, now);
  if (reading.ok) return reading;
  const [flag, file] = reading.part === 'certificate' ? ['--tls-cert', certFile] : ['--tls-key', keyFile];
  return { ok: false, message: `${flag}: ${file} ${reading.problem}` };
}

type TextReading = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly message: string };

function readText(file: string, flag: string): TextReading {
  try {
    if (statSync(file).size > FILE_BYTES_MAX) return { ok: false, message: `${flag}: ${file} is larger than 1 MiB` };
    return { ok: true, text: readFileSync(file, 'utf8') };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    const remedy = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code}); may this user read it?`;
    return { ok: false, message: `${flag}: ${file}: ${remedy}` };
  }
}
