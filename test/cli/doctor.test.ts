// Each usual mistake is made, and found; what is in order is not complained of; no secret is printed.

import { describe, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { certificateFindings } from '../../src/cli/doctor/certificates.ts';
import { diskFindings, systemDisk, type DiskProbes } from '../../src/cli/doctor/disk.ts';
import type { Finding } from '../../src/cli/doctor/finding.ts';
import { addressFindings, holderOf, portFindings } from '../../src/cli/doctor/listening.ts';
import { machineFindings, systemMachine, type MachineProbes } from '../../src/cli/doctor/machine.ts';
import { isHealthy, runningFindings, upstreamFindings } from '../../src/cli/doctor/reach.ts';
import { configFindings, environmentFindings } from '../../src/cli/doctor/settings.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { placeNowhere } from '../../src/cli/simulator-place.ts';
import { readEnvironment } from '../../src/environment.ts';
import { fromEnvironment } from '../../src/plugin/index.ts';
import { makeCertificate } from '../pipeline/transport/certificates.ts';
import { scratchFolders } from '../store/scratch.ts';
import { command } from '../support/commands.ts';
import { startTestGateway, testConfig } from '../support/gateway.ts';

const scratch = scratchFolders();
const bad = (findings: readonly Finding[]) => findings.filter(({ level }) => level !== 'good');
/** `wrong: what`, of everything that is amiss. */
const said = (findings: readonly Finding[]) => bad(findings).map(({ level, what }) => `${level}: ${what}`);

describe('the data folder', () => {
  const roomy = { type: 0xef53, bsize: 4096, blocks: 100_000_000, bavail: 90_000_000, files: 1e6, ffree: 1e6 };
  const disk = (over: Partial<DiskProbes> = {}): DiskProbes => ({
    fileSystemOf: () => roomy, syncMs: () => 0.5, writable: () => true, ...over,
  });
  const of = (over: Partial<typeof roomy>) => disk({ fileSystemOf: () => ({ ...roomy, ...over }) });

  test('on a real disk is measured, and nothing is left behind', () => {
    const folder = scratch();
    const findings = diskFindings(folder, { ...systemDisk, fileSystemOf: () => roomy });
    expect(bad(findings.filter(({ what }) => !what.includes('is on the disk in')))).toEqual([]);
    expect(findings.map(({ what }) => what).join('\n')).toMatch(/a write is on the disk in \d/);
    expect([...new Bun.Glob('**').scanSync({ cwd: folder, dot: true })]).toEqual([]);
  });

  test('that is not there yet is no mistake', () => {
    expect(bad(diskFindings(join(scratch(), 'data'), disk()))).toEqual([]);
  });

  test.each([
    ['NFS', of({ type: 0x6969 }), 'network file system (NFS)'],
    ['sshfs', of({ type: 0x65735546 }), 'network file system (FUSE)'],
    ['CIFS, whose number has the highest bit', of({ type: 0xff534d42 | 0 }), 'network file system (CIFS)'],
    ['memory', of({ type: 0x01021994 }), 'memory, not a disk'],
    ['the layer of a container', of({ type: 0x794c7630 }), 'own layer'],
    ['a full disk', of({ bavail: 10_000 }), '39 MiB are free'],
    ['a disk without inodes', of({ ffree: 12 }), 'only 12 files'],
    ['a folder of somebody else', disk({ writable: () => false }), 'may not write here'],
  ])('%s is wrong', (_, probes, what) => {
    const findings = bad(diskFindings(scratch(), probes));
    expect(findings).toMatchObject([{ level: 'wrong' }]);
    expect(findings[0]?.what).toContain(what);
  });

  test('that is a file is wrong', () => {
    const file = join(scratch(), 'data');
    writeFileSync(file, '');
    expect(said(diskFindings(file))).toEqual(['wrong: this is a file']);
  });

  test('a slow disk and little room are risky', () => {
    const slow = disk({ syncMs: () => 45 });
    expect(said(diskFindings(scratch(), slow))).toEqual(['risky: a write is on the disk in 45 ms']);
    expect(said(diskFindings(scratch(), of({ bavail: 200_000 })))).toEqual(['risky: only 781 MiB are free']);
  });

  test('that others may write to, or a key that they may read, is wrong', () => {
    const folder = scratch();
    writeFileSync(join(folder, 'operator-key'), 'opk', { mode: 0o644 });
    chmodSync(folder, 0o777);
    const findings = said(diskFindings(folder, disk()));
    expect(findings).toHaveLength(2);
    expect(findings.join('\n')).toContain('Other users can read this key');
  });
});

describe('where it listens', () => {
  const host = '127.0.0.1';

  test('a taken port says by whom', () => {
    const server = Bun.listen({ hostname: host, port: 0, socket: { data() {} } });
    try {
      expect(holderOf(server.port)?.pid).toBe(process.pid);
      const [taken] = said(portFindings({ host, port: server.port }, undefined));
      expect(taken).toContain(`taken by process ${process.pid}`);
      expect(bad(portFindings({ host, port: server.port }, process.pid))).toEqual([]);
    } finally {
      server.stop(true);
    }
    expect(bad(portFindings({ host, port: server.port }, undefined))).toEqual([]);
  });

  test('a port without the right to it, and an address of another machine', () => {
    expect(said(portFindings({ host, port: 443 }, undefined, () => 'EACCES'))[0]).toContain('may not listen below');
    const elsewhere = said(portFindings({ host: '192.0.2.7', port: 0 }, undefined));
    expect(elsewhere).toEqual(['wrong: this machine has no such address']);
    const [beside] = portFindings({ host, port: 80 }, undefined, () => 'EACCES', '--http-port');
    expect(beside?.about).toBe('--http-port 80');
  });

  const face = { host, publicUrl: undefined, hostNames: [], trustedProxies: [] };
  const faced = (over: Partial<Parameters<typeof addressFindings>[0]>, secured = false) =>
    said(addressFindings({ ...face, ...over }, secured, []));

  test('alone on this machine, or in order behind a proxy, is fine', () => {
    const publicUrl = 'https://api.example.com';
    expect(faced({})).toEqual([]);
    expect(faced({ publicUrl, trustedProxies: ['127.0.0.1'], hostNames: ['api.example.com', '::1'] })).toEqual([]);
    expect(faced({ host: '0.0.0.0', publicUrl }, true)).toEqual([]);
  });

  test.each([
    ['plain HTTP for everybody', { host: '0.0.0.0', publicUrl: 'http://127.0.0.1:8787' }, 'plain HTTP'],
    ['https without TLS or proxy', { publicUrl: 'https://api.example.com' }, 'neither TLS nor a trusted proxy'],
    ['http in public', { publicUrl: 'http://api.example.com', trustedProxies: ['127.0.0.1'] }, 'it says http'],
    ['no public address behind a proxy', { trustedProxies: ['127.0.0.1'] }, 'it is not set'],
    ['everybody a proxy', { publicUrl: 'https://a.example', trustedProxies: ['0.0.0.0/0'] }, 'this is everybody'],
    ['everybody a proxy, in IPv6', { publicUrl: 'https://a.example', trustedProxies: ['::/0'] }, 'this is everybody'],
    ['a wide range', { publicUrl: 'https://a.example', trustedProxies: ['8.0.0.0/5'] }, 'very wide'],
    ['a range that is none', { publicUrl: 'https://a.example', trustedProxies: ['10.0.0.0/40'] }, ''],
    ['a name with its scheme', { hostNames: ['https://a.example'] }, 'no host name'],
    ['a name with its port', { hostNames: ['a.example:443'] }, 'no host name'],
    ['a wildcard', { hostNames: ['*.a.example'] }, 'no host name'],
  ])('%s', (_, over, what) => {
    const findings = faced(over);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toContain(what);
  });
});

describe('the certificate', () => {
  const files = (certificate = makeCertificate('gw.example', { days: 90 }), key = certificate.key) => {
    const folder = scratch();
    const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    writeFileSync(certFile, certificate.cert);
    writeFileSync(keyFile, key, { mode: 0o600 });
    return { certFile, keyFile };
  };
  const found = (made: ReturnType<typeof files>, now = Date.now(), names: readonly string[] = ['gw.example']) =>
    said(certificateFindings(made, names, now));

  test('in force, for our name and with its key, is fine', () => {
    expect(found(files())).toEqual([]);
  });

  test('that is expired, ends soon, is for another name, or has another key', () => {
    expect(found(files(makeCertificate('gw.example', { expired: true })))[0]).toStartWith('wrong: it expired on');
    expect(found(files(makeCertificate('gw.example')))[0]).toStartWith('risky: it ends on');
    expect(found(files(), Date.now(), ['api.example'])).toEqual(['wrong: it is not for api.example']);
    expect(found(files(undefined, makeCertificate('gw.example').key))[0]).toContain('does not belong');
  });

  test('that cannot be read, or whose key others can read', () => {
    const made = files();
    expect(found({ ...made, keyFile: join(scratch(), 'none') })).toEqual(['wrong: it cannot be read (ENOENT)']);
    chmodSync(made.keyFile, 0o644);
    expect(found(made)).toEqual(['risky: other users can read it']);
    // As a start has it: whoever renews it gives it to the group of the account that serves.
    chmodSync(made.keyFile, 0o640);
    expect(found(made)).toEqual([]);
    writeFileSync(made.certFile, 'no certificate');
    const findings = certificateFindings(made, [], Date.now());
    expect(said(findings)[0]).toContain('no readable PEM certificate');
    expect(JSON.stringify(findings)).not.toContain('BEGIN PRIVATE');
  });
});

describe('the machine', () => {
  const root = (files: Readonly<Record<string, string>> = {}) => {
    const folder = scratch();
    const all = {
      'proc/self/limits': 'Max open files            1024                 65536                files\n',
      'proc/meminfo': 'MemAvailable:    4000000 kB\n',
      'proc/sys/kernel/osrelease': '6.1.0-13-amd64\n',
      'proc/self/cgroup': '0::/system.slice/tollgate.service\n',
      ...files,
    };
    for (const [path, text] of Object.entries(all)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    return folder;
  };
  const machine = (over: Partial<MachineProbes> = {}): MachineProbes => ({
    root: root(), now: Date.UTC(2026, 10, 28), clockSynchronised: async () => true, userId: 1000, executable: undefined,
    ...over,
  });
  const found = async (over: Partial<MachineProbes>, streams = 1_000) =>
    said(await machineFindings(machine(over), streams));

  test('in order is fine', async () => {
    expect(await found({})).toEqual([]);
  });

  const limit = '134217728\n';

  test('few open files', async () => {
    expect(await found({}, 40_000)).toContain('wrong: only 65536 may be open; 40000 streams need 80200');
  });

  test.each([
    ['of one hierarchy', { 'sys/fs/cgroup/system.slice/tollgate.service/memory.max': limit }],
    ['inside a container', { 'sys/fs/cgroup/memory.max': limit }],
    ['of the old kind', { 'proc/self/cgroup': '4:memory:/box\n', 'sys/fs/cgroup/memory/box/memory.limit_in_bytes': limit }],
  ])('a control group that is too small, %s', async (_, files) => {
    expect((await found({ root: root(files) }))[0]).toStartWith('wrong: the control group allows 128 MiB');
  });

  test('no limit is no finding', async () => {
    expect(await found({ root: root({ 'sys/fs/cgroup/memory.max': 'max\n' }) })).toEqual([]);
  });

  test('little memory, strict overcommit, an old kernel', async () => {
    const files = { 'proc/meminfo': 'MemAvailable: 60000 kB\n', 'proc/sys/vm/overcommit_memory': '2\n' };
    expect(await found({ root: root(files) })).toMatchObject([
      expect.stringContaining('59 MiB are left'), 'risky: vm.overcommit_memory is 2',
    ]);
    const kernel = { 'proc/sys/kernel/osrelease': '3.10.0-1160\n' };
    expect(await found({ root: root(kernel) })).toEqual(['risky: 3.10.0-1160 is old']);
  });

  test('a clock that is wrong, or that nothing keeps right', async () => {
    expect(await found({ now: 0 })).toEqual(['wrong: it says 1970-01-01']);
    expect((await found({ clockSynchronised: async () => false }))[0]).toStartWith('risky: nothing keeps it right');
  });

  test('root, and an executable where others may put another', async () => {
    const executable = join(scratch(), 'tollgate');
    writeFileSync(executable, '');
    expect(await found({ userId: 0, executable })).toMatchObject([
      'risky: this is root', expect.stringContaining('which is emptied'),
    ]);
  });

  test('this one can be asked everything', async () => {
    const kinds = (await machineFindings(systemMachine(undefined), 1)).map(({ about }) => about);
    expect(kinds).toEqual(expect.arrayContaining(['open files', 'memory', 'kernel']));
    expect(await systemMachine(undefined).clockSynchronised()).toBeBoolean();
  });
});

const upstreams = [
  ...testConfig().upstreams,
  {
    name: 'vendor', provider: 'openai-compatible', baseUrl: 'https://api.example.com/v1',
    credential: fromEnvironment('VENDOR_KEY'),
  },
];

describe('what is set', () => {
  const resolved = (more: Parameters<typeof testConfig>[0], variables: Readonly<Record<string, string>> = {}) =>
    resolveConfig(placeNowhere(testConfig(more)), { secret: (name) => variables[name], preset: undefined });

  test('a missing secret is named', () => {
    expect(said(configFindings(resolved({ upstreams })))).toEqual(['wrong: upstreams[1].credential: VENDOR_KEY is not in the environment']);
  });

  test('no upstream but the simulator', () => {
    expect(said(configFindings(resolved({})))).toContain('risky: there is only the simulator');
    expect(said(configFindings(resolved({ upstreams }, { VENDOR_KEY: 'secret-of-the-vendor' })))).toEqual([]);
  });

  test('a misspelt variable, with the one that was meant', () => {
    const environment = readEnvironment({ TOLLGATE_PUBLICURL: 'a', TOLLGATE_PORT: '1', TOLLGATE_OWN: 'x' });
    expect(bad(environmentFindings(environment, new Set(['TOLLGATE_OWN'])))).toMatchObject([
      { level: 'wrong', about: 'TOLLGATE_PUBLICURL', remedy: 'meant: TOLLGATE_PUBLIC_URL?' },
    ]);
  });

  test('variables that decide what the engine runs, and a proxy that is not used', () => {
    const variables = { BUN_OPTIONS: '--preload x', HTTPS_PROXY: 'http://user:pass@p', BUN_BE_BUN: '' };
    const environment = readEnvironment(variables);
    const findings = bad(environmentFindings(environment, new Set()));
    expect(findings.map(({ about }) => about)).toEqual(['BUN_OPTIONS', 'HTTPS_PROXY']);
    expect(JSON.stringify(findings)).not.toMatch(/pass|preload/);
  });

  test.each([
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a-secret-without-its-name'],
    ['OTEL_TRACES_SAMPLER', 'a-secret-sampler'],
  ])('%s that a start would refuse', async (name, value) => {
    const variables = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', [name]: value };
    const doctor = await command(['doctor', '--data', scratch(), '--port', '0'], variables);
    expect(doctor.output).toContain(`WRONG  ${name}: `);
    const check = await command(['check'], variables);
    expect([doctor.exitCode, check.exitCode]).toEqual([1, 1]);
    expect(check.errors).toContain(`${name}: `);
    expect(`${doctor.output}${check.output}${check.errors}`).not.toContain('a-secret');
    expect((await command(['check'], { [name]: value })).exitCode).toBe(0);
  });
});

describe('what answers', () => {
  const running = { pid: 7, url: 'http://127.0.0.1:1', startedAt: '' };

  test('a process that does not answer, or is not ready', async () => {
    expect((await runningFindings(running))[0]).toMatchObject({ level: 'wrong' });
    expect(said(await runningFindings(running, async () => ({ status: 503, offMs: 0 })))).toEqual([
      'wrong: it is not ready (status 503)',
    ]);
    expect(await runningFindings(undefined)).toEqual([]);
  });

  test('an upstream that does not answer, and a clock that is off', async () => {
    const config = placeNowhere(testConfig({ upstreams }));
    const result = resolveConfig(config, { secret: () => 'secret-of-the-vendor', preset: undefined });
    if (!result.ok) throw new Error('the config is wrong');
    expect(said(await upstreamFindings(result.resolved, async () => 'ENOTFOUND'))).toEqual([
      'wrong: api.example.com does not answer (ENOTFOUND)',
    ]);
    const late = await upstreamFindings(result.resolved, async () => ({ status: 401, offMs: 90_000 }));
    expect(said(late)).toEqual(['risky: it is 90 seconds off, by the date of api.example.com']);
  });
});

test('the command tells of the process that serves, and prints no secret', async () => {
  const gateway = await startTestGateway();
  const { port } = gateway.serving.server;
  const secret = 'a-very-secret-master-key';
  const words = ['--data', gateway.dataFolder, '--port', `${port}`];
  const variables = { TOLLGATE_MASTER_KEY: secret, TOLLGATE_LOGS: secret };
  const { output, exitCode } = await command(['doctor', ...words], variables);
  expect(output).toContain(`process ${process.pid} serves on it`);
  expect(output).toContain('it serves, and can write its ledger');
  expect(output).toContain('TOLLGATE_LOGS: nothing reads this variable');
  expect(exitCode).toBe(1);
  expect(output).not.toContain(secret);
  expect(output).not.toContain(gateway.operatorKey);
  expect(await isHealthy(gateway.dataFolder)).toBeTrue();
  await gateway.stop();
  expect(await isHealthy(gateway.dataFolder)).toBeFalse();
});

test('a config that cannot be loaded is a finding among others', async () => {
  const config = join(scratch(), 'gateway.config.ts');
  writeFileSync(config, 'export default 7 +;');
  const { output, exitCode } = await command(['doctor', '--data', scratch(), '--port', '0', '--config', config]);
  expect(output).toContain('WRONG  config: config: Unexpected ; (gateway.config.ts:1)');
  expect(output).toContain('are free');
  expect(exitCode).toBe(1);
});
