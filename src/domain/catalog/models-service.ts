// Models: those of the config, read-only, and those that operators make. A model is published while it is enabled and
// has a price in force; nothing is deleted, because records name models.

import { PPM_ONE } from '../../core/money.ts';
import { conflict, notFound } from '../accounts/accounts-context.ts';
import { changeText } from '../audit/audit.ts';
import type { AdminModel, ModelInfo, ModelPatch, NewModel } from './admin-catalog.ts';
import { changedMeanwhile, declaredElsewhere, onlySwitchesOff, withEntry } from './catalog-context.ts';
import type { CatalogContext } from './catalog-context.ts';
import { checkModel, checkModelName, offersOf } from './model-rules.ts';
import { priceInForce } from './price-timeline.ts';

export interface ModelsService {
  create(actor: string, input: NewModel): Promise<ModelInfo>;
  /** From memory. */
  get(name: string): ModelInfo | undefined;
  /** By name, those of the config among the others. */
  list(): readonly ModelInfo[];
  update(actor: string, name: string, patch: ModelPatch): Promise<ModelInfo>;
}

export function createModelsService(context: CatalogContext): ModelsService {
  const get = (name: string) => infoOf(context, name);
  return {
    create: (actor, input) => context.turn(() => createModel(context, actor, input)),
    get,
    list() {
      const names = new Set([...context.declared.models.keys(), ...context.live.rows.models.keys()]);
      return [...names].toSorted().flatMap((name) => get(name) ?? []);
    },
    update: (actor, name, patch) => context.turn(() => updateModel(context, actor, name, patch)),
  };
}

async function createModel(context: CatalogContext, actor: string, input: NewModel): Promise<ModelInfo> {
  const { clock, defaults, live } = context;
  checkModelName(input.name);
  if (context.declared.modelNames.has(input.name)) throw await declaredElsewhere(context, 'model', input.name);
  if (live.rows.models.has(input.name)) {
    throw conflict('belongs to another model, disabled ones included; choose another', 'name');
  }
  const model: AdminModel = {
    name: input.name,
    operations: input.operations ?? ['chat'],
    contextTokens: input.contextTokens,
    outputTokensMax: input.outputTokensMax,
    rule: input.rule ?? defaults.rule,
    strategy: input.strategy ?? defaults.strategy,
    multiplierPpm: input.multiplierPpm ?? PPM_ONE,
    groups: input.groups ?? undefined,
    offers: offersOf(input.offers),
    enabled: input.enabled ?? true,
    createdAt: clock.now(),
    revision: 1,
  };
  checkModel(context, model, undefined);
  const prepared = live.prepare({ models: withEntry(live.rows.models, model.name, model) });
  await context.models.insert(model, auditEntry(context, actor, 'model.create', model.name, input));
  prepared.publish();
  return known(context, model.name);
}

async function updateModel(
  context: CatalogContext,
  actor: string,
  name: string,
  patch: ModelPatch,
): Promise<ModelInfo> {
  const { live } = context;
  if (context.declared.modelNames.has(name)) throw await declaredElsewhere(context, 'model', name);
  const current = live.rows.models.get(name);
  if (current === undefined) throw notFound('model');
  if (Object.values(patch).every((value) => value === undefined)) return known(context, name);
  const model: AdminModel = {
    name,
    operations: patch.operations ?? current.operations,
    contextTokens: patch.contextTokens ?? current.contextTokens,
    outputTokensMax: patch.outputTokensMax ?? current.outputTokensMax,
    rule: patch.rule ?? current.rule,
    strategy: patch.strategy ?? current.strategy,
    multiplierPpm: patch.multiplierPpm ?? current.multiplierPpm,
    groups: patch.groups === undefined ? current.groups : (patch.groups ?? undefined),
    offers: patch.offers === undefined ? current.offers : offersOf(patch.offers),
    enabled: patch.enabled ?? current.enabled,
    createdAt: current.createdAt,
    revision: current.revision + 1,
  };
  if (!onlySwitchesOff(patch)) checkModel(context, model, current);
  const prepared = live.prepare({ models: withEntry(live.rows.models, name, model) });
  if (!(await context.models.update(model, auditEntry(context, actor, 'model.update', name, patch)))) {
    throw changedMeanwhile('model');
  }
  prepared.publish();
  return known(context, name);
}

const auditEntry = (
  { clock }: CatalogContext,
  actor: string,
  action: string,
  name: string,
  change: NewModel | ModelPatch,
) => ({ at: clock.now(), actor, action, target: `model/${name}`, change: changeText({ ...change }) });

function known(context: CatalogContext, name: string): ModelInfo {
  const info = infoOf(context, name);
  if (info === undefined) throw notFound('model');
  return info;
}

function infoOf({ declared, live, clock }: CatalogContext, name: string): ModelInfo | undefined {
  const price = priceInForce(live.snapshot.timelines.get(name), clock.now());
  const config = declared.models.get(name);
  if (config !== undefined) {
    const { operations, contextTokens, outputTokensMax, ruleName, strategyName, multiplierPpm, groups } = config;
    const offers = config.offers.map(({ upstream, model, cost }) => ({ upstream: upstream.name, model, cost }));
    return {
      name,
      operations,
      contextTokens,
      outputTokensMax,
      rule: ruleName,
      strategy: strategyName,
      multiplierPpm,
      groups,
      offers,
      enabled: true,
      source: 'config',
      createdAt: undefined,
      price,
      problem: problemOf(price, undefined),
    };
  }
  const row = live.rows.models.get(name);
  if (row === undefined) return undefined;
  const { createdAt, revision: _, ...rest } = row;
  const problem = problemOf(price, live.snapshot.modelProblems.get(name));
  return { ...rest, source: 'admin', createdAt, price, problem };
}

const problemOf = (price: ModelInfo['price'], problem: string | undefined): string | undefined =>
  problem ?? (price === undefined ? 'it has no price in force' : undefined);
