// A program run to its end with nothing of this process's environment, as on a machine that has nothing else.

export interface Ran {
  readonly exitCode: number;
  readonly output: string;
  readonly errors: string;
}

export async function runBare(
  program: string,
  argv: readonly string[],
  folder: string,
  environment: Readonly<Record<string, string>>,
): Promise<Ran> {
  const child = Bun.spawn([program, ...argv], {
    cwd: folder,
    env: { ...environment },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [output, errors, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { exitCode, output, errors };
}
