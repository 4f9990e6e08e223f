// Throw-away certificates for TLS tests, made by openssl in a temporary folder.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** Self-signed, for a DNS name or `IP:…`, good for two days; `expired` ended in the past. */
export function makeCertificate(
  subject: string,
  options: { readonly expired?: boolean; readonly days?: number } = {},
): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-cert-'));
  try {
    const name = subject.startsWith('IP:') ? subject : `DNS:${subject}`;
    const keyFile = join(folder, 'key.pem');
    const certFile = join(folder, 'cert.pem');
    run(['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-out', keyFile]);
    if (options.expired === true) makeExpired(folder, keyFile, certFile, name);
    else {
      run(['req', '-x509', '-key', keyFile, '-out', certFile, '-subj', '/CN=upstream', '-days', `${options.days ?? 2}`,
        '-addext', `subjectAltName=${name}`]);
    }
    return { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `req -x509` cannot set dates in older openssl versions, `ca` can. */
function makeExpired(folder: string, keyFile: string, certFile: string, name: string): void {
  const config = join(folder, 'ca.cnf');
  const request = join(folder, 'request.pem');
  writeFileSync(join(folder, 'index.txt'), '');
  writeFileSync(join(folder, 'serial'), '01');
  writeFileSync(config, [
    '[ca]', 'default_ca=own', '[own]', `database=${folder}/index.txt`, `new_certs_dir=${folder}`,
    `serial=${folder}/serial`, 'default_md=sha256', 'policy=any', 'x509_extensions=names',
    '[any]', 'commonName=supplied', '[names]', `subjectAltName=${name}`, '[req]', 'distinguished_name=dn', '[dn]',
  ].join('\n'));
  run(['req', '-new', '-key', keyFile, '-out', request, '-subj', '/CN=upstream', '-config', config]);
  run(['ca', '-batch', '-selfsign', '-config', config, '-keyfile', keyFile, '-in', request, '-out', certFile,
    '-startdate', '20200101000000Z', '-enddate', '20210101000000Z', '-notext']);
}

function run(args: readonly string[]): void {
  const done = Bun.spawnSync(['openssl', ...args]);
  if (done.exitCode !== 0) throw new Error(`openssl ${args[0]} failed: ${done.stderr.toString()}`);
}
