// Fetches the agents and runs one of them: in a home of its own, with nothing of this process's environment.

import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agents } from './agent-commands.ts';
import type { Agent } from './agent-commands.ts';

const folder = join(import.meta.dir, '../../node_modules/.agents');
/** An agent that hangs has failed. */
const TASK_MAX_MS = 90_000;

/** What the installer says where no registry can be reached. Any other failure is one of ours or of the registry's. */
const noNetwork = /\b(?:DNS\w+|Connection(?:Refused|Reset|Closed)|FailedToOpenSocket|NetworkUnreachable|\w*Timeout)\b/;

/** Installs without install scripts. False where there is no network; throws where it failed for another reason. */
export function installAgents(): boolean {
  mkdirSync(folder, { recursive: true });
  cpSync(join(import.meta.dir, 'package.json'), join(folder, 'package.json'));
  const words = [process.execPath, 'install', '--ignore-scripts', '--no-progress', '--no-summary', '--no-save'];
  const done = Bun.spawnSync(words, { cwd: folder, env: { ...process.env, BUN_BE_BUN: '1' } });
  const said = done.stderr.toString();
  if (done.exitCode !== 0 && noNetwork.test(said)) return false;
  const missing = agents.filter(({ program }) => !existsSync(join(folder, 'node_modules', program)));
  if (done.exitCode === 0 && missing.length === 0) return true;
  throw new Error(`the agents were not installed (${missing.map(({ program }) => program).join(', ')}):\n${said}`);
}

export async function runAgent(agent: Agent, target: { url: string; apiKey: string; model: string }): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'tollgate-agent-'));
  try {
    const { words, environment } = agent.command({ ...target, home });
    for (const [path, text] of Object.entries(agent.files({ ...target, home }))) {
      mkdirSync(join(home, path, '..'), { recursive: true });
      writeFileSync(join(home, path), text);
    }
    const child = Bun.spawn(
      [...(agent.byNode ? ['node'] : []), join(folder, 'node_modules', agent.program), ...words],
      {
        cwd: home,
        env: { HOME: home, PATH: process.env['PATH'] ?? '', ...environment },
        stdin: 'ignore',
        stdout: 'pipe',
        stderr: 'pipe',
      },
    );
    const timer = setTimeout(() => child.kill('SIGKILL'), TASK_MAX_MS);
    const [output, errors] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    clearTimeout(timer);
    await child.exited;
    return agent.verdict(output, errors);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
