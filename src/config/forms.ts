// The forms that parts of a config have: TypeBox's schemas, made without TypeBox. Making those of the config with it
// and asking it cost every start four milliseconds; it is loaded only for what does not fit.

import { Kind, OptionalKind } from '@sinclair/typebox';

/** A schema of TypeBox's, of the kinds that are made here. */
export interface Form {
  readonly [Kind]: string;
  readonly [OptionalKind]?: 'Optional';
  readonly [keyword: string]: unknown;
}

type Fields = Readonly<Record<string, Form>>;

interface TextRules {
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
}

interface ListRules {
  readonly minItems?: number;
  readonly maxItems?: number;
}

export const anything: Form = { [Kind]: 'Unknown' };
export const flag: Form = { [Kind]: 'Boolean', type: 'boolean' };
export const text = (rules: TextRules = {}): Form => ({ ...rules, [Kind]: 'String', type: 'string' });
export const whole = (minimum: number, maximum: number): Form => ({
  minimum,
  maximum,
  [Kind]: 'Integer',
  type: 'integer',
});
export const wholeBig = (minimum: bigint, maximum: bigint): Form => ({
  minimum,
  maximum,
  [Kind]: 'BigInt',
  type: 'bigint',
});
export const exactly = (value: string): Form => ({ [Kind]: 'Literal', const: value, type: 'string' });
/** Of two forms at least. */
export const oneOf = (forms: readonly Form[]): Form => ({ [Kind]: 'Union', anyOf: forms });
export const list = (items: Form, rules: ListRules = {}): Form => ({ ...rules, [Kind]: 'Array', type: 'array', items });
/** Any names, and one form for what stands under each. */
export const named = (form: Form): Form => ({
  [Kind]: 'Record',
  type: 'object',
  patternProperties: { '^(.*)$': form },
});
export const optional = (form: Form): Form => ({ ...form, [OptionalKind]: 'Optional' });

/** These fields, and others besides them. */
export function fieldsAndMore(properties: Fields): Form {
  const required = Object.keys(properties).filter((name) => properties[name]?.[OptionalKind] === undefined);
  return { [Kind]: 'Object', type: 'object', ...(required.length === 0 ? {} : { required }), properties };
}

/** These fields and no other. */
export const fields = (properties: Fields): Form => ({ additionalProperties: false, ...fieldsAndMore(properties) });
