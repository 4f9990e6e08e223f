// An executable that serves a config of its own folder, which tests rewrite and have read again.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtExecutable, startExecutable, type RunningExecutable } from '../support/executable.ts';
import { field, textField } from '../support/gateway.ts';

export interface ConfigWords {
  /** Micro-USD per million tokens of `sim/echo`. */
  readonly input?: number;
  readonly output?: number;
  /** Lines of the list of models, besides `sim/echo`. */
  readonly models?: string;
  /** Lines of the config itself. */
  readonly more?: string;
  /** In front of everything. */
  readonly head?: string;
  readonly upstream?: string;
  readonly billing?: string;
}

/** Line 8 declares the upstream, line 10 the model `sim/echo`. */
export const configText = ({
  input = 100_000,
  output = 400_000,
  models = '',
  more = '',
  head = '// Written by a test.',
  upstream = "{ name: 'simulator', provider: 'simulator', baseUrl: simulatorAddress, addresses: 'any' }",
  billing = 'tokenPrice(), requestPrice()',
}: ConfigWords = {}): string => `${head}
import { defineGateway, simulatorAddress } from 'tollgate/plugin';
import { openAiCompatible, priority, requestPrice, simulator, tokenPrice } from 'tollgate/plugins';
import { groups } from './groups.ts';
const operations = ['chat', 'completions'] as const;
const sizes = { contextTokens: 128_000, outputTokensMax: 16_384, offers: [{ upstream: 'simulator' }] };
export default defineGateway({ providers: [openAiCompatible(), simulator()], routing: [priority()], policies: [],
  upstreams: [${upstream}],
  billing: [${billing}], groups, models: [
    { name: 'sim/echo', operations, ...sizes, price: { currency: 'USD', rates: { input: ${input}n, cacheRead: 1n, output: ${output}n } } },
    ${models}
  ],
  ${more}
});
`;

export interface ReloadStage {
  readonly running: RunningExecutable;
  readonly configFile: string;
  write(text: string, file?: string): void;
  reload(): Promise<{ readonly status: number; readonly body: Record<string, unknown> }>;
  /** Runs a command of the executable on the same data folder and config. */
  command(...words: readonly string[]): Promise<{ readonly exitCode: number; readonly text: string }>;
  /** Settled usage records, newest first. */
  usage(limit: number): Promise<readonly unknown[]>;
  stop(): Promise<void>;
}

export async function startReloadStage(): Promise<ReloadStage> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-reload-'));
  const configFile = join(folder, 'gateway.config.ts');
  const write = (text: string, file = 'gateway.config.ts') => writeFileSync(join(folder, file), text);
  write(configText());
  write("export const groups = [{ name: 'friends' }];\n", 'groups.ts');
  const running = await startExecutable({ argv: ['--config', configFile] });
  return {
    running,
    configFile,
    write,
    reload: () => running.admin('POST', '/config/reload'),
    async command(...words) {
      const child = Bun.spawn(
        [await builtExecutable(), ...words, '--config', configFile, '--data', running.dataFolder],
        { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe', env: {} },
      );
      const [out, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
      return { exitCode: await child.exited, text: out + errors };
    },
    async usage(limit) {
      const { body } = await running.admin('GET', `/usage?limit=${limit}`);
      const items = field(body, 'items');
      return Array.isArray(items) ? items : [];
    },
    async stop() {
      await running.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const echo = (text: string, more: Record<string, unknown> = {}) => ({
  model: 'sim/echo',
  messages: [{ role: 'user', content: text }],
  ...more,
});

export const sha256Of = async (stage: ReloadStage): Promise<string> =>
  textField((await stage.running.admin('GET', '/config')).body, 'sha256');

/** Asks until the answer is there; fails after some seconds. */
export async function until<T>(ask: () => Promise<T | undefined>, what: string): Promise<T> {
  const endsAt = Date.now() + 10_000;
  for (;;) {
    const found = await ask();
    if (found !== undefined) return found;
    if (Date.now() > endsAt) throw new Error(`it never came: ${what}`);
    await Bun.sleep(10);
  }
}
