// `tollgate/plugin`: all that plugins and policies may import.

export * from './billing.ts';
export * from './codec.ts';
export * from './conversation.ts';
export * from './conversation-reply.ts';
export * from './country.ts';
export {
  defineBillingRule,
  definePolicy,
  defineProvider,
  defineRoutingStrategy,
  named,
  type PluginDefinition,
  type PluginEntry,
  type PluginFactory,
  type PluginKind,
  type PluginOf,
} from './define.ts';
export { dropIn, type DropIn, type DropInConfig } from './drop-in.ts';
export * from './expectations.ts';
export * from './gateway.ts';
export * from './operations.ts';
export * from './policy.ts';
export * from './prices.ts';
export * from './protocol.ts';
export * from './provider.ts';
export * from './routing.ts';
export * from './usage.ts';
export type { Currency, MicroPerMillion, Nano, Pico, Ppm } from '../core/money.ts';
export { PPM_ONE, formatNano, parseNano, roundUpToNano } from '../core/money.ts';
export type { Chance, EpochMs } from '../core/clock.ts';
export { Type } from '@sinclair/typebox';
export type { Static } from '@sinclair/typebox';
