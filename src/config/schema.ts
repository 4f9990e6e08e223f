// The form of a config: which fields there are and what each may hold. Strict: what is not listed is an error. Plugins'
// options are checked by their own schemas, and what fields mean together by `resolve.ts`.

import { isDropIn } from '../plugin/drop-in.ts';
import { operations } from '../plugin/operations.ts';
import { usageParts } from '../plugin/usage.ts';
import { fits } from './fits.ts';
import {
  anything, exactly, fields, fieldsAndMore, flag, list, named, oneOf, optional, text, whole, wholeBig, type Form,
} from './forms.ts';
import type * as SchemaErrors from './schema-errors.ts';

export interface ConfigProblem {
  /** `models[2].price.rates.cacheRead` */
  readonly path: string;
  readonly message: string;
  /** `gateway.config.ts:61`, where somebody looked. */
  readonly declaredAt?: string | undefined;
}

/** Thrown by what finds out later than the resolving that a config cannot be used. */
export class ConfigProblemsError extends Error {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(
      problems
        .map(
          ({ path, message, declaredAt }) => `${path}: ${message}${declaredAt === undefined ? '' : ` (${declaredAt})`}`,
        )
        .join('\n'),
    );
    this.name = 'ConfigProblemsError';
    this.problems = problems;
  }
}

export type ConfigReport = (path: string, message: string) => void;

const name = text({ pattern: '^[a-z0-9][a-z0-9-]{0,63}$' });
const amount = wholeBig(0n, 2n ** 63n - 1n);
const ppm = whole(0, 1_000_000_000);
const count = whole(1, 1_000_000_000);
const share = whole(0, 1_000_000);
const currency = text({ pattern: '^[A-Z]{3}$' });
const upstreamModel = text({ minLength: 1, maxLength: 256 });
const oneOfWords = (words: readonly string[]): Form => oneOf(words.map(exactly));

const priceFields = {
  currency,
  rates: fields(Object.fromEntries(usageParts.map((part) => [part, optional(amount)]))),
  perCallNano: optional(amount),
};
const onePrice = fields(priceFields);
const time = text({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(?:\\.\\d{1,3})?Z$' });
const datedPrices = list(fields({ ...priceFields, from: optional(time) }), { minItems: 1, maxItems: 100 });

const limits = fields({
  requestsPerMinute: optional(count),
  tokensPerMinute: optional(count),
  concurrency: optional(count),
});
const fromEnvironment = fields({ fromEnvironment: text({ minLength: 1 }) });
const terms = fields({ file: text(), text: text() });
/** Entries are made by the define functions; a look-alike object is not one. */
const entry = fieldsAndMore({
  kind: text(),
  name: text(),
  version: text(),
  summary: text(),
  schema: anything,
  options: anything,
  create: anything,
});

const upstream = fields({
  name,
  provider: text(),
  baseUrl: optional(oneOf([text(), fromEnvironment])),
  credential: optional(fromEnvironment),
  whenCredentialPresent: optional(flag),
  weight: optional(share),
  priority: optional(share),
  addresses: optional(oneOfWords(['public', 'any'])),
  onClientLeaving: optional(oneOfWords(['cancel', 'drain'])),
});

const offer = fields({ upstream: text(), model: optional(upstreamModel), cost: optional(onePrice) });

const model = fields({
  name: text({ minLength: 1, maxLength: 256, pattern: '^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$' }),
  operations: optional(list(oneOfWords(operations), { minItems: 1 })),
  contextTokens: count,
  outputTokensMax: whole(0, 1_000_000_000),
  rule: optional(text()),
  multiplierPpm: optional(ppm),
  /** One price or a list: checked apart, because a union's complaint names no field. */
  price: anything,
  offers: list(offer, { minItems: 1 }),
  strategy: optional(text()),
  groups: optional(list(text())),
});

const countrySource = oneOf([
  fields({ kind: exactly('none') }),
  fields({ kind: exactly('header'), name: text({ pattern: '^[a-z0-9-]+$' }) }),
  fields({ kind: exactly('mmdb'), file: text({ minLength: 1 }) }),
]);

const proxyHeader = oneOfWords(['x-forwarded-for', 'forwarded', 'cf-connecting-ip', 'x-real-ip']);

const wholeConfig = fields({
  providers: list(entry),
  routing: list(entry, { minItems: 1 }),
  billing: list(entry, { minItems: 1 }),
  policies: list(entry),
  upstreams: list(upstream),
  models: list(model),
  groups: optional(list(fields({ name, multiplierPpm: optional(ppm), limits: optional(limits) }))),
  addressLimits: optional(limits),
  country: optional(countrySource),
  proxy: optional(fields({ trusted: list(text()), header: proxyHeader })),
  terms: optional(list(terms)),
  presets: optional(named(fields({ summary: text(), terms: list(terms), policies: list(entry) }))),
  currency: optional(currency),
});

/** `root`: the path of the value, `models[2].price`. Nearly always there is no problem, and TypeBox stays unloaded. */
export function schemaProblems(schema: object, value: unknown, root: string): readonly ConfigProblem[] {
  if (fits(schema, value)) return [];
  const { schemaErrors }: typeof SchemaErrors = require('./schema-errors.ts');
  return schemaErrors(schema, value, root);
}

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

export function configShapeProblems(config: unknown): ConfigProblem[] {
  return [...schemaProblems(wholeConfig, withoutDropIns(config), ''), ...priceShapeProblems(config)];
}

/** What a drop-in says is looked at where it is loaded; here an entry stands for it. */
function withoutDropIns(value: unknown): unknown {
  const dropIn = { kind: '', name: '', version: '', summary: '', schema: {}, options: {}, create: {} };
  const inLists = (found: unknown): unknown =>
    Array.isArray(found) ? found.map((one: unknown) => (isDropIn(one) ? dropIn : one)) : found;
  const inPresets = (presets: unknown) => mapped(presets, (preset) => mapped(preset, inLists));
  return mapped(value, (member, name) => (name === 'presets' ? inPresets(member) : inLists(member)));
}

function mapped(value: unknown, change: (member: unknown, name: string) => unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, change(member, name)]));
}

function priceShapeProblems(config: unknown): ConfigProblem[] {
  const models = memberOf(config, 'models');
  if (!Array.isArray(models)) return [];
  return models.flatMap((model: unknown, index) => {
    // A model that is no object at all, or has no such field, was complained of already.
    if (typeof model !== 'object' || model === null || !('price' in model)) return [];
    const { price } = model;
    return schemaProblems(Array.isArray(price) ? datedPrices : onePrice, price, `models[${index}].price`);
  });
}
