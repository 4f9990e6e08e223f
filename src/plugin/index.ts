// `tollgate/plugin`: all that plugins and policies may import.

export * from './billing.ts';
export * from './country.ts';
export * from './define.ts';
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
