// `tollgate check`: the resolved config, the clauses with the controls that keep them, and everything that is wrong.

import { describeProblem, type ConfigLines } from '../config/config-lines.ts';
import { pluginFacts } from '../config/plugin-facts.ts';
import type { PluginSource, ResolvedConfig } from '../config/resolve.ts';
import { clauseMatrix, describeUnkept, unkeptPromises } from '../domain/terms/clause-matrix.ts';
import { parseDocuments } from '../domain/terms/terms-service.ts';
import type { DeclaredNoun } from '../core/declared-at.ts';
import { formatNano } from '../core/money.ts';
import type { PluginKind } from '../plugin/define.ts';
import { usageParts } from '../plugin/usage.ts';
import { controlsOf } from '../gateway-controls.ts';
import { checkSettings } from './arguments.ts';
import { diffCommand } from './diff.ts';
import { readConfig } from './read-config.ts';
import type { CommandContext } from './serve.ts';
import { placeNowhere } from './simulator-place.ts';
import { telemetryProblem } from './watching.ts';

export async function checkCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const settings = checkSettings(argv, context.environment);
  const result = await readConfig(settings, context, placeNowhere);
  if (!result.ok) {
    context.printError(`${result.problems.map(describeProblem).join('\n')}\n`);
    context.printError(`${result.problems.length} problem${result.problems.length === 1 ? '' : 's'}\n`);
    return 1;
  }
  const { resolved } = result;
  if (settings.diff !== undefined) return diffCommand(settings, settings.diff, result, context);
  context.print(`${describeConfig(resolved, await result.lines()).join('\n')}\n`);
  const documents = parseDocuments(resolved.terms);
  const matrix = clauseMatrix(documents, controlsOf(resolved));
  context.print('\nClauses\n');
  for (const { document, clause, controls: keepers } of matrix) {
    const nobody = clause.kind === 'declared' ? 'words only' : 'NOTHING KEEPS IT';
    context.print(`  ${document} ${clause.id.padEnd(6)} ${clause.kind.padEnd(9)} ${keepers.join(', ') || nobody}\n`);
  }
  const problems = [
    ...resolved.refusals.map(({ path, message }) => `${path}: ${message}`),
    ...unkeptPromises(matrix).map(describeUnkept),
    ...regionProblems(resolved),
    ...[await telemetryProblem(settings.watching)].filter((problem) => problem !== undefined),
  ];
  if (problems.length > 0) context.printError(`\n${problems.join('\n')}\n`);
  context.print(problems.length === 0 ? '\nNothing is wrong.\n' : '');
  return problems.length === 0 ? 0 : 1;
}

/**
 * Without a source of countries a region policy refuses every public address: that is safe, and rarely what was
 * meant.
 */
export function regionProblems(resolved: ResolvedConfig): readonly string[] {
  const source = resolved.config.country?.kind ?? 'none';
  if (source !== 'none' || !resolved.policies.some(({ name }) => name === 'region')) return [];
  return [
    'country: the policy `region` is loaded but no source of countries is configured, so only loopback and private ' +
      'addresses are served; set `country` to a trusted header or an MMDB file',
  ];
}

const origin = (source: PluginSource): string =>
  source.kind === 'drop-in' ? `  (drop-in ${source.file}, pinned ${source.sha256})` : '';

function describeConfig(resolved: ResolvedConfig, lines: ConfigLines): readonly string[] {
  const at = (noun: DeclaredNoun, name: string) => {
    const place = lines.placeOf(noun, name);
    return place === undefined ? '' : `  (${place})`;
  };
  const named = (title: string, kind: PluginKind) => [
    '',
    title,
    ...pluginFacts(resolved)
      .filter((plugin) => plugin.kind === kind)
      .map(({ name, version, summary, source }) => `  ${name} ${version}  ${summary}${origin(source)}`),
  ];
  return [
    `Preset: ${resolved.preset ?? 'none'}; currency of new accounts: ${resolved.currency}`,
    ...named('Providers', 'provider'),
    ...named('Routing strategies', 'routing'),
    ...named('Billing rules', 'billing'),
    ...named('Policies', 'policy'),
    '',
    'Upstreams',
    ...resolved.upstreams.map(
      ({ name, provider, url, addresses, credential }) =>
        `  ${name}  ${provider}  ${url.href}  addresses: ${addresses}  credential: ` +
        `${credential === undefined ? 'none' : credential.fromEnvironment}${at('upstream', name)}`,
    ),
    ...resolved.remarks.map(({ path, message }) => `  (${path}: ${message})`),
    '',
    'Models',
    ...resolved.models.flatMap((model) => {
      const place = at('model', model.name);
      const upstreams = model.resolvedOffers.map((offer) => offer.upstream).join(', ');
      return model.prices.map((price) => {
        const rates = usageParts.flatMap((part) => {
          const rate = price.rates[part];
          return rate === undefined ? [] : [`${part} ${formatNano(rate * 1_000n, price.currency)}/M`];
        });
        const from = price.from === undefined ? '' : `  from ${new Date(price.from).toISOString()}`;
        return `  ${model.name}  ${model.ruleName}  ${rates.join(', ')}${from}  on ${upstreams}${place}`;
      });
    }),
    '',
    'Groups',
    ...(resolved.config.groups ?? []).map(({ name }) => `  ${name}${at('group', name)}`),
    '',
    'Terms documents',
    ...resolved.terms.map(({ file }) => `  ${file}`),
  ];
}
