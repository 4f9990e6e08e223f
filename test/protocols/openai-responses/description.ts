// OpenAI's own description of its responses, as validators. It runs ahead of its traffic in a few places, which are
// allowed for by name; all else that is sent must pass it.

import Ajv from 'ajv/dist/2020';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject, JsonValue } from '../../../src/plugin/conversation.ts';
import { isList, isObject, objectOf } from '../../../src/protocols/json-fields.ts';

const file = join(import.meta.dir, '../../../../shared/descriptions/openai-openapi.json');
export const haveDescription = existsSync(file);

/** Null where the older form says so, and nothing that a validator of JSON Schema does not know. */
function plain(value: JsonValue | undefined): JsonValue {
  if (isList(value)) return value.map(plain);
  if (!isObject(value)) return value ?? null;
  const rest: Record<string, JsonValue> = {};
  for (const [name, member] of Object.entries(value)) {
    const isSchema = !isObject(member) || (name !== 'example' && name !== 'discriminator');
    if (!isSchema || name === 'nullable' || name === 'examples' || name.startsWith('x-')) continue;
    // Alternatives overlap once their discriminators are gone.
    rest[name === 'oneOf' ? 'anyOf' : name] = plain(member);
  }
  return value['nullable'] === true ? { anyOf: [rest, { type: 'null' }] } : rest;
}

/** What real traffic has, and the description has not: no usage until it is known, and that there is no money. */
function allowed(schemas: JsonObject): JsonObject {
  const response = plain(schemas['Response']);
  const text = JSON.stringify(response).replace(
    '"usage":{"$ref":"#/components/schemas/ResponseUsage"}',
    '"usage":{"anyOf":[{"$ref":"#/components/schemas/ResponseUsage"},{"type":"null"}]}',
  );
  if (text === JSON.stringify(response)) throw new Error('the description has no usage where it was');
  const codes = objectOf(schemas['ResponseErrorCode'])['enum'];
  if (!isList(codes) || codes.includes('insufficient_quota')) throw new Error('the description has other codes by now');
  const ResponseErrorCode = { type: 'string', enum: [...codes, 'insufficient_quota'] };
  return { ...objectOf(plain(schemas)), Response: JSON.parse(text), ResponseErrorCode };
}

export type DescribedSchema =
  | 'Response'
  | 'ResponseStreamEvent'
  | 'CreateResponse'
  | 'CreateChatCompletionResponse'
  | 'CreateChatCompletionStreamResponse'
  | 'ErrorResponse';

export interface Described {
  /** What is wrong with it, in words; empty if nothing is. */
  wrongIn(schema: DescribedSchema, value: JsonValue | undefined): string;
}

export function openAiDescription(): Described {
  const parsed: JsonValue = JSON.parse(readFileSync(file, 'utf8'));
  const schemas = allowed(objectOf(objectOf(objectOf(parsed)['components'])['schemas']));
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: false });
  ajv.addSchema({ $id: 'openai', components: { schemas } });
  return {
    wrongIn: (schema, value) => {
      const events = objectOf(schemas['ResponseStreamEvent'])['anyOf'];
      // The errors of fifty alternatives say nothing: the one of that type is asked.
      const alone = schema === 'ResponseStreamEvent' ? eventSchema(schemas, events, value) : schema;
      const validate = ajv.getSchema(`openai#/components/schemas/${alone}`);
      if (validate === undefined) throw new Error(`the description has no ${alone}`);
      return validate(value) ? '' : `${alone}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(value)}`;
    },
  };
}

function eventSchema(schemas: JsonObject, events: JsonValue | undefined, value: JsonValue | undefined): string {
  for (const each of isList(events) ? events : []) {
    const name = String(objectOf(each)['$ref']).split('/').at(-1) ?? '';
    const type = objectOf(objectOf(objectOf(schemas[name])['properties'])['type']);
    if (isList(type['enum']) && type['enum'].includes(objectOf(value)['type'] ?? null)) return name;
  }
  return 'ResponseStreamEvent';
}
