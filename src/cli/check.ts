// `tollgate check`: the resolved config, the clauses with the controls that keep them, and everything that is wrong.

import { pluginFacts } from '../config/plugin-facts.ts';
import type { PluginSource, ResolvedConfig } from '../config/resolve.ts';
import {
  clauseMatrix,
  createControlRegistry,
  describeUnkept,
  policyControls,
  unkeptPromises,
} from '../domain/terms/clause-matrix.ts';
import { builtInControls } from '../domain/terms/controls.ts';
import { parseDocuments } from '../domain/terms/terms-service.ts';
import { formatNano } from '../core/money.ts';
import type { PluginKind } from '../plugin/define.ts';
import { usageParts } from '../plugin/usage.ts';
import { serveSettings } from './arguments.ts';
import { readConfig } from './read-config.ts';
import type { CommandContext } from './serve.ts';
import { placeNowhere } from './simulator-place.ts';

export async function checkCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const settings = serveSettings(argv, context.environment);
  const result = await readConfig(settings, context, placeNowhere);
  if (!result.ok) {
    context.printError(`${result.problems.map(({ path, message }) => `${path}: ${message}`).join('\n')}\n`);
    context.printError(`${result.problems.length} problem${result.problems.length === 1 ? '' : 's'}\n`);
    return 1;
  }
  const { resolved } = result;
  context.print(`${describeConfig(resolved).join('\n')}\n`);
  const documents = parseDocuments(resolved.terms);
  const controls = createControlRegistry();
  controls.registerControls(builtInControls);
  controls.registerControls(policyControls(resolved.policies.map(({ name, plugin }) => ({ name, policy: plugin }))));
  const matrix = clauseMatrix(documents, controls);
  context.print('\nClauses\n');
  for (const { document, clause, controls: keepers } of matrix) {
    const nobody = clause.kind === 'declared' ? 'words only' : 'NOTHING KEEPS IT';
    context.print(`  ${document} ${clause.id.padEnd(6)} ${clause.kind.padEnd(9)} ${keepers.join(', ') || nobody}\n`);
  }
  const problems = [
    ...resolved.refusals.map(({ path, message }) => `${path}: ${message}`),
    ...unkeptPromises(matrix).map(describeUnkept),
    ...regionProblems(resolved),
  ];
  if (problems.length > 0) context.printError(`\n${problems.join('\n')}\n`);
  context.print(problems.length === 0 ? '\nNothing is wrong.\n' : '');
  return problems.length === 0 ? 0 : 1;
}

/**
 * Without a source of countries a region policy refuses every public address: that is safe, and rarely what was
 * meant.
 */
function regionProblems(resolved: ResolvedConfig): readonly string[] {
  const source = resolved.config.country?.kind ?? 'none';
  if (source !== 'none' || !resolved.policies.some(({ name }) => name === 'region')) return [];
  return [
    'country: the policy `region` is loaded but no source of countries is configured, so only loopback and private ' +
      'addresses are served; set `country` to a trusted header or an MMDB file',
  ];
}

const origin = (source: PluginSource): string =>
  source.kind === 'drop-in' ? `  (drop-in ${source.file}, pinned ${source.sha256})` : '';

function describeConfig(resolved: ResolvedConfig): readonly string[] {
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
        `  ${name}  ${provider}  ${url.href}  addresses: ${addresses}` +
        `  credential: ${credential === undefined ? 'none' : credential.fromEnvironment}`,
    ),
    ...resolved.remarks.map(({ path, message }) => `  (${path}: ${message})`),
    '',
    'Models',
    ...resolved.models.flatMap((model) => {
      const upstreams = model.resolvedOffers.map((offer) => offer.upstream).join(', ');
      return model.prices.map((price) => {
        const rates = usageParts.flatMap((part) => {
          const rate = price.rates[part];
          return rate === undefined ? [] : [`${part} ${formatNano(rate * 1_000n, price.currency)}/M`];
        });
        const from = price.from === undefined ? '' : `  from ${new Date(price.from).toISOString()}`;
        return `  ${model.name}  ${model.ruleName}  ${rates.join(', ')}${from}  on ${upstreams}`;
      });
    }),
    '',
    'Terms documents',
    ...resolved.terms.map(({ file }) => `  ${file}`),
  ];
}
