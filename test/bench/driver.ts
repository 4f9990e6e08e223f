// The load driver: one `Load` as JSON on the command line, one `LoadResult` as the last line of its output. Every reply
// is checked, and only right ones are counted and timed. Loopback only; bounded in count and in time.

import { faultOf, tokensOf } from './check-reply.ts';
import { connect, type Connection } from './connection.ts';
import { percentiles, type Load, type LoadResult } from './load.ts';
import { NONCE_LENGTH } from './mock-replies.ts';

const SAMPLE_CHARACTERS = 300;
const WARM_CONNECTIONS = 8;

/** Text before and after the nonce of a request. */
function requestAround(load: Load): { readonly before: string; readonly after: string } {
  const url = new URL(load.url);
  if (url.hostname !== '127.0.0.1') throw new Error(`the driver loads 127.0.0.1 only, not ${url.hostname}`);
  const bodyBefore =
    '{"model":"gpt-4o-mini","messages":[{"role":"system","content":"You are a helpful assistant who answers in one ' +
    'short paragraph."},{"role":"user","content":"[#';
  const streaming = load.stream ? ',"stream":true,"stream_options":{"include_usage":true}' : '';
  const bodyAfter =
    `:${load.script}] Explain what the loopback interface is and why a benchmark should stay on it."}],` +
    `"temperature":0.2,"max_tokens":256${streaming}}`;
  const head = [
    `POST ${url.pathname} HTTP/1.1`,
    `host: ${url.host}`,
    'content-type: application/json',
    'accept: application/json',
    'user-agent: bench',
    ...load.headers,
    `content-length: ${bodyBefore.length + NONCE_LENGTH + bodyAfter.length}`,
  ];
  return { before: `${head.join('\r\n')}\r\n\r\n${bodyBefore}`, after: bodyAfter };
}

interface Tally {
  readonly latencyMs: number[];
  readonly firstTokenMs: number[];
  readonly bad: Record<string, number>;
  example: string | undefined;
  sent: number;
  finished: number;
}

/** A connection that knows which request it carries. */
interface Lane {
  readonly connection: Connection;
  start(dueAtMs: number): void;
}

interface Driver {
  readonly tally: Tally;
  fail(why: string, sample: string): void;
  /** `ended` is called once for each request that was started. */
  openLane(ended: (lane: Lane) => void): Promise<Lane>;
}

function createDriver(load: Load): Driver {
  const { before, after } = requestAround(load);
  const port = Number(new URL(load.url).port);
  const tokens = tokensOf(load.script);
  const prefix = Math.random().toString(36).slice(2, 8).padEnd(6, 'x');
  const tally: Tally = { latencyMs: [], firstTokenMs: [], bad: {}, example: undefined, sent: 0, finished: 0 };

  const fail = (why: string, sample: string): void => {
    tally.bad[why] = (tally.bad[why] ?? 0) + 1;
    tally.example ??= `${why}: ${sample.slice(-SAMPLE_CHARACTERS)}`;
  };

  const openLane = async (ended: (lane: Lane) => void): Promise<Lane> => {
    let nonce = '';
    let startedAtMs = 0;
    const connection = await connect(port, {
      onReply(reply) {
        const nowMs = performance.now();
        const fault = faultOf(reply, nonce, load.stream ? tokens : undefined);
        if (fault === undefined) {
          tally.latencyMs.push(nowMs - startedAtMs);
          if (load.stream) tally.firstTokenMs.push(reply.firstByteAtMs - startedAtMs);
        } else fail(fault, reply.body);
        tally.finished++;
        ended(lane);
      },
      onLost(got) {
        fail('connection lost', got);
        tally.finished++;
        ended(lane);
      },
    });
    const lane: Lane = {
      connection,
      start(dueAtMs) {
        nonce = prefix + (tally.sent++).toString(36).padStart(NONCE_LENGTH - prefix.length, '0');
        startedAtMs = dueAtMs;
        connection.send(before + nonce + after);
      },
    };
    return lane;
  };
  return { tally, fail, openLane };
}

/** Each connection sends its next request when it has its reply. */
async function runClosed(driver: Driver, load: Load, durationMs: number, count: number): Promise<void> {
  const endAtMs = performance.now() + durationMs;
  const { promise, resolve } = Promise.withResolvers<void>();
  let open = 0;
  const more = (): boolean => driver.tally.sent < count && performance.now() < endAtMs;
  const next = (lane: Lane): void => {
    if (!more()) {
      if (--open === 0) resolve();
    } else if (lane.connection.alive) lane.start(performance.now());
    else {
      driver.openLane(next).then(
        (fresh) => fresh.start(performance.now()),
        () => {
          driver.fail('no connection', '');
          if (--open === 0) resolve();
        },
      );
    }
  };
  const lanes: Lane[] = [];
  for (let at = 0; at < load.connections; at++) lanes.push(await driver.openLane(next));
  for (const lane of lanes) {
    if (!more()) break;
    open++;
    lane.start(performance.now());
  }
  if (open > 0) await promise;
}

/** Requests on a schedule, on as many connections as it takes up to the bound. */
async function runOpen(driver: Driver, load: Load, perSecond: number, durationMs: number): Promise<void> {
  const total = Math.round((perSecond * durationMs) / 1000);
  const { promise, resolve } = Promise.withResolvers<void>();
  const idle: Lane[] = [];
  const waiting: number[] = [];
  let lanes = 0;
  const ended = (lane: Lane): void => {
    if (driver.tally.finished >= total) resolve();
    const dueAtMs = lane.connection.alive ? waiting.shift() : undefined;
    if (dueAtMs !== undefined) lane.start(dueAtMs);
    else if (lane.connection.alive) idle.push(lane);
    else lanes--;
  };
  const startNew = (dueAtMs: number): void => {
    lanes++;
    driver.openLane(ended).then(
      (lane) => lane.start(dueAtMs),
      () => {
        lanes--;
        driver.fail('no connection', '');
        if (++driver.tally.finished >= total) resolve();
      },
    );
  };
  for (let at = 0; at < Math.min(load.connections, WARM_CONNECTIONS); at++, lanes++)
    idle.push(await driver.openLane(ended));
  const startMs = performance.now();
  let due = 0;
  const fire = (): void => {
    for (; due < total && startMs + (due * 1000) / perSecond <= performance.now(); due++) {
      const nowMs = performance.now();
      const lane = idle.pop();
      if (lane?.connection.alive) lane.start(nowMs);
      else if (lanes < load.connections) startNew(nowMs);
      else waiting.push(nowMs);
    }
    if (due < total) setTimeout(fire, 1);
  };
  fire();
  await promise;
}

async function drive(load: Load): Promise<LoadResult> {
  const driver = createDriver(load);
  const startMs = performance.now();
  const cpuBefore = process.cpuUsage();
  const { pattern } = load;
  const run =
    pattern.kind === 'closed'
      ? runClosed(driver, load, pattern.durationMs ?? load.timeoutMs, pattern.count ?? Number.POSITIVE_INFINITY)
      : runOpen(driver, load, pattern.perSecond, pattern.durationMs);
  const outcome = await Promise.race([run.then(() => 'ended'), Bun.sleep(load.timeoutMs).then(() => 'late')]);
  const { tally } = driver;
  if (outcome === 'late') driver.fail('driver timed out', `${tally.sent - tally.finished} requests open`);
  const cpu = process.cpuUsage(cpuBefore);
  return {
    ok: tally.latencyMs.length,
    bad: tally.bad,
    ...(tally.example === undefined ? {} : { example: tally.example }),
    seconds: (performance.now() - startMs) / 1000,
    latencyMs: percentiles(tally.latencyMs),
    firstTokenMs: percentiles(tally.firstTokenMs),
    driverCpuMs: (cpu.user + cpu.system) / 1000,
  };
}

const load: Load = JSON.parse(process.argv[2] ?? '{}');
console.log(JSON.stringify(await drive(load)));
process.exit(0);
