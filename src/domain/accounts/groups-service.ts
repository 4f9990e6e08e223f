// Groups. Those that the config declares are read-only here: each fact has one source. A group in use is not
// removed, because those who are in it would lose its limits and its multiplier.

import type { GroupId } from '../../core/ids.ts';
import { PPM_ONE } from '../../core/money.ts';
import { sha256Hex } from '../../core/secrets.ts';
import type { GroupConfig } from '../../plugin/gateway.ts';
import { changeText } from '../audit/audit.ts';
import { accountBounds } from './account-bounds.ts';
import { requireRuling, ruleGroupChange, ruleGroupRemoval } from './account-rules.ts';
import { noLimits } from './accounts.ts';
import type { Group } from './accounts.ts';
import { conflict, notFound } from './accounts-context.ts';
import type { AccountsContext } from './accounts-context.ts';
import { isEmptyPatch, limitsOfPatch } from './changes.ts';
import type { GroupPatch, NewGroup } from './changes.ts';
import { checkGroupName, checkLimits, checkWhole } from './input-rules.ts';

export interface GroupQuery {
  readonly limit: number;
  /** Groups whose names come after this one. */
  readonly after?: string | undefined;
}

export interface GroupsService {
  create(actor: string, input: NewGroup): Promise<Group>;
  /** From memory. */
  get(name: string): Group | undefined;
  /** By name, those of the config among the others. */
  list(query: GroupQuery): readonly Group[];
  update(actor: string, name: string, patch: GroupPatch): Promise<Group>;
  remove(actor: string, name: string): Promise<void>;
}

export function createGroupsService(context: AccountsContext): GroupsService {
  const { directory, turn } = context;
  return {
    create: (actor, input) => turn(() => createGroup(context, actor, input)),
    get: (name) => directory.group(name),
    list({ limit, after }) {
      const groups = directory.groups().filter((group) => after === undefined || group.name > after);
      return groups.toSorted((left, right) => (left.name < right.name ? -1 : 1)).slice(0, limit);
    },
    update: (actor, name, patch) => turn(() => updateGroup(context, actor, name, patch)),
    remove: (actor, name) => turn(() => removeGroup(context, actor, name)),
  };
}

/**
 * A group of the config as a value. Its identifier follows from its name, so that it is the same after each
 * start.
 */
export function configGroup(config: GroupConfig): Group {
  const id: GroupId = `grp_${sha256Hex(`config-group/${config.name}`).slice(0, 32)}`;
  return {
    id,
    name: config.name,
    multiplierPpm: config.multiplierPpm ?? PPM_ONE,
    limits: { ...noLimits, ...config.limits },
    source: 'config',
  };
}

async function createGroup(context: AccountsContext, actor: string, input: NewGroup): Promise<Group> {
  const { directory, groups, clock } = context;
  checkGroupName('name', input.name);
  checkPatch(input);
  const known = directory.group(input.name);
  if (known !== undefined) {
    throw conflict(
      known.source === 'config'
        ? `is declared in the config file${await placeOf(context, input.name)}`
        : 'belongs to another group; choose another',
      'name',
    );
  }
  const group: Group = {
    id: context.newId('grp'),
    name: input.name,
    multiplierPpm: input.multiplierPpm ?? PPM_ONE,
    limits: limitsOfPatch(input.limits),
    source: 'admin',
  };
  await groups.insert(group, {
    at: clock.now(),
    actor,
    action: 'group.create',
    target: `group/${group.name}`,
    change: changeText({ ...input, multiplierPpm: group.multiplierPpm }),
  });
  directory.putGroup(group);
  return group;
}

async function updateGroup(
  context: AccountsContext,
  actor: string,
  name: string,
  patch: GroupPatch,
): Promise<Group> {
  const { directory, groups, clock } = context;
  const current = directory.group(name);
  if (current === undefined) throw notFound('group');
  await requireOwn(context, current);
  checkPatch(patch);
  if (isEmptyPatch(patch)) return current;
  const entry = {
    at: clock.now(),
    actor,
    action: 'group.update',
    target: `group/${name}`,
    change: changeText({ ...patch }),
  };
  const group = await groups.update(name, patch, entry);
  if (group === undefined) throw notFound('group');
  directory.putGroup(group);
  return group;
}

async function removeGroup(context: AccountsContext, actor: string, name: string): Promise<void> {
  const { directory, groups, clock } = context;
  const current = directory.group(name);
  if (current === undefined) throw notFound('group');
  await requireOwn(context, current);
  requireRuling(ruleGroupRemoval(current, await groups.usedBy(name)));
  await groups.remove(name, {
    at: clock.now(),
    actor,
    action: 'group.remove',
    target: `group/${name}`,
    change: '{}',
  });
  directory.dropGroup(name);
}

/** A group of the config is changed there. */
async function requireOwn(context: AccountsContext, group: Group): Promise<void> {
  const ruling = ruleGroupChange(group);
  if (ruling.allowed) return;
  requireRuling({ ...ruling, because: `${ruling.because}${await placeOf(context, group.name)}` });
}

const placeOf = async ({ declaredAt }: AccountsContext, name: string): Promise<string> => {
  const place = await declaredAt('group', name);
  return place === undefined ? '' : ` (${place})`;
};

function checkPatch(patch: GroupPatch): void {
  checkWhole('multiplierPpm', patch.multiplierPpm, accountBounds.multiplierPpmMax);
  checkLimits('limits', patch.limits);
}
