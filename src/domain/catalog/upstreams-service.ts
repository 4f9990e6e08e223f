// Upstreams: those of the config, read-only, and those that operators make. A credential goes in and never comes out;
// one that was entered for an address or provider is not sent to another. Nothing is deleted: records name upstreams.

import { checkUpstreamUrl } from '../../core/addresses.ts';
import { seal } from '../../core/envelope.ts';
import type { UpstreamId } from '../../core/ids.ts';
import type { Provider } from '../../plugin/provider.ts';
import { conflict, notFound } from '../accounts/accounts-context.ts';
import { checkWhole } from '../accounts/input-rules.ts';
import { changeText } from '../audit/audit.ts';
import type { AdminUpstream, NewUpstream, UpstreamInfo, UpstreamPatch } from './admin-catalog.ts';
import { catalogBounds } from './catalog-bounds.ts';
import { changedMeanwhile, declaredElsewhere, onlySwitchesOff, refusedInput, withEntry } from './catalog-context.ts';
import type { CatalogContext } from './catalog-context.ts';
import { defaultWeight } from './config-catalog.ts';
import { requireFit } from './model-rules.ts';
import { baseUrlOf } from './snapshot.ts';

export interface UpstreamsService {
  create(actor: string, input: NewUpstream): Promise<UpstreamInfo>;
  /** From memory. */
  get(name: string): UpstreamInfo | undefined;
  /** By name, those of the config among the others. */
  list(): readonly UpstreamInfo[];
  update(actor: string, name: string, patch: UpstreamPatch): Promise<UpstreamInfo>;
  /** Audits that somebody tests it with that model of its own; also of the config's. */
  noteTest(actor: string, name: string, model: string): Promise<void>;
}

export function createUpstreamsService(context: CatalogContext): UpstreamsService {
  const get = (name: string) => infoOf(context, name);
  return {
    create: (actor, input) => context.turn(() => createUpstream(context, actor, input)),
    get,
    list() {
      const { declared, live } = context;
      const names = new Set([...declared.upstreams.keys(), ...live.rows.upstreams.keys()]);
      return [...names].toSorted().flatMap((name) => get(name) ?? []);
    },
    update: (actor, name, patch) => context.turn(() => updateUpstream(context, actor, name, patch)),
    noteTest: (actor, name, model) =>
      context.upstreams.note(auditEntry(context, actor, 'upstream.test', name, { model })),
  };
}

/** Where the sealed credential of an upstream stands. */
export const credentialPlace = (recordId: UpstreamId) => ({ table: 'upstream', recordId, field: 'credential' });

async function createUpstream(context: CatalogContext, actor: string, input: NewUpstream): Promise<UpstreamInfo> {
  const { clock, live } = context;
  await requireFreeName(context, input.name);
  const id = context.newId('ups');
  const draft: AdminUpstream = {
    id,
    name: input.name,
    provider: input.provider,
    baseUrl: input.baseUrl ?? undefined,
    addresses: input.addresses ?? 'public',
    credential: undefined,
    weight: input.weight ?? defaultWeight,
    priority: input.priority ?? 0,
    onClientLeaving: input.onClientLeaving ?? 'cancel',
    enabled: input.enabled ?? true,
    createdAt: clock.now(),
    revision: 1,
  };
  const checked = checkedUpstream(context, draft, input.credential ?? undefined, input.credential === undefined);
  const upstream = { ...checked, credential: sealedCredential(context, id, input.credential ?? undefined) };
  const prepared = live.prepare({ upstreams: withEntry(live.rows.upstreams, upstream.name, upstream) });
  await context.upstreams.insert(upstream, auditEntry(context, actor, 'upstream.create', upstream.name, input));
  prepared.publish();
  return known(context, upstream.name);
}

async function updateUpstream(
  context: CatalogContext,
  actor: string,
  name: string,
  patch: UpstreamPatch,
): Promise<UpstreamInfo> {
  const { live } = context;
  if (context.declared.upstreamNames.has(name)) throw await declaredElsewhere(context, 'upstream', name);
  const current = live.rows.upstreams.get(name);
  if (current === undefined) throw notFound('upstream');
  if (Object.values(patch).every((value) => value === undefined)) return known(context, name);
  const { credential, baseUrl, ...rest } = patch;
  const draft: AdminUpstream = {
    ...current,
    ...definedOf(rest),
    ...(baseUrl !== undefined && { baseUrl: baseUrl ?? undefined }),
    ...(credential !== undefined && { credential: undefined }),
    revision: current.revision + 1,
  };
  const checked = onlySwitchesOff(patch)
    ? draft
    : checkedUpstream(context, draft, credential ?? undefined, credential === undefined);
  requireCredentialAgain(context, current, checked, credential !== undefined);
  const upstream =
    typeof credential === 'string'
      ? { ...checked, credential: sealedCredential(context, current.id, credential) }
      : checked;
  const prepared = live.prepare({ upstreams: withEntry(live.rows.upstreams, name, upstream) });
  if (upstream.provider !== current.provider) requireModelsFit(context, upstream);
  if (!(await context.upstreams.update(upstream, auditEntry(context, actor, 'upstream.update', name, patch)))) {
    throw changedMeanwhile('upstream');
  }
  prepared.publish();
  return known(context, name);
}

const definedOf = (patch: Omit<UpstreamPatch, 'credential' | 'baseUrl'>) => ({
  ...(patch.provider !== undefined && { provider: patch.provider }),
  ...(patch.addresses !== undefined && { addresses: patch.addresses }),
  ...(patch.weight !== undefined && { weight: patch.weight }),
  ...(patch.priority !== undefined && { priority: patch.priority }),
  ...(patch.onClientLeaving !== undefined && { onClientLeaving: patch.onClientLeaving }),
  ...(patch.enabled !== undefined && { enabled: patch.enabled }),
});

const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;

async function requireFreeName(context: CatalogContext, name: string): Promise<void> {
  const { declared, live, upstreams } = context;
  if (!NAME.test(name)) throw refusedInput('name', 'must be 1 to 64 of a-z, 0-9 and dash, first a letter or digit');
  if (declared.upstreamNames.has(name)) throw await declaredElsewhere(context, 'upstream', name);
  if (live.rows.upstreams.has(name)) {
    throw conflict('belongs to another upstream, disabled ones included; choose another', 'name');
  }
  if (await upstreams.wasDeclared(name)) {
    throw conflict('belonged to an upstream of the config, and records name that one; choose another', 'name');
  }
}

/** The draft with its base URL in one spelling. `keeps`: the credential that it has stays. */
function checkedUpstream(
  context: CatalogContext,
  draft: AdminUpstream,
  credential: string | undefined,
  keeps: boolean,
): AdminUpstream {
  checkWhole('weight', draft.weight, catalogBounds.weightMax);
  checkWhole('priority', draft.priority, catalogBounds.priorityMax);
  const provider = context.plugins.providers.get(draft.provider);
  if (provider === undefined) {
    const names = [...context.plugins.providers.keys()].join(', ');
    throw refusedInput('provider', `must be one of the config's: ${names || 'it has none'}`);
  }
  if (credential !== undefined) checkCredential(credential);
  const has = credential !== undefined || (keeps && draft.credential !== undefined);
  if (provider.needsCredential && !has)
    throw refusedInput('credential', `is required: the provider ${draft.provider} needs one`);
  const text = draft.baseUrl ?? provider.defaultBaseUrl;
  if (text === undefined)
    throw refusedInput('baseUrl', `is required: the provider ${draft.provider} has none of its own`);
  const url = checkUpstreamUrl(text, draft.addresses);
  if (url.kind === 'refused') throw refusedInput('baseUrl', url.message.replace(/\.$/, ''));
  return draft.baseUrl === undefined ? draft : { ...draft, baseUrl: url.url.href };
}

function checkCredential(text: string): void {
  const { credentialLengthMin: least, credentialLengthMax: most } = catalogBounds;
  if (text.length < least || text.length > most || /[^\x21-\x7e]/.test(text)) {
    throw refusedInput('credential', `must be ${least} to ${most} printable ASCII characters without blanks`);
  }
}

/** Whoever may only redirect an upstream must not read its credential at an address of their own. */
function requireCredentialAgain(
  { plugins }: CatalogContext,
  current: AdminUpstream,
  draft: AdminUpstream,
  entered: boolean,
): void {
  if (current.credential === undefined || entered) return;
  const addressOf = (row: AdminUpstream, provider: Provider | undefined) =>
    provider === undefined ? undefined : baseUrlOf(row, provider)?.href;
  const before = addressOf(current, plugins.providers.get(current.provider));
  const after = addressOf(draft, plugins.providers.get(draft.provider));
  const widened = current.addresses === 'public' && draft.addresses !== 'public';
  if (current.provider === draft.provider && before === after && !widened) return;
  throw refusedInput(
    'credential',
    'must be entered again when the provider or the base URL changes, or `addresses` is widened: the old one was meant for the old address',
  );
}

/** A provider that reports parts which a model does not price must not be slipped under it. */
function requireModelsFit(context: CatalogContext, upstream: AdminUpstream): void {
  const provider = context.plugins.providers.get(upstream.provider);
  if (provider === undefined) return;
  for (const model of context.live.rows.models.values()) {
    if (!model.offers.some((offer) => offer.upstream === upstream.name)) continue;
    const instead = (name: string) => (name === upstream.name ? provider : undefined);
    requireFit(context, model, instead, `the model ${model.name} is on this upstream; `);
  }
}

function sealedCredential(
  { masterKeys, randomBytes }: CatalogContext,
  id: UpstreamId,
  credential: string | undefined,
): AdminUpstream['credential'] {
  if (credential === undefined) return undefined;
  return {
    sealed: seal(masterKeys.need(), credentialPlace(id), credential, randomBytes),
    hint: hintOfCredential(credential),
  };
}

export const hintOfCredential = (credential: string): string =>
  credential.length >= catalogBounds.hintedLengthMin ? `...${credential.slice(-4)}` : '...';

const auditEntry = (
  { clock }: CatalogContext,
  actor: string,
  action: string,
  name: string,
  change: NewUpstream | UpstreamPatch | { readonly model: string },
) => ({
  at: clock.now(),
  actor,
  action,
  target: `upstream/${name}`,
  change: changeText({
    ...change,
    ...('credential' in change && typeof change.credential === 'string' && { credential: '(secret)' }),
  }),
});

function known(context: CatalogContext, name: string): UpstreamInfo {
  const info = infoOf(context, name);
  if (info === undefined) throw notFound('upstream');
  return info;
}

function infoOf({ declared, live, plugins }: CatalogContext, name: string): UpstreamInfo | undefined {
  const config = declared.upstreams.get(name);
  if (config !== undefined) {
    const { providerName: provider, credential, addresses, weight, priority, onClientLeaving } = config;
    return {
      name,
      provider,
      baseUrl: config.baseUrl.href,
      addresses,
      weight,
      priority,
      onClientLeaving,
      enabled: true,
      hasCredential: credential !== undefined,
      credentialHint: credential === undefined ? undefined : hintOfCredential(credential),
      source: 'config',
      createdAt: undefined,
      problem: undefined,
    };
  }
  const row = live.rows.upstreams.get(name);
  if (row === undefined) return undefined;
  const provider = plugins.providers.get(row.provider);
  return {
    name,
    provider: row.provider,
    baseUrl: provider === undefined ? row.baseUrl : baseUrlOf(row, provider)?.href,
    addresses: row.addresses,
    weight: row.weight,
    priority: row.priority,
    onClientLeaving: row.onClientLeaving,
    enabled: row.enabled,
    hasCredential: row.credential !== undefined,
    credentialHint: row.credential?.hint,
    source: 'admin',
    createdAt: row.createdAt,
    problem: live.snapshot.upstreamProblems.get(name),
  };
}
