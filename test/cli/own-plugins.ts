// Plugins as an operator writes them: one of each kind, each in a file of its own, for a made-up vendor. One imports
// files beside it, one a package from a node_modules folder beside it, and one the gateway's own schema library.

import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const files = {
  'plugins/acme.ts': `// Acme: the chat protocol, with a credential header and a region of its own.
import { Type, defineProvider } from 'tollgate/plugin';
import { openAiCompatible } from 'tollgate/plugins';
import { signed } from './lib/acme-signature.ts';
import regions from './lib/regions.json' with { type: 'json' };
import note from './lib/note.txt' with { type: 'text' };

const base = openAiCompatible({ operations: ['chat'] });

export const acme = defineProvider({
  name: 'acme',
  version: '2.1.0',
  summary: note.trim(),
  options: Type.Object({ region: Type.Union([Type.Literal('here'), Type.Literal('there')]) }, { additionalProperties: false }),
  create: ({ region }) => {
    const likeOpenAi = base.create(base.options);
    return {
      ...likeOpenAi,
      models: [],
      address: (call, credential) => ({
        ...likeOpenAi.address(call, undefined),
        headers: [['x-acme-region', regions[region]], ['x-acme-signature', signed(credential ?? '')]],
      }),
    };
  },
});
`,
  'plugins/lib/acme-signature.ts': `import { createHmac } from 'node:crypto';

export const signed = (credential: string): string => createHmac('sha256', credential).update('acme').digest('hex');
`,
  'plugins/lib/regions.json': '{ "here": "eu-1", "there": "us-1" }\n',
  'plugins/lib/note.txt': 'Acme by its own signature\n',
  'plugins/last-first.ts': `import { Type, defineRoutingStrategy } from 'tollgate/plugin';

export const lastFirst = defineRoutingStrategy({
  name: 'last-first',
  version: '1.0.0',
  summary: 'The other way around',
  options: Type.Object({}, { additionalProperties: false }),
  create: () => ({ rank: (_request, upstreams) => upstreams.toReversed() }),
});
`,
  'plugins/tariff.ts': `import { callNano } from 'acme-tariff';
import { Type, defineBillingRule, totalOf, type Charge, type PriceTerms } from 'tollgate/plugin';

const charge = ({ multipliersPpm }: PriceTerms): Charge => {
  const lines = [{ kind: 'per-call', amountNano: BigInt(callNano) }] as const;
  return { lines, totalNano: totalOf(lines, multipliersPpm) };
};

export const tariff = defineBillingRule({
  name: 'tariff',
  version: '1.0.0',
  summary: 'What the association of vendors says',
  options: Type.Object({}, { additionalProperties: false }),
  create: () => ({ missingRates: () => [], estimate: charge, charge }),
});
`,
  'plugins/no-nights.ts': `import { Type } from '@sinclair/typebox';
import { Check } from '@sinclair/typebox/value';
import { allow, definePolicy } from 'tollgate/plugin';

const Night = Type.String({ pattern: '^night/' });

export const noNights = definePolicy({
  name: 'no-nights',
  version: '1.0.0',
  summary: 'Refuses models of the night',
  options: Type.Object({}, { additionalProperties: false }),
  create: () => ({
    gates: ['use'],
    asks: 'request',
    clauses: ['S2'],
    onFailure: 'deny',
    deadlineMs: 100,
    judge: ({ model }) =>
      Check(Night, model)
        ? { verdict: 'deny', code: 'policy_refused', clause: 'S2', message: 'Not at night.', remedy: 'Wait.', link: undefined }
        : allow,
  }),
});
`,
  'node_modules/acme-tariff/package.json':
    '{ "name": "acme-tariff", "exports": { ".": "./lib/index.js" }, "type": "module" }\n',
  'node_modules/acme-tariff/lib/index.js': `export { callNano } from './numbers.js';\n`,
  'node_modules/acme-tariff/lib/numbers.js': 'export const callNano = 7_000_000;\n',
};

const offer = `contextTokens: 1_000, outputTokensMax: 100, price: { currency: 'USD', rates: {} }, rule: 'tariff',
      strategy: 'last-first', offers: [{ upstream: 'acme', model: 'sim/echo', cost: { currency: 'USD', rates: {} } }]`;

/** What an operator changes in the config that `tollgate init` wrote. */
const changes: readonly (readonly [from: string, to: string])[] = [
  [
    "import serviceTerms from './service-terms.md' with { type: 'text' };",
    `import serviceTerms from './service-terms.md' with { type: 'text' };
import { acme } from './plugins/acme.ts';
import { lastFirst } from './plugins/last-first.ts';
import { noNights } from './plugins/no-nights.ts';
import { tariff } from './plugins/tariff.ts';`,
  ],
  ['simulator(),\n    openAiCompatible(),', "simulator(),\n    acme({ region: 'here' }),\n    openAiCompatible(),"],
  ["    named('acme', ", "    named('other', "],
  ['[weighted(), priority()]', '[weighted(), priority(), lastFirst()]'],
  ['[tokenPrice(), requestPrice()]', '[tokenPrice(), requestPrice(), tariff()]'],
  [
    "policies: [termsAcceptance({ clauses: ['S1'] })],\n\n  // Upstreams",
    "policies: [termsAcceptance({ clauses: ['S1'] }), noNights()],\n\n  // Upstreams",
  ],
  ['      whenCredentialPresent: true,\n', "      baseUrl: simulatorAddress,\n      addresses: 'any',\n"],
  ["groups: ['staff'],", "groups: ['staff'], rule: 'tariff',"],
  ['  models: [\n', `  models: [\n    { name: 'acme-one', ${offer} },\n    { name: 'night/one', ${offer} },\n`],
];

/** Into a folder that `tollgate init` wrote. */
export function addOwnPlugins(folder: string): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const config = join(folder, 'gateway.config.ts');
  writeFileSync(config, changed(readFileSync(config, 'utf8'), changes));
}

export function changed(text: string, pairs: typeof changes): string {
  return pairs.reduce((sum, [from, to]) => {
    if (!sum.includes(from)) throw new Error(`the config of \`init\` no longer has: ${from}`);
    return sum.replace(from, () => to);
  }, text);
}

/** A copy of what `init` wrote, with its config changed: cheaper than another `init`. */
export function variantOf(initialised: string, folder: string, pairs: typeof changes): string {
  cpSync(initialised, folder, { recursive: true });
  const config = join(folder, 'gateway.config.ts');
  writeFileSync(config, changed(readFileSync(config, 'utf8'), pairs));
  return config;
}
