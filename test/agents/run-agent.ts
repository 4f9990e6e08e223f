// Fetches the agents and runs one of them: in a home of its own, with nothing of this process's environment.

import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agents } from './agent-commands.ts';
import type { Agent } from './agent-commands.ts';

const folder = join(import.meta.dir, '../../node_modules/.agents');
/** An agent that hangs has failed. */
const TASK_MAX_MS = 90_000;

/** Installs without install scripts; true if all of them are there. */
export function installAgents(): boolean {
  mkdirSync(folder, { recursive: true });
  cpSync(join(import.meta.dir, 'package.json'), join(folder, 'package.json'));
  const words = [process.execPath, 'install', '--ignore-scripts', '--no-progress', '--no-summary', '--no-save'];
  const done = Bun.spawnSync(words, { cwd: folder, env: { ...process.env, BUN_BE_BUN: '1' } });
  return done.exitCode === 0 && agents.every(({ program }) => existsSync(join(folder, 'node_modules', program)));
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
