// Reads stored JSON field by field into known types. What we wrote ourselves is checked as well: a field that is
// missing or of another type names itself instead of becoming `undefined` somewhere later.

import { parseNano, type Nano } from '../core/money.ts';

export type Fields = Readonly<Record<string, unknown>>;

export class StoredFieldError extends Error {
  constructor(field: string, expected: string) {
    super(`stored record: ${field} must be ${expected}`);
    this.name = 'StoredFieldError';
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function fieldsOf(value: unknown, what = 'the record'): Fields {
  if (!isFields(value)) throw new StoredFieldError(what, 'an object');
  return value;
}

export const parseFields = (json: string): Fields => fieldsOf(JSON.parse(json));

export function listOf(fields: Fields, name: string): readonly unknown[] {
  const value = fields[name];
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new StoredFieldError(name, 'a list');
  return value;
}

export function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw new StoredFieldError(name, 'text');
  return value;
}

export function optionalTextOf(fields: Fields, name: string): string | undefined {
  return fields[name] === undefined ? undefined : textOf(fields, name);
}

export function integerOf(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new StoredFieldError(name, 'an integer');
  return value;
}

export function numberOf(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number') throw new StoredFieldError(name, 'a number');
  return value;
}

export function optionalNumberOf(fields: Fields, name: string): number | undefined {
  return fields[name] === undefined ? undefined : numberOf(fields, name);
}

export function flagOf(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (typeof value !== 'boolean') throw new StoredFieldError(name, 'true or false');
  return value;
}

export function nanoOf(fields: Fields, name: string): Nano {
  const value = fields[name];
  const amount = typeof value === 'string' ? parseNano(value) : undefined;
  if (amount === undefined) throw new StoredFieldError(name, 'an amount as decimal text');
  return amount;
}

export function optionalNanoOf(fields: Fields, name: string): Nano | undefined {
  return fields[name] === undefined ? undefined : nanoOf(fields, name);
}
