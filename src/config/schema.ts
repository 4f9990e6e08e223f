// The form of a config: which fields there are and what each may hold. Strict: what is not listed is an error. Plugins'
// options are checked by their own schemas, and what fields mean together by `resolve.ts`.

import { Type } from '@sinclair/typebox';
import type { TSchema } from '@sinclair/typebox';
import { Errors } from '@sinclair/typebox/errors';
import { Check } from '@sinclair/typebox/value';
import { isDropIn } from '../plugin/drop-in.ts';
import { operations } from '../plugin/operations.ts';
import { usageParts } from '../plugin/usage.ts';
import type { UsagePart } from '../plugin/usage.ts';

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

const strict = { additionalProperties: false } as const;
const Name = Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,63}$' });
const Amount = Type.BigInt({ minimum: 0n, maximum: 2n ** 63n - 1n });
const Ppm = Type.Integer({ minimum: 0, maximum: 1_000_000_000 });
const Count = Type.Integer({ minimum: 1, maximum: 1_000_000_000 });
const Share = Type.Integer({ minimum: 0, maximum: 1_000_000 });
const Currency = Type.String({ pattern: '^[A-Z]{3}$' });
const UpstreamModel = Type.String({ minLength: 1, maxLength: 256 });

const ratesByPart = Object.fromEntries(usageParts.map((part) => [part, Amount])) as Record<UsagePart, typeof Amount>;
const priceFields = {
  currency: Currency,
  rates: Type.Partial(Type.Object(ratesByPart, strict), strict),
  perCallNano: Type.Optional(Amount),
};
const Price = Type.Object(priceFields, strict);
const Time = Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(?:\\.\\d{1,3})?Z$' });
const DatedPrices = Type.Array(Type.Object({ ...priceFields, from: Type.Optional(Time) }, strict), {
  minItems: 1,
  maxItems: 100,
});

const Limits = Type.Object(
  { requestsPerMinute: Type.Optional(Count), tokensPerMinute: Type.Optional(Count), concurrency: Type.Optional(Count) },
  strict,
);
const FromEnvironment = Type.Object({ fromEnvironment: Type.String({ minLength: 1 }) }, strict);
const Terms = Type.Object({ file: Type.String(), text: Type.String() }, strict);
/** Entries are made by the define functions; a look-alike object is not one. */
const Entry = Type.Object({
  kind: Type.String(),
  name: Type.String(),
  version: Type.String(),
  summary: Type.String(),
  schema: Type.Unknown(),
  options: Type.Unknown(),
  create: Type.Unknown(),
});

const Upstream = Type.Object(
  {
    name: Name,
    provider: Type.String(),
    baseUrl: Type.Optional(Type.Union([Type.String(), FromEnvironment])),
    credential: Type.Optional(FromEnvironment),
    whenCredentialPresent: Type.Optional(Type.Boolean()),
    weight: Type.Optional(Share),
    priority: Type.Optional(Share),
    addresses: Type.Optional(Type.Union([Type.Literal('public'), Type.Literal('any')])),
    onClientLeaving: Type.Optional(Type.Union([Type.Literal('cancel'), Type.Literal('drain')])),
  },
  strict,
);

const Offer = Type.Object(
  { upstream: Type.String(), model: Type.Optional(UpstreamModel), cost: Type.Optional(Price) },
  strict,
);

const Model = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 256, pattern: '^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$' }),
    operations: Type.Optional(
      Type.Array(Type.Union(operations.map((operation) => Type.Literal(operation))), { minItems: 1 }),
    ),
    contextTokens: Count,
    outputTokensMax: Type.Integer({ minimum: 0, maximum: 1_000_000_000 }),
    rule: Type.Optional(Type.String()),
    multiplierPpm: Type.Optional(Ppm),
    /** One price or a list: checked apart, because a union's complaint names no field. */
    price: Type.Unknown(),
    offers: Type.Array(Offer, { minItems: 1 }),
    strategy: Type.Optional(Type.String()),
    groups: Type.Optional(Type.Array(Type.String())),
  },
  strict,
);

const CountrySource = Type.Union([
  Type.Object({ kind: Type.Literal('none') }, strict),
  Type.Object({ kind: Type.Literal('header'), name: Type.String({ pattern: '^[a-z0-9-]+$' }) }, strict),
  Type.Object({ kind: Type.Literal('mmdb'), file: Type.String({ minLength: 1 }) }, strict),
]);

const ProxyHeader = Type.Union([
  Type.Literal('x-forwarded-for'),
  Type.Literal('forwarded'),
  Type.Literal('cf-connecting-ip'),
  Type.Literal('x-real-ip'),
]);

const ConfigSchema = Type.Object(
  {
    providers: Type.Array(Entry),
    routing: Type.Array(Entry, { minItems: 1 }),
    billing: Type.Array(Entry, { minItems: 1 }),
    policies: Type.Array(Entry),
    upstreams: Type.Array(Upstream),
    models: Type.Array(Model),
    groups: Type.Optional(
      Type.Array(Type.Object({ name: Name, multiplierPpm: Type.Optional(Ppm), limits: Type.Optional(Limits) }, strict)),
    ),
    addressLimits: Type.Optional(Limits),
    country: Type.Optional(CountrySource),
    proxy: Type.Optional(Type.Object({ trusted: Type.Array(Type.String()), header: ProxyHeader }, strict)),
    terms: Type.Optional(Type.Array(Terms)),
    presets: Type.Optional(
      Type.Record(
        Type.String(),
        Type.Object({ summary: Type.String(), terms: Type.Array(Terms), policies: Type.Array(Entry) }, strict),
      ),
    ),
    currency: Type.Optional(Currency),
  },
  strict,
);

/** `/models/2/price` below `root`: `models[2].price`. */
function pathOf(pointer: string, root: string): string {
  let path = root;
  for (const segment of pointer.split('/').slice(1)) {
    const key = segment.replaceAll('~1', '/').replaceAll('~0', '~');
    if (/^\d+$/.test(key)) path += `[${key}]`;
    else path += path === '' ? key : `.${key}`;
  }
  return path === '' ? 'config' : path;
}

/** One problem for each place: what a missing field lacks besides being there is not worth a line. */
export function schemaProblems(schema: TSchema, value: unknown, root: string): ConfigProblem[] {
  const byPath = new Map<string, ConfigProblem>();
  // Nearly always there is none, and asking whether costs a third of asking which.
  if (Check(schema, value)) return [];
  for (const error of Errors(schema, value)) {
    const path = pathOf(error.path, root);
    if (!byPath.has(path)) byPath.set(path, { path, message: error.message });
  }
  return [...byPath.values()];
}

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

export function configShapeProblems(config: unknown): ConfigProblem[] {
  return [...schemaProblems(ConfigSchema, withoutDropIns(config), ''), ...priceShapeProblems(config)];
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
    return schemaProblems(Array.isArray(price) ? DatedPrices : Price, price, `models[${index}].price`);
  });
}
