// Gemini's members have two spellings, which its servers take alike.

import { invalid } from '../../core/json-scan.ts';
import type { JsonObject, JsonValue } from '../../plugin/conversation.ts';

/** The members in camelCase. One that is there twice, once in each spelling, could be read in two ways. */
export function camelCased(fields: JsonObject, path: string): JsonObject {
  let written: Record<string, JsonValue | undefined> | undefined;
  for (const name of Object.keys(fields)) {
    if (!name.includes('_')) continue;
    const camel = name.replace(/_([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase());
    if (Object.hasOwn(fields, camel)) {
      throw invalid(
        path === '' ? name : `${path}.${name}`,
        `is there twice, as ${name} and as ${camel}; send one of them`,
      );
    }
    written ??= { ...fields };
    written[camel] = fields[name];
    delete written[name];
  }
  return written ?? fields;
}
