// `npm test`: types, lint and every test, ending with the line `N passed, N failed`. A type error, a lint error, a
// crashed run and a run without tests each count as a failure, so that the last line and the exit code cannot disagree.
// Words after `npm test --` go to `bun test`: a file filter, `-t name`, `--bail`.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const project = join(import.meta.dir, '..');

/** The whole run, in case a test hangs outside its own deadline. */
const TESTS_MAX_MS = 30 * 60_000;
/** Output kept for reading the totals; they stand at its end. */
const TAIL_CHARACTERS = 16_384;

interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

const none: Tally = { passed: 0, failed: 0, skipped: 0 };

function sum(tallies: readonly Tally[]): Tally {
  return tallies.reduce(
    (total, tally) => ({
      passed: total.passed + tally.passed,
      failed: total.failed + tally.failed,
      skipped: total.skipped + tally.skipped,
    }),
    none,
  );
}

/** A checker as one item: its output is shown only when it fails. */
async function check(name: string, words: readonly string[]): Promise<Tally> {
  const process_ = Bun.spawn([process.execPath, ...words], {
    cwd: project,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [output, errors, exitCode] = await Promise.all([
    new Response(process_.stdout).text(),
    new Response(process_.stderr).text(),
    process_.exited,
  ]);
  if (exitCode === 0) {
    console.log(`(pass) ${name}`);
    return { ...none, passed: 1 };
  }
  console.log(`${output}${errors}(fail) ${name}`);
  return { ...none, failed: 1 };
}

/** Copies a child's output through as it comes and returns its end. */
async function relay(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let tail = '';
  for await (const chunk of stream) {
    process.stdout.write(chunk);
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-TAIL_CHARACTERS);
  }
  return tail;
}

/** The totals that `bun test` prints last: ` 12 pass`, ` 1 fail`, ` 2 skip`, ` 1 todo`, ` 1 error`. */
export function readTotals(output: string, exitCode: number): Tally {
  const last = (word: string): number => {
    const found = [...output.matchAll(new RegExp(`^ *(\\d+) ${word}s?$`, 'gm'))].at(-1)?.[1];
    return found === undefined ? 0 : Number(found);
  };
  const totals = {
    passed: last('pass'),
    failed: Math.max(last('fail'), last('error')),
    skipped: last('skip') + last('todo'),
  };
  const silentFailure = totals.failed === 0 && (exitCode !== 0 || totals.passed === 0);
  return silentFailure ? { ...totals, failed: 1 } : totals;
}

/** The skipped tests of a JUnit report, by file and name: a name says why. Those of `describe` have none. */
export function readSkipped(report: string): readonly string[] {
  const cases = report.matchAll(/<testcase name="([^"]*)"[^>]*? file="([^"]*)"[^>]*>\s*<skipped/g);
  const names = [...cases].filter(([, name]) => name !== '(unnamed)').map(([, name, file]) => `${file}: ${name}`);
  return [...new Set(names)];
}

async function tests(words: readonly string[]): Promise<Tally> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-tests-'));
  const report = join(folder, 'report.xml');
  const reported = ['--only-failures', '--reporter=junit', `--reporter-outfile=${report}`];
  const child = Bun.spawn([process.execPath, 'test', ...reported, ...words], {
    cwd: project,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const deadline = setTimeout(() => {
    console.log(`the tests did not end within ${TESTS_MAX_MS / 60_000} minutes`);
    child.kill('SIGKILL');
  }, TESTS_MAX_MS);
  const [, tail, exitCode] = await Promise.all([relay(child.stdout), relay(child.stderr), child.exited]);
  clearTimeout(deadline);
  for (const name of existsSync(report) ? readSkipped(readFileSync(report, 'utf8')) : []) {
    console.log(`(skip) ${name}`);
  }
  rmSync(folder, { recursive: true, force: true });
  return readTotals(tail, exitCode);
}

async function main(): Promise<void> {
  const checks = await Promise.all([
    check('types', ['check', '--no-script', '--no-pretty']),
    check('lint', [join('node_modules', 'oxlint', 'bin', 'oxlint'), '--quiet']),
  ]);
  const total = sum([...checks, await tests(process.argv.slice(2))]);
  const skipped = total.skipped === 0 ? '' : `, ${total.skipped} skipped`;
  console.log(`\n${total.passed} passed, ${total.failed} failed${skipped}`);
  process.exitCode = total.failed === 0 ? 0 : 1;
}

if (import.meta.main) await main();
