// admit: compliance policies, the model, and its price. Any deny wins; an unpriced model is refused, never free.

import { bounds } from '../core/bounds.ts';
import { TollgateError } from '../core/errors.ts';
import { PPM_ONE } from '../core/money.ts';
import type { Account, Group } from '../domain/accounts/accounts.ts';
import type { Model, PriceVersion } from '../domain/catalog/catalog.ts';
import type { PinnedTerms } from '../domain/ledger/records.ts';
import type { Decision, PolicyFacts } from '../plugin/policy.ts';
import type { RequestFacts } from '../plugin/protocol.ts';
import { groupNow } from './authenticate.ts';
import type { Admitted, Authenticated, Read } from './exchange.ts';
import type { PipelineServices } from './services.ts';

/** What policies are told of a request, or of what is asked beside one. */
type Asked = Authenticated & { readonly facts: Pick<RequestFacts, 'model'> };

/** Waits only where a policy does, or where an obligation must be durable first. */
export function admit(services: PipelineServices, read: Read): Admitted | Promise<Admitted> {
  const country = countryOf(services, read);
  if (!services.compliance.asks('use', 'request')) return admitted(services, read, country);
  const decision = judged(services, read, country);
  if (!(decision instanceof Promise) && decision.verdict === 'allow' && decision.obligations.length === 0) {
    return admitted(services, read, country);
  }
  return admitWith(services, read, country, decision);
}

async function admitWith(
  services: PipelineServices,
  read: Read,
  country: string,
  deciding: Decision | Promise<Decision>,
): Promise<Admitted> {
  await heed(services, read, country, deciding);
  return admitted(services, read, country);
}

/**
 * For what needs no admission but is a use all the same. Throws what `admit` throws where the model is not for this
 * account or key, or where a policy denies it.
 */
export async function demandUse(services: PipelineServices, asked: Asked): Promise<void> {
  const model = services.catalog.model(asked.facts.model);
  // One that is gone by now is hidden from nobody.
  if (model !== undefined) demandPermitted(model, asked);
  if (!services.compliance.asks('use', 'request')) return;
  const country = countryOf(services, asked);
  await heed(services, asked, country, judged(services, asked, country));
}

const countryOf = ({ compliance }: PipelineServices, { address, peer, request }: Asked): string =>
  compliance.countryOf(address, peer, request.headers);

const judged = (services: PipelineServices, asked: Asked, country: string): Decision | Promise<Decision> =>
  services.compliance.judge('request', useFacts(services, asked, country, undefined));

async function heed(
  services: PipelineServices,
  asked: Asked,
  country: string,
  deciding: Decision | Promise<Decision>,
): Promise<void> {
  const decision = await deciding;
  if (decision.verdict === 'deny') throw refusal(services, decision);
  for (const obligation of decision.obligations) await services.compliance.fulfil(obligation, asked, country);
}

function admitted(services: PipelineServices, before: Read, country: string): Admitted {
  // The body may have taken long, and another config come meanwhile: group, model and price must be of one.
  const group = groupNow(services, before.group?.name);
  const read = group === before.group ? before : { ...before, group };
  const model = permittedModel(services, read);
  return { ...read, country, model, terms: pinTerms(services, read, model) };
}

const lastAccountFacts = new WeakMap<Account, NonNullable<PolicyFacts['account']>>();

/** The same for all requests of an account through keys of one group. Frozen, because many requests share them. */
function accountFacts({ account, group }: Authenticated): NonNullable<PolicyFacts['account']> {
  const last = lastAccountFacts.get(account);
  if (last !== undefined && last.groups[0] === group?.name) return last;
  const groups = Object.freeze(group === undefined ? [] : [group.name]);
  const facts = Object.freeze({ id: account.id, kind: account.kind, groups });
  lastAccountFacts.set(account, facts);
  return facts;
}

/** The facts of the gate `use`, for the request or for one upstream of its plan. */
export function useFacts(
  services: PipelineServices,
  asked: Asked,
  country: string,
  upstream: PolicyFacts['upstream'],
): PolicyFacts {
  return {
    gate: 'use',
    at: asked.admittedAt,
    address: asked.address,
    country,
    account: accountFacts(asked),
    apiKeyId: asked.apiKey.id,
    operation: asked.protocol.operation,
    model: asked.facts.model,
    upstream,
    terms: services.compliance.standing(asked.account.id, asked.admittedAt),
  };
}

function refusal(services: PipelineServices, denial: Extract<Decision, { verdict: 'deny' }>): TollgateError {
  return new TollgateError(denial.code, {
    message: `${denial.message} ${denial.remedy}`.trim(),
    clause: denial.clause,
    ...(denial.link === undefined ? {} : { link: services.absolute(denial.link) }),
  });
}

/** Whether an account of that group, with that key, may see and use the model. */
export function mayUse(model: Model, groupName: string | undefined, keyModels: readonly string[] | undefined): boolean {
  if (model.groups !== undefined && (groupName === undefined || !model.groups.includes(groupName))) return false;
  return keyModels === undefined || keyModels.includes(model.name);
}

const unknownModel = (): TollgateError =>
  new TollgateError('model_not_found', {
    message: 'model: no such model here, or not for this account. GET /v1/models lists those that you may use.',
    field: 'model',
  });

function demandPermitted(model: Model, { group, apiKey }: Authenticated): void {
  // Hidden from this group and unknown look alike: the answer tells nobody what others may use.
  if (!mayUse(model, group?.name, undefined)) throw unknownModel();
  if (!mayUse(model, group?.name, apiKey.models)) {
    throw new TollgateError('model_not_allowed', {
      message: 'model: this API key may not use this model; its model list says which.',
      field: 'model',
    });
  }
}

function permittedModel(services: PipelineServices, read: Read): Model {
  const { facts, protocol } = read;
  const model = facts.model.length <= bounds.modelNameLength ? services.catalog.model(facts.model) : undefined;
  if (model === undefined) throw unknownModel();
  demandPermitted(model, read);
  if (!model.operations.includes(protocol.operation)) {
    throw new TollgateError('invalid_request', {
      message: `model: this model does not serve ${protocol.operation}.`,
      field: 'model',
    });
  }
  return model;
}

/** The terms that a model was last pinned with. Values, all of them: the same price and group give the same terms. */
interface LastPinned {
  readonly price: PriceVersion;
  readonly group: Group | undefined;
  readonly terms: PinnedTerms;
}

const lastPinned = new WeakMap<Model, LastPinned>();

function pinTerms(services: PipelineServices, { group, admittedAt }: Read, model: Model): PinnedTerms {
  const price = services.catalog.priceAt(model.name, admittedAt);
  if (price === undefined) {
    throw new TollgateError('model_not_found', {
      message: 'model: this model has no price in force, so it is not served.',
      field: 'model',
    });
  }
  const last = lastPinned.get(model);
  if (last !== undefined && last.price === price && last.group === group) return last.terms;
  const terms = termsOf(model, price, group);
  lastPinned.set(model, { price, group, terms });
  return terms;
}

function termsOf(model: Model, price: PriceVersion, group: Group | undefined): PinnedTerms {
  const multipliers = [];
  if (model.multiplierPpm !== PPM_ONE) multipliers.push({ of: `model:${model.name}`, ppm: model.multiplierPpm });
  if (group !== undefined && group.multiplierPpm !== PPM_ONE) {
    multipliers.push({ of: `group:${group.name}`, ppm: group.multiplierPpm });
  }
  return {
    priceVersionId: price.id,
    rule: model.ruleName,
    currency: price.currency,
    rates: price.rates,
    perCallNano: price.perCallNano,
    multipliers,
  };
}
