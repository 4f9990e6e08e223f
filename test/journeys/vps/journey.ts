// From an empty user account to years of service, as an operator does it: the commands of docs/vps.md, each with its
// time. What must hold is checked on the way; the first thing that does not hold ends the journey.

import { existsSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { field } from '../../support/gateway.ts';
import { drainStreams } from './drain.ts';
import type { Host } from './host.ts';
import { chatRequest, talk } from './talk.ts';
import { startLoad, type LoadReport } from './load.ts';

export interface JourneyOptions {
  readonly host: Host;
  readonly executable: string;
  /** Another version of it; the same is handed over to as well. */
  readonly other: string;
  /** Callers of each kind while it is upgraded, and how long they call before and after. */
  readonly callers: number;
  readonly settleMs: number;
  /** Streams that are open when it is told to stop. */
  readonly streams: number;
  /** Go back to the first version before the stop: that waits until the port is one process's again. */
  readonly back: boolean;
  readonly say: (line: string) => void;
}

export interface Journey {
  readonly firstChargedCallMs: number;
  readonly totalMs: number;
  readonly loads: readonly LoadReport[];
}

const DRAIN_SECONDS = 3;

export async function travel(options: JourneyOptions): Promise<Journey> {
  try {
    return await travelled(options);
  } catch (error) {
    // Whoever holds the folder now was started by us.
    const owner = join(options.host.home, 'data/lock.owner');
    if (existsSync(owner)) killed(Number(readFileSync(owner, 'utf8')));
    await Bun.sleep(100);
    throw error;
  }
}

async function travelled(options: JourneyOptions): Promise<Journey> {
  const { host, executable, other, callers, settleMs, streams, back, say } = options;
  const { home, must, run } = host;
  const startedMs = performance.now();
  let lastMs = startedMs;
  const step = (name: string, more = '') => {
    const nowMs = performance.now();
    say(`${String(Math.round(nowMs - lastMs)).padStart(7)} ms  ${name}${more === '' ? '' : `: ${more}`}`);
    lastMs = nowMs;
  };
  const holds = (what: string, truth: boolean, seen: unknown = '') => {
    if (!truth) throw new Error(`${what} does not hold: ${typeof seen === 'string' ? seen : JSON.stringify(seen)}`);
  };

  await must(`mkdir -p bin && cp '${executable}' bin/tollgate && cp '${other}' tollgate-new`);
  step('copy the file');

  const port = freePort();
  const flags =
    `--data ${home}/data --port ${port} --public-url https://api.example.test --trusted-proxy 127.0.0.1 ` +
    `--log ${home}/tollgate.log --drain-seconds ${DRAIN_SECONDS}`;
  const before = await run(`bin/tollgate doctor ${flags}`);
  holds('doctor finds nothing wrong', before.exitCode === 0, before.output + before.errors);
  step('doctor');

  const unit = await must(`bin/tollgate service print --user ${flags}`);
  const planned = await must(`bin/tollgate service install --user --dry-run ${flags}`);
  holds('the dry run shows the unit', planned.includes(unit), planned);
  holds('and writes none', !existsSync(join(home, '.config/systemd')));
  step('service print, install --dry-run');

  const served = run(`exec bin/tollgate serve ${flags} > greeting.txt 2> errors.txt`);
  const greeting = await greeted(home, served);
  const [url, apiKey] = [`http://127.0.0.1:${port}`, keyIn(greeting, 'First API key')];
  const operatorKey = readFileSync(join(home, 'data/operator-key'), 'utf8').trim();
  step('start by hand, read the keys');

  const chat = (headers: string) =>
    `curl -sS -w '\\n%{http_code}' ${url}/v1/chat/completions -H 'authorization: Bearer ${apiKey}' ` +
    `-H 'content-type: application/json' ${headers} ` +
    `-d '{"model":"sim/echo","messages":[{"role":"user","content":"Hello"}]}'`;
  const forwarded = `-H 'host: api.example.test' -H 'x-forwarded-for: 198.51.100.7'`;
  holds('a call by the public name is answered', (await must(chat(forwarded))).endsWith('\n200'));
  const admin = async (path: string): Promise<unknown> =>
    JSON.parse(await must(`curl -sS ${url}/admin/v1${path} -H 'authorization: Bearer ${operatorKey}'`));
  const newest = field(await admin('/usage?limit=1'), 'items');
  const listed: unknown = Array.isArray(newest) ? newest[0] : undefined;
  const record = await admin(`/usage/${String(field(listed, 'requestId'))}`);
  holds('it is charged', BigInt(String(field(record, 'chargeNano'))) > 0n, record);
  const firstChargedCallMs = performance.now() - startedMs;
  step('first charged call', `${field(record, 'chargeNano')} nano`);

  holds('its address is the client’s', field(record, 'address') === '198.51.100.7', record);
  holds('another name is refused', (await must(chat(`-H 'host: evil.example'`))).endsWith('\n421'));
  const refused = await must(`curl -sS ${url}/v1/chat/completions -d '{}'`);
  holds('a call without a key is refused', refused.includes('authentication_error'), refused);
  const after = await run(`bin/tollgate doctor ${flags}`);
  holds('doctor sees it serve', after.exitCode === 0 && after.output.includes('it serves'), after.output);
  holds('so does its health', (await run(`bin/tollgate doctor --health --data ${home}/data`)).exitCode === 0);
  step('public name, proxy header, doctor again');

  const loads: LoadReport[] = [];
  const underLoad = async (name: string, act: () => Promise<string>) => {
    const load = startLoad({ url, apiKey, each: callers, pauseMs: 10 });
    await Bun.sleep(settleMs);
    const outcome = await act();
    await Bun.sleep(settleMs);
    const report = await load.stop();
    loads.push(report);
    holds(`${name}: no call fails`, report.failures.length === 0, report.failures.slice(0, 5));
    step(`${name} under load`, `${report.calls} calls, 0 failed, slowest ${report.slowestMs} ms; ${outcome}`);
  };
  const firstLine = async (line: string) => (await must(line)).trim().split('\n')[0] ?? '';
  await underLoad('backup', () => firstLine(`bin/tollgate backup --data ${home}/data --out ${home}/backup.tar.gz`));
  await must('ln -f bin/tollgate bin/tollgate-before && mv tollgate-new bin/tollgate');
  const idle = talk({ host: '127.0.0.1', port });
  const body = { model: 'sim/echo', messages: [{ role: 'user', content: 'now and then' }] };
  const request = chatRequest({ host: '127.0.0.1', apiKey }, body);
  idle.say(request);
  await idle.until((heard) => heard.includes('"usage"'));
  idle.forget();
  await underLoad('upgrade', () => firstLine(`bin/tollgate upgrade --data ${home}/data`));
  idle.say(request);
  const late = await idle.until((heard) => heard.includes('"usage"'));
  holds('a connection that was idle all the while is served', late.startsWith('HTTP/1.1 200 '), late);
  renameSync(join(home, 'tollgate.log'), join(home, 'moved.log'));
  if (back) {
    await must('mv bin/tollgate-before bin/tollgate');
    await underLoad('rollback', () => firstLine(`bin/tollgate upgrade --data ${home}/data`));
  }

  const pid = Number(readFileSync(join(home, 'data/lock.owner'), 'utf8'));
  const drained = await drainStreams({ url, apiKey, streams, stop: () => process.kill(pid, 'SIGTERM') });
  const expected = { done: streams / 2, shutting_down: streams / 2 };
  holds('every stream ends well-formed', Bun.deepEquals(drained.ends, expected), drained);
  const refusal = { status: 503, retryAfter: '1', closes: true };
  holds('a new call is refused with a hint', Bun.deepEquals(drained.newCall, refusal), drained);
  holds('it is not ready', drained.readyStatus === 503, drained);
  const first = await served;
  holds('the first process left with 0', first.exitCode === 0, first);
  await gone(pid);
  step(`drain of ${streams} streams`, JSON.stringify(drained.ends));

  const verified = await must(`bin/tollgate verify --data ${home}/data`);
  holds('the books are in order', /^0 open holds[^]*the books are in order/m.test(verified), verified);
  const calls = loads.reduce((sum, load) => sum + load.calls, 0);
  // One call by the public name, two on the idle connection, one on the connection that the drain found open.
  const records = calls + streams + 4;
  holds('every call has one record', verified.startsWith(`${records} usage records`), `${calls} ${verified}`);
  step('verify', verified.split('\n')[0] ?? '');

  await must(`bin/tollgate restore ${home}/backup.tar.gz --data ${home}/restored`);
  const restored = await must(`bin/tollgate verify --data ${home}/restored`);
  holds('the restored books are in order', restored.includes('the books are in order'), restored);
  step('restore, verify', restored.split('\n')[0] ?? '');
  // Moved away after the upgrade; what came later stands in a new one.
  for (const name of ['tollgate.log', 'moved.log']) {
    const path = join(home, name);
    const told = name === 'moved.log' ? 'upgrade' : 'stopping';
    holds(`${name} tells of it`, readFileSync(path, 'utf8').includes(`"event":"${told}"`), path);
    holds(`${name} is private`, (statSync(path).mode & 0o077) === 0);
  }
  return { firstChargedCallMs, totalMs: performance.now() - startedMs, loads };
}

function killed(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has gone by itself.
  }
}

const START_MAX_MS = 30_000;

/** What it prints at its first start. */
async function greeted(home: string, served: Promise<{ readonly exitCode: number }>): Promise<string> {
  let ended = false;
  void served.then(() => (ended = true));
  for (const untilMs = performance.now() + START_MAX_MS; performance.now() < untilMs && !ended; await Bun.sleep(10)) {
    const path = join(home, 'greeting.txt');
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    if (text.includes('Try it:') && text.endsWith('\n')) return text;
  }
  const names = readdirSync(home).filter((name) => name === 'errors.txt');
  throw new Error(`it did not start: ${names.map((name) => readFileSync(join(home, name), 'utf8')).join('')}`);
}

const keyIn = (greeting: string, title: string): string =>
  new RegExp(`${title}.*\\n\\s+(\\S+)`).exec(greeting)?.[1] ?? '';

function freePort(): number {
  const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}

async function gone(pid: number): Promise<void> {
  for (const untilMs = performance.now() + 10_000; ; await Bun.sleep(20)) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    if (performance.now() > untilMs) throw new Error(`process ${pid} is still there`);
  }
}
