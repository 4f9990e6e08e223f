// Where drop-ins stand in a config: in the list of their kind, and in the policies of the preset that is chosen. The
// config is looked at before it was checked, so it may be anything.

import type { PluginKind } from '../plugin/define.ts';
import { isDropIn, type DropIn } from '../plugin/drop-in.ts';
import type { GatewayConfig } from '../plugin/gateway.ts';

export interface DropInPlace {
  /** `providers[2]` */
  readonly path: string;
  /** Of the plugins that its list takes. */
  readonly kind: PluginKind;
  readonly list: readonly unknown[];
  readonly index: number;
  readonly dropIn: DropIn;
}

const kinds = { providers: 'provider', routing: 'routing', billing: 'billing', policies: 'policy' } as const;
type ListName = keyof typeof kinds;
const listNames = ['providers', 'routing', 'billing', 'policies'] as const satisfies readonly ListName[];

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

export function dropInsOf(config: GatewayConfig, preset: string | undefined): readonly DropInPlace[] {
  const lists = [
    ...listNames.map((name) => ({ name: name as string, kind: kinds[name], list: memberOf(config, name) })),
    ...(preset === undefined ? [] : [presetPolicies(config, preset)]),
  ];
  return lists.flatMap(({ name, kind, list }) =>
    !Array.isArray(list)
      ? []
      : list.flatMap((dropIn: unknown, index) =>
          isDropIn(dropIn) ? [{ path: `${name}[${index}]`, kind, list, index, dropIn }] : [],
        ),
  );
}

const presetPolicies = (config: GatewayConfig, preset: string) => ({
  name: `presets.${preset}.policies`,
  kind: 'policy' as const,
  list: memberOf(memberOf(memberOf(config, 'presets'), preset), 'policies'),
});

/** The same config with other values in some places of these lists. */
export function withPlaces(
  config: GatewayConfig,
  preset: string | undefined,
  valueAt: (path: string, value: unknown) => unknown,
): GatewayConfig {
  const replaced = (list: unknown, path: string): unknown =>
    Array.isArray(list) ? list.map((value: unknown, index) => valueAt(`${path}[${index}]`, value)) : list;
  const lists = Object.fromEntries(listNames.map((name) => [name, replaced(memberOf(config, name), name)]));
  const chosen = preset === undefined ? undefined : memberOf(memberOf(config, 'presets'), preset);
  if (preset === undefined || typeof chosen !== 'object' || chosen === null) return { ...config, ...lists };
  const { name, list } = presetPolicies(config, preset);
  const policies = replaced(list, name);
  return Object.assign({ ...config, ...lists }, { presets: { ...config.presets, [preset]: { ...chosen, policies } } });
}
