// What is set: the config, the secrets that it names, and variables that nobody reads or that say too much.

import { describeProblem } from '../../config/config-lines.ts';
import type { ConfigResult } from '../../config/resolve.ts';
import { knownNames, type Environment } from '../../environment.ts';
import { regionProblems } from '../check.ts';
import { good, risky, wrong, type Finding } from './finding.ts';

export function configFindings(result: ConfigResult): readonly Finding[] {
  if (!result.ok) {
    return result.problems.map((problem) =>
      wrong('config', describeProblem(problem), 'a start fails', "change the config; 'tollgate check' shows it whole"),
    );
  }
  const { resolved } = result;
  const findings: Finding[] = resolved.remarks.map(({ path, message }) =>
    risky(`config ${path}`, message, 'what needs it is not served', 'set it where the service has its environment'),
  );
  for (const problem of resolved.refusals) {
    const remedy = 'read what changed, then pin it with `tollgate plugin pin`';
    findings.push(wrong('config drop-in', describeProblem(problem), 'what needs it is not served', remedy));
  }
  for (const problem of regionProblems(resolved))
    findings.push(wrong('config country', problem, 'customers are refused', 'set `country` in the config'));
  if (resolved.upstreams.every(({ provider }) => provider === 'simulator')) {
    const why = 'answers are made up, and charged';
    const remedy = 'give a vendor’s key in the environment';
    findings.push(risky('config upstreams', 'there is only the simulator', why, remedy));
  }
  if (findings.length === 0) findings.push(good('config', `${resolved.models.length} models, nothing missing`));
  return findings;
}

/** Whoever sets one of these decides what the executable runs. */
const engineNames = ['BUN_OPTIONS', 'BUN_BE_BUN', 'BUN_INSPECT', 'NODE_OPTIONS', 'LD_PRELOAD', 'LD_LIBRARY_PATH'];
const proxyNames = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'];

/** `named`: variables that the config reads. */
export function environmentFindings(environment: Environment, named: ReadonlySet<string>): readonly Finding[] {
  const names = Object.entries(environment.all()).flatMap(([name, value]) => (value === '' ? [] : [name]));
  const known = knownNames();
  const findings: Finding[] = names
    .filter((name) => name.startsWith('TOLLGATE_') && !known.has(name) && !named.has(name))
    .map((name) =>
      wrong(name, 'nothing reads this variable', 'what it was to set is not set', `meant: ${nearest(name, known)}?`),
    );
  for (const name of names.filter((each) => engineNames.includes(each))) {
    const why = 'it can make the executable run other code than its own';
    findings.push(wrong(name, 'it is set', why, 'take it out of the service’s environment'));
  }
  for (const name of names.filter((each) => proxyNames.includes(each)).slice(0, 1)) {
    const why = 'upstreams are called directly: their addresses are checked';
    findings.push(risky(name, 'it is set, and is not used', why, 'allow the way out, or name the proxy as an upstream'));
  }
  if (environment.simulatorFaults) {
    const why = 'callers can make the simulator fail by the model’s name';
    findings.push(risky('TOLLGATE_SIMULATOR_FAULTS', 'it is on', why, 'only set it for tests'));
  }
  return findings;
}

/** `problem`: `VARIABLE: what is wrong; what to do`. */
export function telemetryFindings(problem: string | undefined): readonly Finding[] {
  const [, about, what, remedy] = /^([^:]+): ([^;]+)(?:; (.*))?$/.exec(problem ?? '') ?? [];
  if (about === undefined || what === undefined) return [];
  return [wrong(about, what, 'a start fails', remedy ?? 'as it says')];
}

/** The known name that shares most letters in order from the start and the end. */
function nearest(name: string, known: ReadonlySet<string>): string {
  const likeness = (other: string) => {
    let from = 0;
    while (from < name.length && name[from] === other[from]) from += 1;
    let back = 0;
    while (back < Math.min(name.length, other.length) - from && name.at(-1 - back) === other.at(-1 - back)) back += 1;
    return from + back - Math.abs(name.length - other.length);
  };
  const [best] = [...known].toSorted((left, right) => likeness(right) - likeness(left));
  return best ?? '';
}
