// What is wrong with a value, in TypeBox's words. Loaded for a value that does not fit, or of whose schema nothing is
// known without TypeBox: most starts do without it.

import { KindGuard } from '@sinclair/typebox';
import { Errors } from '@sinclair/typebox/errors';
import { Check } from '@sinclair/typebox/value';

export interface SchemaError {
  readonly path: string;
  readonly message: string;
}

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
export function schemaErrors(schema: object, value: unknown, root: string): readonly SchemaError[] {
  if (!KindGuard.IsSchema(schema)) return [{ path: root, message: 'its schema is none of TypeBox' }];
  // It may have been asked for a schema of which too little was known.
  if (Check(schema, value)) return [];
  const byPath = new Map<string, SchemaError>();
  for (const error of Errors(schema, value)) {
    const path = pathOf(error.path, root);
    if (!byPath.has(path)) byPath.set(path, { path, message: error.message });
  }
  return [...byPath.values()];
}
