// What the protocols cost besides chunks: a body of 1 MB in the client's own protocol, beside nginx that relays the
// same; and memory while 10,000 translated streams go by. Not a test: `bun test/bench/protocols-bench.ts [rounds]` with
// `dist/tollgate` built.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cores, pinning, stopChildren } from './children.ts';
import { median } from './load.ts';
import { readCpu, residentMb } from './process-figures.ts';
import { drive } from './studies.ts';
import { startBare, startMock, startNginx, type Target } from './targets.ts';
import { startTollgate } from './tollgate-target.ts';
import { startTranslated } from './translated-targets.ts';

const executable = resolve(import.meta.dir, '../../dist/tollgate');
const BODY_BYTES = 1_000_000;
const REQUESTS = 120;
const WARM_UP_ROUNDS = 6;
const AT_ONCE = 4;
const NGINX_MAX = 2.5;
const STREAMS = 10_000;
const STREAMS_EACH = 1_000;

/** What a conversation of that size is made of: 40 turns that an agent read, and a last one of its user. */
const texts = {
  /** Files of a project, this one's: some quotation marks in a thousand characters. */
  files: filesText(),
  /** Twenty times as many: each is escaped, and a search for the end of the string stops there. */
  quotations:
    'A gateway relays what it is given,\nand counts it; it says "so" to whoever wants to know about it. '.repeat(
      BODY_BYTES / 100,
    ),
} as const;

function filesText(): string {
  const folder = resolve(import.meta.dir, '../../src');
  const paths = [...new Bun.Glob('**/*.ts').scanSync(folder)].toSorted();
  return paths.map((path) => `${path}\n${readFileSync(join(folder, path), 'utf8')}`).join('\n');
}

/** Requests by protocol: path at the gateway and at the mock, body. */
function asksOf(text: string) {
  const each = BODY_BYTES / 40 / (JSON.stringify(text).length / text.length);
  const turns = Array.from({ length: 40 }, (_, turn) => ({
    role: turn % 2 === 0 ? 'user' : 'assistant',
    content: `[#0123456789ab:c5-d0] ${text.slice(turn * each, (turn + 1) * each)}`,
  }));
  const messages = [...turns, { role: 'user', content: 'Go on.' }];
  const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } }];
  const contents = messages.map(({ role, content }) => ({
    role: role === 'user' ? role : 'model',
    parts: [{ text: content }],
  }));
  return {
    'openai-chat': ['/v1/chat/completions', '/v1/chat/completions', { model: 'gpt-4.1-mini', messages, tools }],
    'openai-responses': ['/v1/responses', '/v1/responses', { model: 'gpt-4o-mini', input: messages }],
    'anthropic-messages': ['/v1/messages', '/v1/messages', { model: 'gpt-4o-mini', max_tokens: 99, messages }],
    'gemini-generate': [
      '/v1beta/models/gpt-4o-mini:generateContent',
      '/v1/models/gpt-4o-mini:generateContent',
      { contents },
    ],
  } as const;
}

/** CPU of the target for a request, in microseconds. */
async function cpuEach(target: Target, path: string, body: string): Promise<number> {
  const [name = '', value = ''] = target.headers[0]?.split(/: (.*)/) ?? [];
  const before = readCpu(target.child.pid).totalMs;
  let left = REQUESTS;
  const lane = async (): Promise<void> => {
    while (left-- > 0) {
      const headers = { [name]: value, 'content-type': 'application/json' };
      const response = await fetch(new URL(path, target.url), { method: 'POST', headers, body });
      const text = await response.text();
      if (response.status !== 200) throw new Error(`${target.name} ${path}: ${response.status} ${text.slice(0, 300)}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return ((readCpu(target.child.pid).totalMs - before) * 1000) / REQUESTS;
}

async function measureBodies(
  kind: keyof typeof texts,
  targets: Readonly<Record<keyof ReturnType<typeof asksOf>, Target>>,
  nginx: Target,
  bare: Target,
): Promise<void> {
  const asks = asksOf(texts[kind]);
  for (const protocol of ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini-generate'] as const) {
    const [path, upstreamPath, value] = asks[protocol];
    const body = JSON.stringify(value);
    const ratios: number[] = [];
    const bares: number[] = [];
    const ours: number[] = [];
    // The first rounds warm up: what is compiled for so long a body is compiled by then.
    for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
      const own = await cpuEach(targets[protocol], path, body);
      const theirs = await cpuEach(nginx, upstreamPath, body);
      const plain = await cpuEach(bare, upstreamPath, body);
      if (round < 0) continue;
      bares.push(plain / theirs);
      ours.push(own);
      ratios.push(own / theirs);
    }
    const ratio = median(ratios);
    const spread = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
    const verdict = ratio <= NGINX_MAX ? 'met' : 'MISSED';
    console.log(
      `${protocol}, ${kind}, ${(body.length / 1e6).toFixed(2)} MB: ${median(ours).toFixed(0)} us CPU, ` +
        `${ratio.toFixed(2)} x nginx (${spread}), at most ${NGINX_MAX}: ${verdict}; bare ${median(bares).toFixed(2)} x`,
    );
  }
}

async function measureStreams(targets: readonly Target[]): Promise<void> {
  for (const target of targets) {
    const residents = [residentMb(target.child.pid)];
    for (let done = 0; done < STREAMS; done += STREAMS_EACH) {
      const pattern = { kind: 'closed', count: STREAMS_EACH } as const;
      const shape = { stream: true, script: 'c100-d0', timeoutMs: 60_000, connections: 50, pattern };
      const { ok, bad } = await drive(target, shape);
      if (ok !== STREAMS_EACH) throw new Error(`${target.name}: ${JSON.stringify(bad)}`);
      residents.push(residentMb(target.child.pid));
    }
    console.log(`${target.name}, MB after each ${STREAMS_EACH} streams: ${residents.map(Math.round).join(' ')}`);
  }
}

/** Fewer do not settle: single rounds are apart by half, and the first are dearer. */
const rounds = Number(process.argv[2] ?? 24);
if (pinning) Bun.spawnSync(['taskset', '-a', '-p', '-c', String(cores.load), String(process.pid)]);
try {
  const upstream = await startMock();
  const chat = await startTollgate(executable, upstream);
  const translated = await startTranslated(executable, upstream);
  const [messagesTarget, responses, gemini] = translated;
  const nginx = await startNginx(upstream);
  if (messagesTarget === undefined || responses === undefined || gemini === undefined) throw new Error('no targets');
  if (nginx === undefined) console.log('nginx is not to be had on this machine: bodies are left out');
  else {
    const targets = {
      'openai-chat': chat,
      'openai-responses': responses,
      'anthropic-messages': messagesTarget,
      'gemini-generate': gemini,
    };
    const bare = startBare('bare', upstream);
    for (const kind of ['files', 'quotations'] as const) await measureBodies(kind, targets, nginx, bare);
  }
  await measureStreams([chat, ...translated]);
} finally {
  await stopChildren();
}
