// How much a response holds that a model produced.

import type { JsonObject, JsonValue } from '../../plugin/conversation.ts';
import { listOf, objectOf } from '../json-fields.ts';

const lengthOf = (value: JsonValue | undefined): number => (typeof value === 'string' ? Buffer.byteLength(value) : 0);

/** Bytes of text, thinking, names and arguments in the items of a response. */
export function producedBytes(response: JsonObject): number {
  let bytes = 0;
  for (const each of listOf(response['output'])) {
    const item = objectOf(each);
    for (const name of ['name', 'arguments', 'input'] as const) bytes += lengthOf(item[name]);
    for (const list of [item['content'], item['summary']])
      for (const part of listOf(list)) bytes += lengthOf(objectOf(part)['text']) + lengthOf(objectOf(part)['refusal']);
  }
  return bytes;
}
